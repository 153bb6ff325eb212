internal import TransomEventLoop

/// One event loop's connections to one database: performs what `PoolStateMachine` decides.
///
/// The pool and its connections live on one loop, so nothing but waiting suspends: between what the state machine
/// says and what is done nobody else gets a turn.
actor ConnectionPool {
  typealias ConnectionID = PoolStateMachine.ConnectionID
  typealias WaiterID = PoolStateMachine.WaiterID

  /// How a wait ended.
  enum Grant: Sendable {
    /// A connection, and the pool that it belongs to: another loop's if that lent it.
    case connection(PostgresConnection, of: ConnectionPool)
    case timedOut
    case cancelled
    case refused
  }

  private struct Waiter {
    var continuation: CheckedContinuation<Grant, Never>
    var timer: EventLoop.TimerID
  }

  nonisolated let loop: EventLoop
  nonisolated var unownedExecutor: UnownedSerialExecutor { loop.executor }

  private let index: Int
  private let connectionConfiguration: ConnectionConfiguration
  private let poolConfiguration: PoolConfiguration
  private let board: PoolBoard
  private var published = PoolBoard.Entry()
  private var state: PoolStateMachine
  private var connections: [ConnectionID: PostgresConnection] = [:]
  private var identifiers: [ObjectIdentifier: ConnectionID] = [:]
  private var waiters: [WaiterID: Waiter] = [:]
  private var made = 0
  private var lastFailure: String?
  private var drained: [CheckedContinuation<Void, Never>] = []

  init(
    index: Int, on loop: EventLoop, maximum: Int, _ connection: ConnectionConfiguration,
    _ pool: PoolConfiguration, _ board: PoolBoard
  ) {
    self.index = index
    self.loop = loop
    connectionConfiguration = connection
    poolConfiguration = pool
    self.board = board
    state = PoolStateMachine(.init(maximum: maximum))
  }

  // MARK: Leasing

  /// An idle connection whose server is still there.
  func leaseIdle() -> PostgresConnection? {
    while let id = state.leaseIdle() {
      publish()
      guard let connection = connections[id] else { preconditionFailure("has no connection") }
      if connection.assumeIsolated({ $0.isQuiet }) { return connection }
      place(id, connection, state.released(id, isReusable: false, at: loop.now))
    }
    return nil
  }

  /// Waits in line for a connection, of this pool or of one that lends it.
  ///
  /// A wait that is not cancellable spares its task the cost of a cancellation handler.
  func waitForConnection(
    until deadline: ContinuousClock.Instant, isCancellable: Bool = true
  ) async throws(LeaseError) -> (connection: PostgresConnection, pool: ConnectionPool) {
    made += 1
    switch await wait(WaiterID(number: made), until: deadline, isCancellable) {
    case .connection(let connection, let pool): return (connection, pool)
    case .cancelled: throw .cancelled
    case .refused: throw .shuttingDown
    case .timedOut:
      // With nothing open, nobody keeps us waiting but the server.
      guard state.openCount == 0 else { throw .poolExhausted }
      throw .unreachable(lastFailure ?? "the server does not answer")
    }
  }

  private func wait(
    _ waiter: WaiterID, until deadline: ContinuousClock.Instant, _ isCancellable: Bool
  ) async -> Grant {
    guard isCancellable else {
      return await withCheckedContinuation { begin(waiter, $0, until: deadline) }
    }
    return await withTaskCancellationHandler {
      await withCheckedContinuation { begin(waiter, $0, until: deadline) }
    } onCancel: {
      // If that is before the wait begins, `begin` sees it.
      loop.execute { [weak self] in self?.assumeIsolated { $0.leave(waiter, .cancelled) } }
    }
  }

  private func begin(
    _ waiter: WaiterID, _ continuation: CheckedContinuation<Grant, Never>,
    until deadline: ContinuousClock.Instant
  ) {
    if let connection = leaseIdle() {
      continuation.resume(returning: .connection(connection, of: self))
      return
    }
    guard !Task.isCancelled else {
      continuation.resume(returning: .cancelled)
      return
    }
    guard case .wait(let connect) = state.waiterCame(waiter, at: loop.now) else {
      continuation.resume(returning: .refused)
      return
    }
    let timer = loop.schedule(at: deadline) { [weak self] in
      self?.assumeIsolated { $0.leave(waiter, .timedOut) }
    }
    waiters[waiter] = Waiter(continuation: continuation, timer: timer)
    publish()
    if connect { open() }
    askNeighbours()
  }

  private func leave(_ waiter: WaiterID, _ grant: Grant) {
    guard state.waiterLeft(waiter) else { return }
    resume(waiter, grant)
  }

  private func resume(_ waiter: WaiterID, _ grant: Grant) {
    publish()
    guard let entry = waiters.removeValue(forKey: waiter) else {
      preconditionFailure("a waiter without a continuation")
    }
    loop.cancel(entry.timer)
    entry.continuation.resume(returning: grant)
  }

  /// Takes a connection back, whatever its state.
  func release(_ connection: PostgresConnection) {
    guard let id = identifiers[ObjectIdentifier(connection)] else {
      preconditionFailure("a connection was released that is not the pool's")
    }
    let isReusable = connection.assumeIsolated { $0.isReusable } && !isTooOld(id, connection)
    place(id, connection, state.released(id, isReusable: isReusable, at: loop.now))
  }

  private func isTooOld(_ id: ConnectionID, _ connection: PostgresConnection) -> Bool {
    // The same for a connection each time, and different from one to the next.
    let share = 0.9 + Double(id.number % 16) / 160
    return loop.now - connection.openedAt > poolConfiguration.maximumLifetime * share
  }

  private func place(
    _ id: ConnectionID, _ connection: PostgresConnection, _ placement: PoolStateMachine.Placement
  ) {
    switch placement {
    case .grant(let waiter):
      resume(waiter, .connection(connection, of: self))
    case .park:
      publish()
      if let neighbour = board.poolWithWaiters(except: index) { lend(to: neighbour) }
    case .close(let connect):
      forget(id, connection)
      if connect { open() }
    }
  }

  private func forget(_ id: ConnectionID, _ connection: PostgresConnection) {
    connections[id] = nil
    identifiers[ObjectIdentifier(connection)] = nil
    connection.assumeIsolated { $0.close() }
    publish()
    if state.isDrained {
      for waiter in exchange(&drained, with: []) { waiter.resume() }
    }
  }

  /// Tells the other pools what has changed.
  private func publish() {
    let entry = PoolBoard.Entry(
      idle: state.idleCount, waiting: state.waiterCount, hasRoom: state.hasRoom)
    guard entry != published else { return }
    board.publish(entry, instead: published, at: index)
    published = entry
  }

  // MARK: Lending

  /// For a waiter that our own connections do not suffice for.
  private func askNeighbours() {
    guard !askForIdle(), !state.hasRoom, state.waiterCount > state.connectingCount,
      let other = board.poolWithRoom(except: index)
    else { return }
    other.loop.execute { other.assumeIsolated { $0.openForNeighbour() } }
  }

  @discardableResult
  private func askForIdle() -> Bool {
    guard state.waiterCount > 0, let other = board.poolWithIdle(except: index) else { return false }
    other.loop.execute { other.assumeIsolated { $0.lend(to: self) } }
    return true
  }

  /// Sends an idle connection to another loop's first waiter.
  private func lend(to neighbour: ConnectionPool) {
    if let connection = leaseIdle() {
      neighbour.loop.execute { neighbour.assumeIsolated { $0.take(connection, from: self) } }
    } else {
      // Somebody was faster: a third pool may have one.
      neighbour.loop.execute { neighbour.assumeIsolated { _ = $0.askForIdle() } }
    }
  }

  private func take(_ connection: PostgresConnection, from lender: ConnectionPool) {
    if let waiter = state.neighbourLent() {
      resume(waiter, .connection(connection, of: lender))
    } else {
      lender.loop.execute { lender.assumeIsolated { $0.release(connection) } }
    }
  }

  /// Makes a connection that will be idle here, and so be lent.
  private func openForNeighbour() {
    guard state.beginConnectingForNeighbour() else { return }
    open()
  }

  // MARK: Connecting

  /// Makes the connection that the state machine has counted, and more if it wants more.
  private func open() {
    Task { await connect() }
    while state.beginConnecting(at: loop.now) { Task { await connect() } }
    publish()
  }

  private func connect() async {
    do {
      settle(try await PostgresConnection.connect(connectionConfiguration, on: loop))
    } catch {
      lastFailure = String(describing: error)
      let retry = state.connectFailed(at: loop.now, jitter: .random(in: 0...1))
      _ = loop.schedule(at: retry) { [weak self] in self?.assumeIsolated { $0.openMore() } }
      publish()
    }
  }

  private func settle(_ connection: PostgresConnection) {
    made += 1
    let id = ConnectionID(number: made)
    connections[id] = connection
    identifiers[ObjectIdentifier(connection)] = id
    lastFailure = nil
    connection.assumeIsolated {
      $0.onServerGone { [weak self] in self?.assumeIsolated { $0.serverGone(id) } }
    }
    place(id, connection, state.connected(id))
    // After a failure connections are made one at a time: the others may follow now.
    openMore()
  }

  private func openMore() {
    if state.beginConnecting(at: loop.now) { open() }
  }

  private func serverGone(_ id: ConnectionID) {
    // A leased connection is found unusable when it comes back.
    guard let connection = connections[id], state.idleLost(id) else { return }
    forget(id, connection)
  }

  // MARK: Shutdown

  /// Closes what is idle, and refuses whoever waits or comes.
  func beginShutdown() {
    let (close, refuse) = state.shutDown()
    for waiter in refuse { resume(waiter, .refused) }
    for id in close {
      if let connection = connections[id] { forget(id, connection) }
    }
    publish()
  }

  /// Waits until every lease has come back after `beginShutdown`.
  func waitUntilDrained() async {
    guard !state.isDrained else { return }
    await withCheckedContinuation { drained.append($0) }
  }

  /// How many connections there are, and how many wait for one.
  var counts: DatabasePool.Counts {
    DatabasePool.Counts(
      idle: state.idleCount, leased: state.openCount - state.idleCount,
      connecting: state.connectingCount, waiting: state.waiterCount)
  }
}
