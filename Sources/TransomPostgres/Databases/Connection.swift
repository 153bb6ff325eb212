/// One task's connection to a database.
///
/// It is what ``Database/withConnection(_:)`` hands its body, and it is of no use after it. It is not `Sendable`: the
/// compiler refuses to hand it to another task, so that nothing is interleaved, ever.
///
/// A connection is taken from the pool when the first statement needs it.
public class Connection {
  let scope: ConnectionScope
  var isExpired = false

  init(_ scope: ConnectionScope) { self.scope = scope }

  func checkNotExpired() throws(PostgresError) {
    if isExpired { throw .expired("a connection") }
  }

  /// The alias of its database.
  public var alias: String { scope.database.alias }

  /// Whether it is inside an atomic block.
  public var isInAtomic: Bool { scope.with { $0.machine.isInBlock } }

  // MARK: Statements

  /// Executes a statement and returns its rows, all of them.
  ///
  ///     let result = try await connection.query("select id, name from account where owner = \(owner)")
  ///     for (id, name) in try result.decode((Int, String).self) { … }
  ///
  /// Outside of an atomic block the statement is a transaction of its own.
  ///
  /// - Throws: `PostgresError`; `CancellationError` if the task is cancelled meanwhile: then the statement is
  ///   cancelled on the server, too.
  public func query(_ statement: Statement) async throws -> QueryResult {
    try checkNotExpired()
    if let flaw = statement.flaw { throw flaw }
    guard scope.isWatched else { return QueryResult(try await scope.run(statement)) }
    return QueryResult(
      try await scope.wrapped(statement.sql) { try await scope.run(statement) })
  }

  /// Executes a statement, and returns the number of rows that it returned or changed.
  @discardableResult
  public func execute(_ statement: Statement) async throws -> Int {
    try await query(statement).rowCount
  }

  /// Executes statements in one round trip, and returns a result for each.
  ///
  /// The first error is thrown, and what follows it is not done. Outside of an atomic block they are one transaction
  /// (PostgreSQL manual, 34.5 "Pipeline Mode").
  public func pipeline(_ statements: [Statement]) async throws -> [QueryResult] {
    try checkNotExpired()
    guard !statements.isEmpty else { return [] }
    var exchange = Exchange()
    for statement in statements {
      if let flaw = statement.flaw { throw flaw }
      try exchange.append(statement)
    }
    let request = exchange
    let sql = statements.count == 1 ? statements[0].sql : "\(statements[0].sql); …"
    return try await scope.wrapped(sql, batch: statements.count) {
      try await scope.run(request)
    }.map(QueryResult.init)
  }

  /// Executes a statement for each element of a sequence, in one round trip, and returns how many rows were returned
  /// or changed in all.
  ///
  ///     try await connection.executeMany(people) { "insert into person (name) values (\($0.name))" }
  ///
  /// Outside of an atomic block it is one transaction.
  ///
  /// - Throws: as ``pipeline(_:)``.
  @discardableResult
  public func executeMany<Elements: Sequence>(
    _ elements: Elements, _ statement: (Elements.Element) throws -> Statement
  ) async throws -> Int {
    try checkNotExpired()
    var exchange = Exchange()
    for element in elements {
      let statement = try statement(element)
      if let flaw = statement.flaw { throw flaw }
      try exchange.append(statement)
    }
    guard let first = exchange.statements.first else { return 0 }
    let request = exchange
    return try await scope.wrapped(first.text.sql, batch: request.statements.count) {
      try await scope.count(request)
    }
  }

  // MARK: Transactions

  /// Runs the body as one atomic block, as ``Database/atomic(durable:savepoint:isolation:readOnly:deferrable:_:)``.
  @discardableResult
  public func atomic<Result>(
    durable: Bool = false, savepoint: Bool = true, isolation: IsolationLevel? = nil,
    readOnly: Bool? = nil, deferrable: Bool? = nil,
    _ body: (Transaction) async throws -> Result
  ) async throws -> Result {
    try checkNotExpired()
    let options = TransactionOptions(
      isolation: isolation, readOnly: readOnly, deferrable: deferrable)
    return try await scope.atomic(
      .init(options: options, isDurable: durable, hasSavepoint: savepoint), body)
  }

  /// Runs a hook once the outermost atomic block is committed; at once outside of one.
  ///
  /// Hooks run in the order in which they were registered, after the COMMIT, outside of the transaction, on the task
  /// that committed. A hook of a block that is rolled back is forgotten. An error of a hook is thrown to whoever
  /// waits for the outermost block, and the hooks behind it do not run, although all is committed; if it is
  /// `robust`, its error is logged instead.
  public func onCommit(
    robust: Bool = false, _ hook: @escaping @Sendable () async throws -> Void
  ) async throws {
    try checkNotExpired()
    try await scope.onCommit(.init(isRobust: robust, body: hook))
  }

  // MARK: The connection itself

  /// Closes the connection. The next statement gets another one.
  ///
  /// - Throws: `PostgresError` of kind `.insideAtomic` inside an atomic block.
  public func close() async throws {
    try checkNotExpired()
    try await scope.closeConnection()
  }

  /// Calls the wrapper around each statement that the body executes on this connection, inside those that are there.
  ///
  ///     try await connection.withExecuteWrapper({ context, execute in
  ///       let start = ContinuousClock.now
  ///       try await execute()
  ///       print(context.sql, ContinuousClock.now - start)
  ///     }) { … }
  @discardableResult
  public func withExecuteWrapper<Result>(
    _ wrapper: @escaping ExecuteWrapper, _ body: () async throws -> Result
  ) async throws -> Result {
    try checkNotExpired()
    scope.with { $0.wrappers.append(wrapper) }
    defer { scope.with { _ = $0.wrappers.popLast() } }
    return try await body()
  }
}

@available(*, unavailable)
extension Connection: Sendable {}
