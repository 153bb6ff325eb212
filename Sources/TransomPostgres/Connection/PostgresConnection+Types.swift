extension PostgresConnection {
  /// The types that the server inferred for a statement's parameters; nil if this connection has not been told them, or
  /// does not prepare statements.
  package func parameterTypes(of sql: StatementText) -> [OID]? {
    preparesStatements ? statements.parameterTypes(of: sql) : nil
  }

  /// Adds a command to the pipeline that asks what `parameterTypes` and the columns of its result tell, and runs nothing.
  package func enqueueDescription(of sql: StatementText) throws(ConnectionError) {
    try checkUsable()
    try check(handle.sendDescribe(try prepared(sql)))
    pipeline.executeSent()
  }

  /// A statement's name on the server, which is asked to prepare it first if it has not.
  func prepared(_ sql: StatementText) throws(ConnectionError) -> StatementName {
    // Without a name the server forgets it at the next one.
    let found =
      preparesStatements
      ? statements.lookUp(sql) : StatementCache.Lookup(name: "", unknown: 0)
    if let unknown = found.unknown {
      try check(handle.sendPrepare(found.name, sql.sql))
      pipeline.prepareSent(statement: unknown)
    }
    return found.name
  }

  /// Keeps the types of a statement's parameters in mind, for as long as the statement stays prepared.
  package func note(parameterTypes: [OID], of sql: StatementText) {
    guard preparesStatements else { return }
    statements.note(parameterTypes: parameterTypes, of: sql)
  }

  /// The types of all columns of a statement's results; nil if this connection has not been told them, or does not
  /// prepare statements. The server does not change them while the statement stays prepared: it fails instead.
  package func columnTypes(of sql: StatementText) -> [OID]? {
    preparesStatements ? statements.columnTypes(of: sql) : nil
  }

  /// Keeps the types of all columns of a statement's results in mind, for as long as the statement stays prepared.
  package func note(columnTypes: [OID], of sql: StatementText) {
    guard preparesStatements else { return }
    statements.note(columnTypes: columnTypes, of: sql)
  }

  /// Keeps types of a statement's results in mind: whenever it is enqueued again, `takeResultTypes` tells them.
  package func note(resultTypes: [OID], of sql: StatementText) {
    guard preparesStatements else { return }
    statements.note(resultTypes: resultTypes, of: sql)
  }

  /// What was noted of the results of all that was enqueued since the last call.
  package func takeResultTypes() -> [OID] { statements.takeResultTypes() }
}
