internal import Synchronization
package import TransomEventLoop

/// The connections to one database: a pool for each event loop, which lend to each other.
package final class DatabasePool: Sendable {
  /// A connection that is ours until it is released, once.
  package struct Lease: Sendable {
    package let connection: PostgresConnection
    fileprivate let pool: ConnectionPool

    /// Gives the connection back, whatever state it is in: the pool closes what cannot be used again.
    package func release() async {
      if !releaseAtOnce() { await pool.release(connection) }
    }

    /// The same by a plain call, for who is on the loop that the connection lives on; false if the caller is not.
    package func releaseAtOnce() -> Bool {
      guard pool.loop.isCurrent else { return false }
      pool.onLoop { $0.release(connection) }
      return true
    }
  }

  /// How many connections there are on all loops, and how many leases wait for one.
  package struct Counts: Equatable, Sendable {
    package var idle = 0
    package var leased = 0
    package var connecting = 0
    package var waiting = 0
    /// How many connections could not be made, ever.
    package var failures = 0

    package init(
      idle: Int = 0, leased: Int = 0, connecting: Int = 0, waiting: Int = 0, failures: Int = 0
    ) {
      self.idle = idle
      self.leased = leased
      self.connecting = connecting
      self.waiting = waiting
      self.failures = failures
    }
  }

  private let pools: [ConnectionPool]
  private let board: PoolBoard
  private let maximum: Atomic<Int>
  /// How long a lease waits at most.
  package let waitLimit: Duration

  /// Makes the pools; connections are made when they are needed.
  ///
  /// - Throws: libpq's words if the connection string is malformed.
  package init(
    _ connection: ConnectionConfiguration, _ pool: PoolConfiguration, on group: EventLoopGroup
  ) throws(ConnectError) {
    try connection.validate()
    let count = group.loops.count
    let board = PoolBoard(count: count)
    pools = group.loops.enumerated().map { index, loop in
      ConnectionPool(
        index: index, on: loop, maximum: Self.share(of: pool.size, index, of: count), connection,
        pool, board)
    }
    maximum = Atomic(pool.size)
    board.register(pools)
    self.board = board
    waitLimit = pool.waitLimit
  }

  /// What a loop has of so many connections: the rest goes to the first loops; each has one at least.
  private static func share(of size: Int, _ index: Int, of count: Int) -> Int {
    max(1, size / count + (index < size % count ? 1 : 0))
  }

  /// The number of connections at most, over all loops.
  package var size: Int { maximum.load(ordering: .relaxed) }

  /// There may be another number of connections from now on. What is too many is closed at once if it is idle, else when
  /// it comes back.
  package func resize(to size: Int) async {
    guard maximum.exchange(size, ordering: .relaxed) != size else { return }
    for (index, pool) in pools.enumerated() {
      await pool.resize(to: Self.share(of: size, index, of: pools.count))
    }
  }

  /// The pool as one loop sees it. `index` is the loop's in its group.
  package func onLoop(_ index: Int) -> LoopPool { LoopPool(pools[index], waitLimit: waitLimit) }

  /// A connection of the loop's own pool if one is idle, else in line, where another loop's may come sooner.
  ///
  /// `index` is the loop that the caller is on. The wait ends at `deadline` or the pool's own wait limit,
  /// whichever is sooner; then the error tells whether the pool was busy or the server unreachable.
  package func lease(
    onLoop index: Int, until deadline: MonotonicInstant
  ) async throws(LeaseError) -> Lease {
    try await onLoop(index).lease(until: deadline, isCancellable: true)
  }

  /// Gives a connection back, once, whatever state it is in: the pool closes what cannot be used again.
  package func release(_ lease: Lease) async { await lease.release() }

  /// As `release`, without waiting for it: what is leased on the same loop later comes after it.
  package func releaseSoon(_ lease: Lease) {
    let pool = lease.pool
    pool.loop.execute { pool.assumeIsolated { $0.release(lease.connection) } }
  }

  /// How many connections of one loop there are now.
  package func counts(onLoop index: Int) async -> Counts { await pools[index].counts }

  /// How many connections there are now.
  package var counts: Counts {
    get async {
      var sum = Counts()
      for pool in pools {
        let counts = await pool.counts
        sum.idle += counts.idle
        sum.leased += counts.leased
        sum.connecting += counts.connecting
        sum.waiting += counts.waiting
        sum.failures += counts.failures
      }
      return sum
    }
  }

  /// Closes idle connections, refuses who waits, and waits until every lease has come back.
  package func shutdown() async {
    // No loop goes on while another one waits for its leases.
    for pool in pools { await pool.beginShutdown() }
    for pool in pools { await pool.waitUntilDrained() }
    board.register([])
  }
}

/// The connections to one database as one event loop sees them.
///
/// Each loop has an object of its own: to count the references of one that all share would cost each request more than
/// a look-up, as the loops' cores would take it from one another.
package final class LoopPool: Sendable {
  private let own: ConnectionPool
  /// How long a lease waits at most.
  package let waitLimit: Duration

  init(_ own: ConnectionPool, waitLimit: Duration) {
    self.own = own
    self.waitLimit = waitLimit
  }

  /// An idle connection of the loop's own. On the loop only.
  package func leaseIdle() -> DatabasePool.Lease? {
    own.onLoop { $0.leaseIdle() }.map { DatabasePool.Lease(connection: $0, pool: own) }
  }

  /// Whether somebody waits for a connection now. On the loop only.
  package var hasWaiters: Bool { own.onLoop { $0.counts.waiting > 0 } }

  /// A connection of the loop's own if one is idle, else in line, where another loop's may come sooner.
  ///
  /// The wait ends at `deadline` or the pool's own wait limit, whichever is sooner; then the error tells whether the
  /// pool was busy or the server unreachable.
  package func lease(
    until deadline: MonotonicInstant, isCancellable: Bool
  ) async throws(LeaseError) -> DatabasePool.Lease {
    let (connection, pool) = try await own.waitForConnection(
      // Not the loop's time, which is that of the turn's begin: code of others may have run since.
      until: min(deadline, .now + waitLimit),
      isCancellable: isCancellable)
    return DatabasePool.Lease(connection: connection, pool: pool)
  }
}
