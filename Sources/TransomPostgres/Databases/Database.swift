/// One database of ``Databases``. It can be used from any task, and hands each a connection of its own.
public struct Database: Sendable {
  package let core: DatabaseCore

  init(core: DatabaseCore) { self.core = core }

  /// Its alias.
  public var alias: String { core.alias }

  /// Runs the body with a connection, which is the task's own meanwhile.
  ///
  /// Inside, every use of the database by the same task gets the same connection, so that functions need not hand it
  /// on. At the end of the outermost body it goes back to the pool.
  ///
  /// - Throws: what the body throws; `PostgresError` of kind `.connectionOwnedByAnotherTask` in a task that was begun
  ///   inside another one's body: ``Databases/withIndependentConnections(_:)`` is for those.
  @discardableResult
  public func withConnection<Result>(
    _ body: (Connection) async throws -> Result
  ) async throws -> Result {
    try await withScope(keepsConnection: true) { scope in
      let connection = Connection(scope)
      defer { connection.isExpired = true }
      return try await body(connection)
    }
  }

  /// Runs the body as one transaction: committed when it returns, rolled back when it throws.
  ///
  ///     try await database.atomic { tx in
  ///       try await tx.execute("update account set balance = balance - 10 where id = \(from)")
  ///       try await tx.execute("update account set balance = balance + 10 where id = \(to)")
  ///     }
  ///
  /// Inside another atomic block of the same task it is a savepoint: if it throws, and the outer body catches that,
  /// only the inner block is undone. With `savepoint: false` it has none, and is undone with the outer block: until
  /// that ends, nothing more is sent.
  ///
  /// Nothing is sent before the first statement, so an empty block costs nothing, and one with statements only the
  /// round trip of its COMMIT.
  ///
  /// A task that is cancelled does not commit: it rolls back and throws `CancellationError`.
  ///
  /// - Parameters:
  ///   - durable: whether the block must be the outermost one, so that what it returns is stored.
  ///   - savepoint: whether the block can be undone alone if it is an inner one.
  ///   - isolation: how much of concurrent transactions it sees; for the outermost block only, as the next two.
  ///   - readOnly: whether it may not write.
  ///   - deferrable: whether a serializable read-only transaction waits until it cannot fail.
  ///   - body: what is to be done.
  /// - Returns: what the body returns.
  /// - Throws: what the body throws, and `PostgresError`. Then nothing of the block is stored, except for
  ///   `.commitInDoubt`, and for what an `onCommit` hook throws.
  @discardableResult
  public func atomic<Result>(
    durable: Bool = false, savepoint: Bool = true, isolation: IsolationLevel? = nil,
    readOnly: Bool? = nil, deferrable: Bool? = nil,
    _ body: (Transaction) async throws -> Result
  ) async throws -> Result {
    let options = TransactionOptions(
      isolation: isolation, readOnly: readOnly, deferrable: deferrable)
    return try await withScope { scope in
      try await scope.atomic(
        .init(options: options, isDurable: durable, hasSavepoint: savepoint), body)
    }
  }

  /// Executes a statement on the task's connection, or on one of its own, as ``Connection/query(_:)``.
  public func query(_ statement: Statement) async throws -> QueryResult {
    try await withScope { try await Connection($0).query(statement) }
  }

  /// Executes a statement on the task's connection, or on one of its own, as ``Connection/execute(_:)``.
  @discardableResult
  public func execute(_ statement: Statement) async throws -> Int {
    try await query(statement).rowCount
  }

  /// Executes statements in one round trip, as ``Connection/pipeline(_:)``.
  public func pipeline(_ statements: [Statement]) async throws -> [QueryResult] {
    try await withScope { try await Connection($0).pipeline(statements) }
  }

  /// Runs a hook once the task's outermost atomic block is committed, as ``Connection/onCommit(robust:_:)``.
  public func onCommit(
    robust: Bool = false, _ hook: @escaping @Sendable () async throws -> Void
  ) async throws {
    try await withScope { try await Connection($0).onCommit(robust: robust, hook) }
  }

  /// How many connections there are, and how many wait for one.
  public var connectionCounts: ConnectionCounts {
    get async {
      let counts = await core.pool.counts
      return ConnectionCounts(
        idle: counts.idle, inUse: counts.leased, connecting: counts.connecting,
        waiting: counts.waiting)
    }
  }

  /// The task's own scope, or a new one for the body, whose task moves to the connection's loop with its first
  /// statement.
  func withScope<Result>(
    keepsConnection: Bool = false, movesTask: Bool = true,
    _ body: (ConnectionScope) async throws -> Result
  ) async throws -> Result {
    if let scope = try AmbientFrame.scope(of: core) {
      guard keepsConnection else { return try await body(scope) }
      let before = scope.with { exchange(&$0.keepsConnection, with: true) }
      defer { scope.with { $0.keepsConnection = before } }
      return try await body(scope)
    }
    let scope = ConnectionScope(core)
    scope.with { $0.keepsConnection = keepsConnection }
    let frame = AmbientFrame(scope, inside: AmbientFrame.current)
    return try await scope.moving(movesTask && core.bringsBodies) {
      // While it is still there, so that the connection is idle at once.
      defer { scope.close() }
      return try await AmbientFrame.$current.withValue(frame) { try await body(scope) }
    }
  }
}

/// How many connections a database has now.
public struct ConnectionCounts: Equatable, Sendable {
  /// Those that nobody uses.
  public var idle: Int
  /// Those that a task has.
  public var inUse: Int
  /// Those that are being made.
  public var connecting: Int
  /// Tasks that wait for one.
  public var waiting: Int
}
