internal import TransomEventLoop

/// One event loop's connections to one database: performs what `PoolStateMachine` decides.
actor ConnectionPool {
  typealias ConnectionID = PoolStateMachine.ConnectionID
  typealias WaiterID = PoolStateMachine.WaiterID

  /// How a wait ended.
  enum Grant: Sendable {
    case connection(PostgresConnection)
    /// This pool of another loop has an idle one, if nobody is faster.
    case borrow(from: ConnectionPool)
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
  private var state: PoolStateMachine
  private var connections: [ConnectionID: PostgresConnection] = [:]
  private var identifiers: [ObjectIdentifier: ConnectionID] = [:]
  private var waiters: [WaiterID: Waiter] = [:]
  /// What waiters got before their continuation was there: a suspension may come in between.
  private var early: [WaiterID: Grant] = [:]
  private var made = 0
  private var lastFailure: String?
  private var emptied: [CheckedContinuation<Void, Never>] = []

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
  func leaseIdle() async -> PostgresConnection? {
    while let id = state.leaseIdle() {
      board.setIdle(state.idleCount, at: index)
      guard let connection = connections[id] else { continue }
      if await connection.isQuiet { return connection }
      await discard(id, connection)
    }
    return nil
  }

  /// Waits in line for a connection of this pool.
  ///
  /// A wait that is not cancellable spares its task two hops through the global executor, which a cancellation
  /// handler costs.
  func waitForConnection(
    until deadline: ContinuousClock.Instant, isCancellable: Bool = true
  ) async throws(LeaseError) -> Grant {
    made += 1
    let waiter = WaiterID(number: made)
    switch state.lease(for: waiter, at: loop.now) {
    case .refused: throw .shuttingDown
    case .granted(let id):
      board.setIdle(state.idleCount, at: index)
      if let connection = connections[id] { return .connection(connection) }
      throw .shuttingDown
    case .wait(let connect):
      if connect { open() }
    }
    return try await wait(waiter, until: deadline, isCancellable: isCancellable)
  }

  private func wait(
    _ waiter: WaiterID, until deadline: ContinuousClock.Instant, isCancellable: Bool
  ) async throws(LeaseError) -> Grant {
    board.setWaiting(state.waiterCount, at: index)
    let grant: Grant
    if isCancellable {
      grant = await withTaskCancellationHandler {
        await suspend(waiter, until: deadline)
      } onCancel: {
        loop.execute { [weak self] in self?.assumeIsolated { $0.leave(waiter, .cancelled) } }
      }
    } else {
      grant = await suspend(waiter, until: deadline)
    }
    switch grant {
    case .connection: return grant
    case .borrow: return grant
    case .cancelled: throw .cancelled
    case .refused: throw .shuttingDown
    case .timedOut:
      if state.openCount == 0, let lastFailure { throw .unreachable(lastFailure) }
      throw .poolExhausted
    }
  }

  private func suspend(
    _ waiter: WaiterID, until deadline: ContinuousClock.Instant
  ) async -> Grant {
    await withCheckedContinuation { continuation in
      if let grant = early.removeValue(forKey: waiter) {
        continuation.resume(returning: grant)
        return
      }
      let timer = loop.schedule(at: deadline) { [weak self] in
        self?.assumeIsolated { $0.leave(waiter, .timedOut) }
      }
      waiters[waiter] = Waiter(continuation: continuation, timer: timer)
    }
  }

  private func leave(_ waiter: WaiterID, _ grant: Grant) {
    guard state.waiterLeft(waiter) else { return }
    resume(waiter, grant)
  }

  private func resume(_ waiter: WaiterID, _ grant: Grant) {
    board.setWaiting(state.waiterCount, at: index)
    guard let entry = waiters.removeValue(forKey: waiter) else {
      early[waiter] = grant
      return
    }
    loop.cancel(entry.timer)
    entry.continuation.resume(returning: grant)
  }

  /// Sends the first waiter to another loop's pool that has an idle connection.
  func offer(from other: ConnectionPool) {
    guard let waiter = state.firstWaiter, state.waiterLeft(waiter) else { return }
    resume(waiter, .borrow(from: other))
  }

  /// Takes a connection back, whatever its state.
  func release(_ connection: PostgresConnection) async {
    guard let id = identifiers[ObjectIdentifier(connection)] else { return }
    let isReusable = await connection.isReusable && !isTooOld(id, connection)
    await place(id, connection, state.released(id, isReusable: isReusable, at: loop.now))
  }

  private func isTooOld(_ id: ConnectionID, _ connection: PostgresConnection) -> Bool {
    // The same for a connection each time, and different from one to the next.
    let share = 0.9 + Double(id.number % 16) / 160
    return loop.now - connection.openedAt > poolConfiguration.maximumLifetime * share
  }

  private func place(
    _ id: ConnectionID, _ connection: PostgresConnection, _ placement: PoolStateMachine.Placement
  ) async {
    switch placement {
    case .grant(let waiter):
      resume(waiter, .connection(connection))
    case .park:
      board.setIdle(state.idleCount, at: index)
      board.offerIdle(of: self, at: index)
    case .close(let connect):
      await forget(id, connection)
      if connect { open() }
    }
  }

  private func discard(_ id: ConnectionID, _ connection: PostgresConnection) async {
    await place(id, connection, state.released(id, isReusable: false, at: loop.now))
  }

  private func forget(_ id: ConnectionID, _ connection: PostgresConnection) async {
    connections[id] = nil
    identifiers[ObjectIdentifier(connection)] = nil
    await connection.close()
    if state.isShutDown, state.isEmpty {
      for waiter in exchange(&emptied, with: []) { waiter.resume() }
    }
  }

  // MARK: Connecting

  private func open() {
    Task(executorPreference: loop) { await self.connect() }
    if state.beginConnecting(at: loop.now) { open() }
  }

  private func connect() async {
    do {
      let connection = try await PostgresConnection.connect(connectionConfiguration, on: loop)
      made += 1
      let id = ConnectionID(number: made)
      connections[id] = connection
      identifiers[ObjectIdentifier(connection)] = id
      await connection.onServerGone { [weak self] in
        self?.assumeIsolated { $0.serverGone(id) }
      }
      await place(id, connection, state.connected(id))
      // After a failure connections are made one at a time: the others may follow now.
      if state.beginConnecting(at: loop.now) { open() }
    } catch {
      lastFailure = String(describing: error)
      let retry = state.connectFailed(at: loop.now, jitter: .random(in: 0...1))
      _ = loop.schedule(at: retry) { [weak self] in self?.assumeIsolated { $0.retryDue() } }
    }
  }

  private func retryDue() {
    if state.beginConnecting(at: loop.now) { open() }
  }

  private func serverGone(_ id: ConnectionID) {
    // A leased connection's user sees it by itself.
    guard let connection = connections[id], state.idleLost(id) else { return }
    board.setIdle(state.idleCount, at: index)
    Task(executorPreference: loop) { await self.forget(id, connection) }
  }

  // MARK: Shutdown

  /// Closes what is idle, refuses who waits, and waits until every lease has come back.
  func shutdown() async {
    let (close, refuse) = state.shutDown()
    for waiter in refuse { resume(waiter, .refused) }
    for id in close {
      if let connection = connections[id] { await self.forget(id, connection) }
    }
    guard !state.isEmpty else { return }
    await withCheckedContinuation { emptied.append($0) }
  }

  /// How many connections are idle, leased or being made.
  var counts: (idle: Int, open: Int, connecting: Int, waiting: Int) {
    (state.idleCount, state.openCount, state.connectingCount, state.waiterCount)
  }
}
