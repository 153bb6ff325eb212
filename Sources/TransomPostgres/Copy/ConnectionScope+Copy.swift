extension ConnectionScope {
  /// Executes a COPY FROM STDIN with what `feed` writes, and returns the number of rows.
  func copyIn(
    _ statement: Statement, _ feed: (CopyWriter) async throws -> Void
  ) async throws -> Int {
    try await wrapped(statement.sql) {
      let connection = try await beginCopy(statement, .fromClient)
      let writer = CopyWriter(connection)
      var failure: (any Error)?
      do {
        try await feed(writer)
        try await writer.flush()
        // In a cancelled task a sequence may just end early: what there is of it must not pass for the whole.
        try Task.checkCancellation()
      } catch {
        failure = error
      }
      let reason = failure.map { _ in "the client has given up" }
      let (reply, wasCancelled) = await StatementCanceller.cancelling(connection) {
        await connection.endCopyIn(reason)
      }
      let result = Result { try finishCopy(reply, wasCancelled, statement.sql) }
      if let failure { throw failure }
      return try result.get().handle.affectedRows
    }
  }

  /// Begins a COPY. Until `finishCopy` nothing else can be sent.
  func beginCopy(
    _ statement: Statement, _ direction: CopyDirection
  ) async throws -> PostgresConnection {
    if let flaw = statement.flaw { throw flaw }
    guard statement.sql.operationName == "COPY", statement.parameterCount == 0 else {
      throw PostgresError(
        .copy, "the statement must begin with COPY, and cannot have parameters",
        statement: statement.sql)
    }
    try await finishStream()
    try Task.checkCancellation()
    let commands = try commandsBeforeStatement()
    let connection = try await connection()
    if !commands.isEmpty {
      var opening = Exchange()
      opening.prefix = commands.map(\.sql)
      let (reply, wasCancelled) = await StatementCanceller.cancelling(connection) { [opening] in
        await connection.exchange(opening)
      }
      note(reply, commands)
      try check(reply, opening, wasCancelled: wasCancelled)
    }
    let (reply, wasCancelled) = await StatementCanceller.cancelling(connection) {
      await connection.beginCopy(statement.sql, direction)
    }
    if let reply {
      _ = try finishCopy(reply, wasCancelled, statement.sql)
      throw PostgresError(
        .copy, "the statement does not copy in this direction", statement: statement.sql)
    }
    with { $0.isCopying = true }
    return connection
  }

  /// Takes note of how a COPY ended.
  func finishCopy(
    _ reply: CopyReply, _ wasCancelled: Bool, _ sql: String
  ) throws -> ResultStorage {
    with { state in
      state.isCopying = false
      if let error = reply.error { state.note(failure: error) }
      // COPY TO STDOUT writes, too, if its query does.
      if reply.result != nil { state.mayHaveWritten = true }
      if reply.failure == nil { state.machine.answered(reply.status) }
    }
    if reply.failure != nil { lost() }
    if wasCancelled, reply.failure != nil || reply.error?.sqlState == .queryCanceled {
      throw CancellationError()
    }
    if let error = reply.error { throw PostgresError(error, statement: sql) }
    if let failure = reply.failure { throw PostgresError(failure) }
    guard let result = reply.result else { throw PostgresError(ConnectionError.outOfStep) }
    return result
  }
}
