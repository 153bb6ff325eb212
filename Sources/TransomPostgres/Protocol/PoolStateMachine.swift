internal import DequeModule

/// Who has which connection of one loop's pool, who waits, and when to connect. Times count from any fixed moment.
///
/// Rules of this file:
/// 1. `openCount` = idle + leased; `openCount + connectingCount` never exceeds `maximum`, but while leased connections
///    come back after that was made less.
/// 2. Connections are made only for waiters, ours or a neighbour's: no more at once than there are waiters, and one
///    at a time after a failure, no sooner than the back-off allows.
/// 3. Waiters are served in the order in which they came, and nobody waits while a connection is idle.
struct PoolStateMachine {
  struct ConnectionID: Hashable, Sendable { var number: Int }
  struct WaiterID: Hashable, Sendable { var number: Int }

  struct Configuration: Sendable {
    var maximum: Int
    var backoffBase: Duration = .milliseconds(50)
    var backoffLimit: Duration = .seconds(5)
  }

  enum Arrival: Equatable {
    /// Wait, and open a connection meanwhile if `connect`.
    case wait(connect: Bool)
    /// The pool is shut down.
    case refused
  }

  enum Placement: Equatable {
    case grant(to: WaiterID)
    /// Nobody waits: keep it for the next one.
    case park
    /// Close it, and open another for whoever waits if `connect`.
    case close(connect: Bool)
  }

  private var configuration: Configuration
  private var idle: [ConnectionID] = []
  private var waiters = Deque<WaiterID>()
  /// As few as there are connections: no need to hash.
  private var leased: [ConnectionID] = []
  private(set) var connectingCount = 0
  private var failures = 0
  private var retryAt: Duration?
  private(set) var isShutDown = false

  init(_ configuration: Configuration) { self.configuration = configuration }

  var idleCount: Int { idle.count }
  var waiterCount: Int { waiters.count }
  var openCount: Int { idle.count + leased.count }
  /// Whether there are as many connections as there may be.
  var isFull: Bool { openCount >= configuration.maximum }
  /// Whether one more connection may be made.
  var hasRoom: Bool { !isShutDown && openCount + connectingCount < configuration.maximum }
  /// Whether every lease has come back after the shutdown. Whoever still connects is not waited for.
  var isDrained: Bool { isShutDown && openCount == 0 }

  // MARK: Leasing

  /// An idle connection, the one that was used last; nil if there is none.
  mutating func leaseIdle() -> ConnectionID? {
    guard !isShutDown, let connection = idle.popLast() else { return nil }
    leased.append(connection)
    return connection
  }

  /// Somebody wants a connection while none is idle.
  mutating func waiterCame(_ waiter: WaiterID, at now: Duration) -> Arrival {
    guard !isShutDown else { return .refused }
    precondition(idle.isEmpty, "nobody waits while a connection is idle")
    waiters.append(waiter)
    return .wait(connect: beginConnecting(at: now))
  }

  /// The waiter waits no longer; false if it had been served.
  mutating func waiterLeft(_ waiter: WaiterID) -> Bool {
    guard let index = waiters.firstIndex(of: waiter) else { return false }
    waiters.remove(at: index)
    return true
  }

  /// A neighbour lends a connection: whom to; nil if nobody waits any more.
  mutating func neighbourLent() -> WaiterID? { waiters.popFirst() }

  /// A lease ended. `isReusable`: nothing of it is left on the connection.
  mutating func released(
    _ connection: ConnectionID, isReusable: Bool, at now: Duration
  ) -> Placement {
    // Two users of one connection would mix their transactions.
    guard let index = leased.firstIndex(of: connection) else {
      preconditionFailure("a connection was released that was not leased")
    }
    leased.swapAt(index, leased.count - 1)
    leased.removeLast()
    guard isReusable, hasRoom else { return .close(connect: beginConnecting(at: now)) }
    return place(connection)
  }

  /// An idle connection ended; false if it was not idle.
  mutating func idleLost(_ connection: ConnectionID) -> Bool {
    guard let index = idle.firstIndex(of: connection) else { return false }
    idle.remove(at: index)
    return true
  }

  private mutating func place(_ connection: ConnectionID) -> Placement {
    if let waiter = waiters.popFirst() {
      leased.append(connection)
      return .grant(to: waiter)
    }
    idle.append(connection)
    return .park
  }

  // MARK: Connecting

  mutating func connected(_ connection: ConnectionID) -> Placement {
    connectingCount -= 1
    failures = 0
    retryAt = nil
    return hasRoom ? place(connection) : .close(connect: false)
  }

  /// Says when `beginConnecting` is worth asking again. `jitter` is from 0 to 1, drawn anew each time, so that
  /// many pools do not return in step.
  mutating func connectFailed(
    at now: Duration, jitter: Double
  ) -> Duration {
    connectingCount -= 1
    // Attempts that were under way together fail together: that is one failure.
    if let retryAt, now < retryAt { return retryAt }
    failures += 1
    let exponential = configuration.backoffBase * (1 << min(failures - 1, 16))
    let delay = min(exponential, configuration.backoffLimit) * (0.5 + jitter / 2)
    let retry = now + delay
    retryAt = retry
    return retry
  }

  /// Whether to open one more connection now; to be asked after each event until it says no.
  mutating func beginConnecting(at now: Duration) -> Bool {
    guard hasRoom, connectingCount < waiters.count else { return false }
    if failures > 0 {
      guard connectingCount == 0, retryAt.map({ $0 <= now }) ?? true else { return false }
    }
    connectingCount += 1
    return true
  }

  /// Whether to open one more connection for a neighbour's waiter, whose own pool has no room.
  mutating func beginConnectingForNeighbour() -> Bool {
    guard hasRoom, failures == 0 else { return false }
    connectingCount += 1
    return true
  }

  // MARK: Size

  /// There may be another number of connections from now on. Those that are leased are closed when they come back.
  ///
  /// - Returns: idle connections to close.
  mutating func resized(to maximum: Int) -> [ConnectionID] {
    configuration.maximum = maximum
    var close: [ConnectionID] = []
    while openCount + connectingCount > maximum, !idle.isEmpty { close.append(idle.removeFirst()) }
    return close
  }

  // MARK: Shutdown

  /// Refuses everybody from now on.
  ///
  /// - Returns: the connections to close and the waiters to refuse.
  mutating func shutDown() -> (close: [ConnectionID], refuse: [WaiterID]) {
    isShutDown = true
    // The copy of an empty Deque writes its count into the empty array that all threads share.
    let refuse = waiters.isEmpty ? [] : Array(waiters)
    waiters = []
    return (exchange(&idle, with: []), refuse)
  }
}
