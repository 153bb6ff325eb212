internal import DequeModule
internal import TransomEventLoop

/// One event loop's connections to one database: performs what `PoolStateMachine` decides.
///
/// The pool and its connections live on one loop, so nothing but waiting suspends: between what the state machine
/// says and what is done nobody else gets a turn.
actor ConnectionPool: EventLoopActor {
  typealias ConnectionID = PoolStateMachine.ConnectionID
  typealias WaiterID = PoolStateMachine.WaiterID

  nonisolated let loop: EventLoop
  nonisolated var unownedExecutor: UnownedSerialExecutor { loop.executor }

  private let index: Int
  private let connectionConfiguration: ConnectionConfiguration
  private let poolConfiguration: PoolConfiguration
  private let board: PoolBoard
  private var published = PoolBoard.Entry()
  private var state: PoolStateMachine
  /// All connections that are open. They are few: to look through them is cheaper than to hash.
  private var members: [Member] = []
  /// Those who wait, in the order in which they came.
  private var waiters = Deque<Waiter>()
  /// The one timer for their deadlines: it fires for the earliest, or for one that has left.
  private var waiterTimer: (at: MonotonicInstant, id: EventLoop.TimerID)?
  private var made = 0
  /// Connections whose last user's traces are being removed.
  private var cleaning: [PostgresConnection] = []
  /// Whether the end of `patience` is waited for; and whether somebody has waited for longer.
  private var isPatient = false
  private var isImpatient = false
  private var lastFailure: String?
  private var failures = 0
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

  /// The time as the state machine takes it.
  private var now: Duration { loop.now.sinceOrigin }

  // MARK: Leasing

  /// An idle connection whose server is still there.
  func leaseIdle() -> PostgresConnection? {
    while let id = state.leaseIdle() {
      publish()
      guard let connection = connection(id) else { preconditionFailure("has no connection") }
      if connection.onLoop({ $0.isQuiet }) { return connection }
      place(id, connection, state.released(id, isReusable: false, at: now))
    }
    return nil
  }

  private func connection(_ id: ConnectionID) -> PostgresConnection? {
    members.first { $0.id == id }?.connection
  }

  /// Waits in line for a connection, of this pool or of one that lends it.
  ///
  /// On the pool's loop that enters no actor; and a wait that is not cancellable spares its task the cost of a
  /// cancellation handler.
  nonisolated func waitForConnection(
    until deadline: MonotonicInstant, isCancellable: Bool = true
  ) async throws(LeaseError) -> (connection: PostgresConnection, pool: ConnectionPool) {
    guard loop.isCurrent, !isCancellable else {
      return try await waitElsewhere(until: deadline, isCancellable)
    }
    let grant = await withCheckedContinuation { continuation in
      onLoop { $0.begin($0.makeWaiter(), continuation, until: deadline, isCancellable: false) }
    }
    // A task that does not prefer the loop is elsewhere now.
    if case .connection(let connection, let pool) = grant { return (connection, pool) }
    throw await reason(for: grant)
  }

  private func waitElsewhere(
    until deadline: MonotonicInstant, _ isCancellable: Bool
  ) async throws(LeaseError) -> (connection: PostgresConnection, pool: ConnectionPool) {
    if let connection = leaseIdle() { return (connection, self) }
    let grant =
      isCancellable
      ? await waitUnlessCancelled(until: deadline)
      : await withCheckedContinuation {
        begin(makeWaiter(), $0, until: deadline, isCancellable: false)
      }
    if case .connection(let connection, let pool) = grant { return (connection, pool) }
    throw reason(for: grant)
  }

  private func waitUnlessCancelled(until deadline: MonotonicInstant) async -> Grant {
    let waiter = makeWaiter()
    return await withTaskCancellationHandler {
      await withCheckedContinuation { begin(waiter, $0, until: deadline, isCancellable: true) }
    } onCancel: {
      // If that is before the wait begins, `begin` sees it.
      loop.execute { [weak self] in self?.onLoop { $0.leave(waiter, .cancelled) } }
    }
  }

  private func makeWaiter() -> WaiterID {
    made += 1
    return WaiterID(number: made)
  }

  /// Why a wait ended with no connection.
  private func reason(for grant: Grant) -> LeaseError {
    switch grant {
    case .connection: preconditionFailure("there is a connection")
    case .cancelled: return .cancelled
    case .refused: return .shuttingDown
    case .timedOut:
      // With nothing open, nobody keeps us waiting but the server; nor where there is room, and no connection can be made.
      guard state.openCount == 0 || !state.isFull && lastFailure != nil else {
        return .poolExhausted
      }
      return .unreachable(lastFailure ?? "the server does not answer")
    }
  }

  private func begin(
    _ waiter: WaiterID, _ continuation: CheckedContinuation<Grant, Never>,
    until deadline: MonotonicInstant, isCancellable: Bool
  ) {
    if let connection = leaseIdle() {
      continuation.resume(returning: .connection(connection, of: self))
      return
    }
    guard !isCancellable || !Task.isCancelled else {
      continuation.resume(returning: .cancelled)
      return
    }
    guard case .wait(let connect) = state.waiterCame(waiter, at: now) else {
      continuation.resume(returning: .refused)
      return
    }
    waiters.append(Waiter(id: waiter, continuation: continuation, deadline: deadline))
    arm(for: deadline)
    if connect { open() }
    if isImpatient { askNeighbours() } else { startPatience() }
  }

  private func leave(_ waiter: WaiterID, _ grant: Grant) {
    guard state.waiterLeft(waiter) else { return }
    resume(waiter, grant)
  }

  private func resume(_ waiter: WaiterID, _ grant: Grant) {
    publish()
    guard let index = waiters.firstIndex(where: { $0.id == waiter }) else {
      preconditionFailure("a waiter without a continuation")
    }
    waiters.remove(at: index).continuation.resume(returning: grant)
  }

  private func arm(for deadline: MonotonicInstant) {
    if let waiterTimer {
      guard deadline < waiterTimer.at else { return }
      loop.cancel(waiterTimer.id)
    }
    let id = loop.schedule(at: deadline) { [weak self] in self?.onLoop { $0.waiterTimerFired() } }
    waiterTimer = (deadline, id)
  }

  private func waiterTimerFired() {
    waiterTimer = nil
    let now = loop.now
    for waiter in waiters where waiter.deadline <= now { leave(waiter.id, .timedOut) }
    if let next = waiters.map(\.deadline).min() { arm(for: next) }
  }

  /// Takes a connection back, whatever its state.
  func release(_ connection: PostgresConnection) {
    guard let index = members.firstIndex(where: { $0.connection === connection }) else {
      preconditionFailure("a connection was released that is not the pool's")
    }
    let id = members[index].id
    let isReusable = loop.now < members[index].expiresAt && connection.onLoop { $0.isReusable }
    connection.onLoop { $0.dropNotifications() }
    guard isReusable, connection.onLoop({ $0.isSoiled }) else {
      return place(id, connection, state.released(id, isReusable: isReusable, at: now))
    }
    // It stays leased meanwhile: nobody gets a session that another one has set up, and who set it up has its answer.
    Task(executorPreference: loop) { await self.cleanUp(id, connection) }
  }

  /// How long a server may take to clean a session up.
  private static let cleanUpLimit = Duration.seconds(5)

  private func cleanUp(_ id: ConnectionID, _ connection: PostgresConnection) async {
    let timer = loop.schedule(at: .now + Self.cleanUpLimit) {
      connection.onLoop { $0.close() }
    }
    cleaning.append(connection)
    // Nobody waits for it when the pool is shutting down.
    if state.isShutDown { connection.onLoop { $0.close() } }
    let isClean = await connection.cleanUp()
    loop.cancel(timer)
    cleaning.removeAll { $0 === connection }
    place(id, connection, state.released(id, isReusable: isClean, at: now))
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
    members.removeAll { $0.id == id }
    connection.onLoop { $0.close() }
    publish()
    if state.isDrained {
      for waiter in exchange(&drained, with: []) { waiter.resume() }
    }
  }

  /// Tells the other pools what has changed.
  private func publish() {
    if state.waiterCount == 0 { isImpatient = false }
    let entry = PoolBoard.Entry(
      idle: state.idleCount, waiting: isImpatient ? state.waiterCount : 0, hasRoom: state.hasRoom)
    guard entry != published else { return }
    board.publish(entry, instead: published, at: index)
    published = entry
  }

  // MARK: Lending

  /// How long somebody waits for a connection of our own before the neighbours hear of it.
  ///
  /// Most transactions are shorter than this, and to lend a connection costs two visits to another thread: more
  /// than what it saves. Those who come while somebody has lost patience wait for none.
  private static let patience = Duration.milliseconds(1)

  private func startPatience() {
    guard !isPatient, let waiter = waiters.first?.id else { return }
    isPatient = true
    _ = loop.schedule(at: loop.now + Self.patience) { [weak self] in
      self?.onLoop { $0.patienceEnded(waiter) }
    }
  }

  /// `waiter` is the one that came first when it began.
  private func patienceEnded(_ waiter: WaiterID) {
    isPatient = false
    guard state.waiterCount > 0 else { return }
    // Those who wait now may all have come since.
    guard waiters.first?.id == waiter else { return startPatience() }
    isImpatient = true
    publish()
    askNeighbours()
  }

  /// For a waiter that our own connections do not suffice for.
  private func askNeighbours() {
    guard !askForIdle(), !state.hasRoom, state.waiterCount > state.connectingCount,
      let other = board.poolWithRoom(except: index)
    else { return }
    other.loop.execute { other.onLoop { $0.openForNeighbour() } }
  }

  @discardableResult
  private func askForIdle() -> Bool {
    guard state.waiterCount > 0, let other = board.poolWithIdle(except: index) else { return false }
    other.loop.execute { other.onLoop { $0.lend(to: self) } }
    return true
  }

  /// Sends an idle connection to another loop's first waiter.
  private func lend(to neighbour: ConnectionPool) {
    if let connection = leaseIdle() {
      neighbour.loop.execute { neighbour.onLoop { $0.take(connection, from: self) } }
    } else {
      // Somebody was faster: a third pool may have one.
      neighbour.loop.execute { neighbour.onLoop { _ = $0.askForIdle() } }
    }
  }

  private func take(_ connection: PostgresConnection, from lender: ConnectionPool) {
    if let waiter = state.neighbourLent() {
      resume(waiter, .connection(connection, of: lender))
      // Several may have lost their patience together, and each neighbour was asked for one.
      if isImpatient { askNeighbours() }
    } else {
      lender.loop.execute { lender.onLoop { $0.release(connection) } }
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
    while state.beginConnecting(at: now) { Task { await connect() } }
    publish()
  }

  private func connect() async {
    do {
      settle(try await PostgresConnection.connect(connectionConfiguration, on: loop))
    } catch {
      lastFailure = String(describing: error)
      failures += 1
      let retry = state.connectFailed(at: now, jitter: .random(in: 0...1))
      _ = loop.schedule(at: MonotonicInstant(sinceOrigin: retry)) { [weak self] in
        self?.onLoop { $0.openMore() }
      }
      publish()
    }
  }

  private func settle(_ connection: PostgresConnection) {
    made += 1
    let id = ConnectionID(number: made)
    let lifetime = poolConfiguration.maximumLifetime * (0.9 + Double(id.number % 16) / 160)
    members.append(
      Member(id: id, connection: connection, expiresAt: connection.openedAt + lifetime))
    lastFailure = nil
    connection.assumeIsolated {
      $0.onServerGone { [weak self] in self?.onLoop { $0.serverGone(id) } }
    }
    place(id, connection, state.connected(id))
    // After a failure connections are made one at a time: the others may follow now.
    openMore()
  }

  private func openMore() {
    if state.beginConnecting(at: now) { open() }
  }

  private func serverGone(_ id: ConnectionID) {
    // A leased connection is found unusable when it comes back.
    guard let connection = connection(id), state.idleLost(id) else { return }
    forget(id, connection)
  }

  // MARK: Size

  /// There may be another number of connections from now on.
  func resize(to maximum: Int) {
    for id in state.resized(to: maximum) {
      if let connection = connection(id) { forget(id, connection) }
    }
    openMore()
    publish()
  }

  // MARK: Shutdown

  /// Closes what is idle, and refuses whoever waits or comes.
  func beginShutdown() {
    let (close, refuse) = state.shutDown()
    for waiter in refuse { resume(waiter, .refused) }
    for connection in cleaning { connection.onLoop { $0.close() } }
    for id in close {
      if let connection = connection(id) { forget(id, connection) }
    }
    publish()
  }

  /// Waits until every lease has come back after `beginShutdown`.
  func waitUntilDrained() async {
    await withCheckedContinuation { waiter in
      // Looked at here, because the caller may be suspended before.
      guard state.isDrained else { return drained.append(waiter) }
      waiter.resume()
    }
  }

  /// How many connections there are, and how many wait for one.
  var counts: DatabasePool.Counts {
    DatabasePool.Counts(
      idle: state.idleCount, leased: state.openCount - state.idleCount,
      connecting: state.connectingCount, waiting: state.waiterCount, failures: failures)
  }
}
