extension ConnectionScope {
  /// Sends a statement, with what its atomic blocks need in front, and returns its result.
  ///
  /// - Throws: as the same of many.
  @inline(__always)
  func run(_ statement: Statement) async throws -> ResultStorage {
    let (reply, before) = try await answers(to: Exchange(statement))
    guard case .result(let result)? = reply.outcomes.dropFirst(before).first else {
      throw PostgresError(.connectionLost, "the server sent no result")
    }
    return result
  }

  /// Sends statements in one round trip, with what their atomic blocks need in front, and returns their results.
  ///
  /// - Throws: the first error: what follows it has not been done. `CancellationError` if the task was cancelled.
  func run(_ statements: Exchange) async throws -> [ResultStorage] {
    let (reply, before) = try await answers(to: statements)
    return reply.outcomes.dropFirst(before).compactMap {
      if case .result(let result) = $0 { result } else { nil }
    }
  }

  /// As `run`, but returns the number of rows that were returned or changed in all, and keeps none of them.
  func count(_ statements: Exchange) async throws -> Int {
    var counted = statements
    counted.countsOnly = true
    return try await answers(to: counted).reply.countedRows
  }

  /// What is answered, and to how many commands of ours in front.
  ///
  /// A part of its callers, as what it calls is of it: each asynchronous function that is called costs hundreds of
  /// instructions, and a single SELECT of the client took 20,000 in all.
  @inline(__always)
  private func answers(
    to statements: consuming Exchange
  ) async throws -> (reply: ExchangeReply, before: Int) {
    // To call an asynchronous function costs more than to see whether it has anything to do.
    if isBusy { try await finishStream() }
    var exchange = statements
    var isSecond = false
    while true {
      try Task.checkCancellation()
      let commands = try commandsBeforeStatement()
      let connection = if let leased { leased } else { try await connection() }
      exchange.prefix = commands.map(\.sql)
      let (reply, wasCancelled) = await StatementCanceller.cancelling(connection) {
        await connection.exchange(exchange)
      }
      note(reply, commands)
      if let failed = reply.firstError, failed.error.isStaleStatement {
        await connection.forgetStatements()
        if !isSecond, try await canRepeat(exchange, commands, failed) {
          isSecond = true
          continue
        }
      }
      try check(reply, exchange, wasCancelled: wasCancelled)
      return (reply, commands.count)
    }
  }

  func commandsBeforeStatement() throws -> [TransactionStateMachine.Command] {
    do {
      return try with { state throws(TransactionStateMachine.Refusal) in
        try state.machine.commandsBeforeStatement()
      }
    } catch {
      throw PostgresError(error)
    }
  }

  /// Takes note of what the server has done.
  func note(_ reply: ExchangeReply, _ commands: [TransactionStateMachine.Command]) {
    with { state in
      let opened = reply.outcomes.prefix(commands.count).prefix {
        if case .result = $0 { true } else { false }
      }
      state.machine.opened(opened.count)
      if let error = reply.firstError?.error { state.note(failure: error) }
      for case .result(let result) in reply.outcomes.dropFirst(commands.count)
      where !result.handle.isSelect {
        state.mayHaveWritten = true
      }
      if reply.countedChanges { state.mayHaveWritten = true }
      if reply.failure == nil { state.machine.answered(reply.status) }
    }
    if reply.failure != nil { lost() }
  }

  /// Whether statements whose prepared form did not fit any more can be sent again: nothing else was lost with them, and
  /// nothing of them is stored.
  ///
  /// A COMMIT in front of the one that failed, or a procedure, may have stored something. So may the one that failed, if
  /// the error has a context: then it ran.
  func canRepeat(
    _ exchange: Exchange, _ commands: [TransactionStateMachine.Command],
    _ failed: (index: Int, error: ServerError)
  ) async throws -> Bool {
    let ran = failed.index - exchange.prefix.count + (failed.error.context == nil ? 0 : 1)
    let before = exchange.statements.prefix(max(0, ran))
    guard before.allSatisfy({ SessionFootprint.isUndone($0.text.sql) }) else { return false }
    guard with({ $0.machine.isInBlock }) else { return true }
    guard case .begin = commands.first else { return false }
    guard await send(["ROLLBACK"]) != nil else { return false }
    with { $0.machine.restarted() }
    return true
  }

  /// Throws the error of an exchange, if it has one.
  func check(_ reply: ExchangeReply, _ exchange: Exchange, wasCancelled: Bool) throws {
    if wasCancelled, reply.failure != nil || reply.firstError?.error.sqlState == .queryCanceled {
      throw CancellationError()
    }
    if let (index, error) = reply.firstError {
      let statement = index - exchange.prefix.count
      let isOurs = !exchange.statements.indices.contains(statement)
      throw PostgresError(error, statement: isOurs ? nil : exchange.statements[statement].text.sql)
    }
    if let failure = reply.failure { throw PostgresError(failure) }
  }

  /// Sends commands of our own, whether the task is cancelled or not; nil if the connection was lost.
  ///
  /// A cancellation that was meant for an earlier statement can hit them: then they are sent again. A server that does not
  /// answer loses the connection, and undoes the transaction with it.
  func send(_ commands: [String]) async -> ExchangeReply? {
    guard let connection = with({ $0.lease?.connection }) else { return nil }
    var exchange = Exchange()
    exchange.suffix = commands
    for _ in 0..<5 {
      let reply = await connection.exchange(exchange, within: Self.limitOfOwnCommands)
      if reply.failure != nil {
        lost()
        return nil
      }
      guard reply.firstError?.error.sqlState == .queryCanceled else { return reply }
    }
    await connection.close()
    lost()
    return nil
  }

  /// ROLLBACK takes its time if there is much to undo, such as many temporary tables.
  private static var limitOfOwnCommands: Duration { .seconds(30) }

  // MARK: Wrappers

  /// Whether anybody wants to know of statements: without `wrapped` and its closure each costs less.
  var isWatched: Bool { database.instrumentation.isOn || with { !$0.wrappers.isEmpty } }

  /// Runs what executes a statement, inside the wrappers, the first one outermost, and inside its span.
  func wrapped<Result: Sendable>(
    _ sql: String, batch: Int? = nil, _ body: () async throws -> Result
  ) async throws -> Result {
    let wrappers = with { $0.wrappers }
    guard !wrappers.isEmpty else {
      return try await database.observed(sql, batch: batch, body)
    }
    let context = ExecuteContext(sql: sql, isMany: batch != nil, database: database.alias)
    var result: Result?
    try await call(wrappers[...], context) {
      result = try await database.observed(sql, batch: batch, body)
    }
    guard let result else {
      throw PostgresError(
        .canceled, "an execute wrapper did not execute the statement", statement: sql)
    }
    return result
  }

  private func call(
    _ wrappers: ArraySlice<ExecuteWrapper>, _ context: ExecuteContext,
    _ body: () async throws -> Void
  ) async throws {
    guard let first = wrappers.first else { return try await body() }
    try await first(context) { try await call(wrappers.dropFirst(), context, body) }
  }
}

/// What an execute wrapper is told.
public struct ExecuteContext: Sendable {
  /// The statement's SQL; the values are its parameters.
  public let sql: String
  /// Whether it is executed many times, by `executeMany`.
  public let isMany: Bool
  /// The alias of its database.
  public let database: String
}

/// Is called around each statement: to time, count, log or refuse it. It must call `execute` once, or throw.
public typealias ExecuteWrapper =
  @Sendable (_ context: ExecuteContext, _ execute: () async throws -> Void) async throws -> Void

extension ServerError {
  /// A prepared statement does not fit the catalogue any more, or somebody's own SQL took it or its name away.
  ///
  /// What has a context failed within a DO, a procedure or a function: a statement that is not there is not ours, then.
  var isStaleStatement: Bool {
    (sqlState == .featureNotSupported && routine == "RevalidateCachedQuery")
      || context == nil
        && (sqlState == .invalidSQLStatementName || sqlState == .duplicatePreparedStatement)
  }
}
