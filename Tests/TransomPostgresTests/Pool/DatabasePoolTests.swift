import Synchronization
import TestSupport
import Testing
import TransomEventLoop

@testable import TransomPostgres

/// Who came when.
private final class Order: Sendable {
  private let storage = Mutex<[Int]>([])
  var numbers: [Int] { storage.withLock { $0 } }
  func append(_ number: Int) { storage.withLock { $0.append(number) } }
}

struct DatabasePoolTests {
  @Test func `a connection that comes back is used again`() async throws {
    try await withPool(size: 4, loops: 1) { fixture, _ in
      let first = try await fixture.run("select 1").processID
      for _ in 0..<10 { #expect(try await fixture.run("select 1").processID == first) }
      #expect(await fixture.pool.counts == .init(idle: 1))
    }
  }

  @Test(arguments: [(4, 1), (4, 2), (5, 2), (1, 2)])
  func `as many connections as allowed are made, when they are needed, and no more`(
    size: Int, loops: Int
  ) async throws {
    try await withPool(size: size, loops: loops) { fixture, _ in
      // Each loop has one at least.
      let maximum = max(size, loops)
      var leases: [DatabasePool.Lease] = []
      for number in 0..<maximum { leases.append(try await fixture.lease(number % loops)) }
      #expect(Set(leases.map(\.connection.processID)).count == maximum)
      #expect(await fixture.pool.counts == .init(leased: maximum))
      async let waiter = fixture.run("select 1")
      try await fixture.eventuallyCounts("it waits") { $0.waiting == 1 }
      #expect(await fixture.pool.counts.connecting == 0)
      for lease in leases { await fixture.pool.release(lease) }
      #expect(try await waiter.seen == ["SELECT 1"])
      #expect(await fixture.pool.counts == .init(idle: maximum))
    }
  }

  @Test(arguments: [false, true])
  func `a wait that is not cancellable goes on in a cancelled task`(_ isOnLoop: Bool) async throws {
    try await withPool(size: 1, loops: 1) { fixture, _ in
      let first = try await fixture.lease()
      let pool = fixture.pool.onLoop(0)
      let task = Task {
        while !Task.isCancelled { await Task.yield() }
        guard isOnLoop else {
          return try await pool.lease(until: .now + .seconds(30), isCancellable: false)
        }
        return try await withTaskExecutorPreference(fixture.group.loops[0]) {
          try await pool.lease(until: .now + .seconds(30), isCancellable: false)
        }
      }
      task.cancel()
      try await fixture.eventuallyCounts("it waits") { $0.waiting == 1 }
      await fixture.pool.release(first)
      await fixture.pool.release(try await task.value)
    }
  }

  @Test func `what the last user has listened to is not kept`() async throws {
    try await withPool(size: 1, loops: 1) { fixture, database in
      // A function, so that the text of the statement does not show that there is something to clean up.
      try await database.query(
        """
        create function hear() returns void language plpgsql as $$ begin execute 'listen c'; end $$
        """)
      try await fixture.run("select hear()")
      try await fixture.run("select pg_notify('c', n::text) from generate_series(1, 100) n")
      try await fixture.run("listen c")
      let lease = try await fixture.lease()
      let isEmpty = await lease.connection.isWithoutNotifications()
      #expect(isEmpty)
      await fixture.pool.release(lease)
    }
  }

  @Test func `what was shut down is freed, its event loops included`() async throws {
    try await withDatabase { database in
      weak var loop: EventLoop?
      do {
        let group = try EventLoopGroup(count: 2)
        loop = group.loops[1]
        let pool = try DatabasePool(
          ConnectionConfiguration(conninfo: database.connectionString), .init(), on: group)
        let lease = try await pool.lease(onLoop: 1, until: .now + .seconds(30))
        await pool.release(lease)
        await pool.shutdown()
        await group.shutdown()
      }
      // Its thread may not have ended yet.
      try await eventually("the loop is freed") { loop == nil }
    }
  }

  @Test func `waiters are served in the order in which they came`() async throws {
    try await withPool(size: 1, loops: 1) { fixture, _ in
      let order = Order()
      let lease = try await fixture.lease()
      try await withThrowingTaskGroup { tasks in
        for number in 0..<5 {
          tasks.addTask {
            let lease = try await fixture.lease()
            order.append(number)
            await fixture.pool.release(lease)
          }
          try await fixture.eventuallyCounts("it waits") { $0.waiting == number + 1 }
        }
        await fixture.pool.release(lease)
        try await tasks.waitForAll()
      }
      #expect(order.numbers == [0, 1, 2, 3, 4])
    }
  }

  @Test func `who waits longer than the limit is told that the pool is exhausted`() async throws {
    try await withPool(size: 1, loops: 2, waitLimit: .milliseconds(20)) { fixture, _ in
      var leases: [DatabasePool.Lease] = []
      for index in 0..<2 {
        try await eventually("it is connected", within: .seconds(30)) {
          guard let lease = try? await fixture.lease(index) else { return false }
          leases.append(lease)
          return true
        }
      }
      for _ in 0..<3 {
        await #expect(throws: LeaseError.poolExhausted) { _ = try await fixture.lease() }
      }
      #expect(await fixture.pool.counts == .init(leased: 2))
      for lease in leases { await fixture.pool.release(lease) }
      #expect(try await fixture.run("select 1").seen == ["SELECT 1"])
    }
  }

  @Test func `the caller's deadline ends a wait before the pool's own limit`() async throws {
    try await withPool(size: 1, loops: 1) { fixture, _ in
      let lease = try await fixture.lease()
      await #expect(throws: LeaseError.poolExhausted) {
        _ = try await fixture.lease(within: .milliseconds(20))
      }
      await fixture.pool.release(lease)
    }
  }

  @Test func `a connection is replaced when it is too old`() async throws {
    try await withPool(size: 1, loops: 1, { $0.maximumLifetime = .zero }) { fixture, _ in
      var processes: Set<Int32> = []
      for _ in 0..<3 {
        processes.insert(try await fixture.run("select 1").processID)
        #expect(await fixture.pool.counts == .init())
      }
      #expect(processes.count == 3)
    }
  }

  @Test(arguments: ["BEGIN", "set client_encoding = 'LATIN1'"])
  func `a connection that is not as it was is replaced`(_ command: String) async throws {
    try await withPool(size: 1, loops: 1) { fixture, _ in
      let spoiled = try await fixture.run(command).processID
      let next = try await fixture.run("select 1")
      #expect(next.seen == ["SELECT 1"] && next.processID != spoiled)
    }
  }

  @Test func `a connection string that is malformed is refused at once`() async throws {
    let group = try EventLoopGroup(count: 1)
    #expect(throws: ConnectError.self) {
      _ = try DatabasePool(
        ConnectionConfiguration(conninfo: "host=a nonsense=b"), PoolConfiguration(), on: group)
    }
    await group.shutdown()
  }
}

struct PoolLendingTests {
  @Test func `a loop whose connections are busy uses another loop's idle one, and gives it back`()
    async throws
  {
    try await withPool(size: 2, loops: 2) { fixture, _ in
      let neighbours = try await fixture.lease(1)
      let own = try await fixture.lease(0)
      await fixture.pool.release(neighbours)
      let borrowed = try await fixture.lease(0)
      #expect(borrowed.connection === neighbours.connection)
      #expect(try await outcomes(["select 1"], on: borrowed.connection) == ["SELECT 1"])
      await fixture.pool.release(borrowed)
      let again = try await fixture.lease(1)
      #expect(again.connection === neighbours.connection)
      for lease in [own, again] { await fixture.pool.release(lease) }
      #expect(await fixture.pool.counts == .init(idle: 2))
    }
  }

  @Test func `a waiter gets another loop's connection that becomes idle`() async throws {
    try await withPool(size: 2, loops: 2) { fixture, _ in
      let leases = [try await fixture.lease(0), try await fixture.lease(1)]
      async let waiter = fixture.run("select 1", 0)
      try await fixture.eventuallyCounts("it waits") { $0.waiting == 1 }
      await fixture.pool.release(leases[1])
      #expect(try await waiter.processID == leases[1].connection.processID)
      await fixture.pool.release(leases[0])
    }
  }

  @Test func `all who wait get the idle connections of another loop, however few ask for them`()
    async throws
  {
    try await withPool(size: 6, loops: 2) { fixture, _ in
      var own: [DatabasePool.Lease] = []
      var others: [DatabasePool.Lease] = []
      for _ in 0..<3 { own.append(try await fixture.lease(0)) }
      for _ in 0..<3 { others.append(try await fixture.lease(1)) }
      for lease in others { await fixture.pool.release(lease) }
      // They come together, and lose their patience together.
      try await withThrowingTaskGroup { tasks in
        for _ in 0..<3 { tasks.addTask { try await fixture.lease(0, within: .seconds(10)) } }
        for try await lease in tasks { own.append(lease) }
      }
      #expect(Set(own.map(\.connection.processID)).count == 6)
      for lease in own { await fixture.pool.release(lease) }
    }
  }

  @Test func `a loop without room uses the room of another`() async throws {
    try await withPool(size: 4, loops: 2) { fixture, _ in
      var leases: [DatabasePool.Lease] = []
      for _ in 0..<4 { leases.append(try await fixture.lease(0)) }
      #expect(Set(leases.map(\.connection.processID)).count == 4)
      #expect(await fixture.pool.counts == .init(leased: 4))
      for lease in leases { await fixture.pool.release(lease) }
      #expect(await fixture.pool.counts == .init(idle: 4))
    }
  }

  @Test func `waiters of several loops all get the one connection that there is to lend`()
    async throws
  {
    try await withPool(size: 3, loops: 3) { fixture, _ in
      let leases = [
        try await fixture.lease(0), try await fixture.lease(1), try await fixture.lease(2),
      ]
      try await withThrowingTaskGroup { tasks in
        for number in 0..<10 { tasks.addTask { try await fixture.run("select 1", number % 2) } }
        try await fixture.eventuallyCounts("all wait") { $0.waiting == 10 }
        await fixture.pool.release(leases[2])
        for try await (processID, seen) in tasks {
          #expect(seen == ["SELECT 1"] && processID == leases[2].connection.processID)
        }
      }
      for lease in leases.prefix(2) { await fixture.pool.release(lease) }
      try await fixture.eventuallyCounts("all are idle") { $0 == .init(idle: 3) }
    }
  }

  @Test func `leases from many tasks on all loops, given up at random, leave the books in order`()
    async throws
  {
    try await withPool(size: 5, loops: 3) { fixture, _ in
      try await withThrowingTaskGroup { tasks in
        for number in 0..<150 {
          tasks.addTask {
            let task = Task { try await fixture.run("select \(number % 7)", number % 3) }
            if number % 5 == 0 { task.cancel() }
            switch await task.result {
            case .success(let (_, seen)):
              #expect(seen == ["SELECT \(number % 7)"] || seen == ["failed 57014"])
            case .failure(LeaseError.cancelled): break
            case .failure(let error): throw error
            }
          }
        }
        try await tasks.waitForAll()
      }
      try await fixture.eventuallyCounts("nothing is left over") {
        $0.leased == 0 && $0.waiting == 0 && $0.connecting == 0 && $0.idle <= 5
      }
      // All of the pool is still there.
      var leases: [DatabasePool.Lease] = []
      for number in 0..<5 { leases.append(try await fixture.lease(number % 3)) }
      for lease in leases { await fixture.pool.release(lease) }
    }
  }
}

extension PostgresConnection {
  /// Whether libpq holds no notification.
  fileprivate func isWithoutNotifications() -> Bool { handle.nextNotification() == nil }
}
