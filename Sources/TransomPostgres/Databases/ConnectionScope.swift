internal import Synchronization
internal import TransomEventLoop

/// One task's use of one database: the connection that it has, if it needed one yet, and its atomic blocks.
///
/// Only its own task changes it. The lock is there because a child task may look whose it is.
final class ConnectionScope: Sendable {
  /// An `onCommit` hook.
  struct Hook: Sendable {
    let isRobust: Bool
    let body: @Sendable () async throws -> Void
  }

  struct State {
    var lease: DatabasePool.Lease?
    var machine = TransactionStateMachine()
    var hooks: [Hook] = []
    var wrappers: [ExecuteWrapper] = []
    /// The rows that a cursor has not fetched yet: until they are, nothing else can be sent.
    var stream: RowStream?
    /// In how many blocks it began.
    var streamDepth = 0
    /// Whether a COPY is going on: nothing else can be sent until its end.
    var isCopying = false
    /// The last error of the server inside the transaction.
    var lastFailure: ServerError?
    /// Whether the transaction can have stored anything: it was not begun as read-only, or ran anything but SELECT.
    var mayHaveWritten = false
    /// When the outermost block has begun.
    var beganAt = MonotonicInstant(sinceOrigin: .zero)
    /// Whether the connection stays with the task when a transaction is over.
    var keepsConnection = false
    /// Names of server-side cursors that are in use.
    var cursors: Set<Int> = []
    /// The task that may use it.
    var owner: TaskIdentity?
    /// The next task that uses it becomes its owner.
    var awaitsOwner = false
    var isOver = false

    /// Keeps an error in mind; but what is refused in a failed transaction does not tell why that failed.
    mutating func note(failure: ServerError) {
      if failure.sqlState != .inFailedSQLTransaction { lastFailure = failure }
    }
  }

  let database: DatabaseCore
  /// The loop on which its connection is to live.
  let loop: Int
  private let storage: Mutex<State>

  init(_ database: DatabaseCore) {
    self.database = database
    loop = database.nextLoop
    storage = Mutex(State(owner: TaskIdentity.current))
  }

  var isOwnedByCurrentTask: Bool {
    let task = TaskIdentity.current
    return storage.withLock { state in
      if exchange(&state.awaitsOwner, with: false) { state.owner = task }
      return state.owner == task && !state.isOver
    }
  }

  func with<Value: Sendable, Failure: Error>(
    _ body: (inout sending State) throws(Failure) -> sending Value
  ) throws(Failure) -> Value {
    try storage.withLock(body)
  }

  // MARK: The connection

  /// The task's connection; nil if it has none yet.
  var leased: PostgresConnection? { with { $0.lease?.connection } }

  /// Whether rows or a COPY are on their way: until their end nothing else can be sent.
  var isBusy: Bool { with { $0.stream != nil || $0.isCopying } }

  /// The task's connection, taken from the pool if it has none.
  func connection(isShielded: Bool = false) async throws -> PostgresConnection {
    if let lease = with({ $0.lease }) { return lease.connection }
    let start = database.instrumentation.emitsMetrics ? ContinuousClock.now : nil
    let lease = try await database.lease(onLoop: loop, isShielded: isShielded)
    if let start { database.measureWait(since: start) }
    with { $0.lease = lease }
    return lease.connection
  }

  /// Gives the connection back to the pool, which closes it if anything is left on it.
  func release() {
    let lease = with { state in
      (state.stream, state.isCopying) = (nil, false)
      return exchange(&state.lease, with: nil)
    }
    if let lease, !lease.releaseAtOnce() { database.pool.releaseSoon(lease) }
  }

  /// Whether nothing more can be done in the transaction.
  var hasFailed: Bool { with { !$0.machine.takesStatements } }

  /// The task's use is over.
  func close() {
    with { $0.isOver = true }
    release()
  }

  /// The connection is lost, and whatever was in its transaction with it.
  func lost() {
    with { $0.machine.lost() }
    release()
  }

  /// Closes the connection instead of giving it back.
  func closeConnection() async throws {
    guard !with({ $0.machine.isInBlock }) else {
      throw PostgresError(.insideAtomic, "a connection cannot be closed inside an atomic block")
    }
    if let lease = with({ $0.lease }) { await lease.connection.close() }
    release()
  }
}
