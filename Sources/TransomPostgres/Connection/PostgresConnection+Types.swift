extension PostgresConnection {
  /// The types that the server inferred for a statement's parameters; nil if this connection has not been told them, or
  /// does not prepare statements.
  package func parameterTypes(of sql: StatementText) -> [OID]? {
    statements.parameterTypes(of: sql)
  }

  /// Adds a command to the pipeline that asks what `parameterTypes` and the columns of its result tell, and runs nothing.
  package func enqueueDescription(of sql: StatementText) throws(ConnectionError) {
    try checkUsable()
    let name: StatementName
    switch preparesStatements ? statements.lookUp(sql) : .known(name: "") {
    case .known(let known):
      name = known
      // Without a name the server forgets it at the next one.
      if !preparesStatements { try prepareUnnamed(sql) }
    case .unknown(let new, let statement):
      try check(handle.sendPrepare(new, sql.sql))
      pipeline.prepareSent(statement: statement)
      name = new
    }
    try check(handle.sendDescribe(name))
    pipeline.executeSent()
  }

  private func prepareUnnamed(_ sql: StatementText) throws(ConnectionError) {
    try check(handle.sendPrepare("", sql.sql))
    pipeline.prepareSent(statement: 0)
  }

  /// Keeps the types of a statement's parameters in mind, for as long as the statement stays prepared.
  package func note(parameterTypes: [OID], of sql: StatementText) {
    statements.note(parameterTypes: parameterTypes, of: sql)
  }

  /// The types of all columns of a statement's results; nil if this connection has not been told them, or does not
  /// prepare statements. The server does not change them while the statement stays prepared: it fails instead.
  package func columnTypes(of sql: StatementText) -> [OID]? { statements.columnTypes(of: sql) }

  /// Keeps the types of all columns of a statement's results in mind, for as long as the statement stays prepared.
  package func note(columnTypes: [OID], of sql: StatementText) {
    statements.note(columnTypes: columnTypes, of: sql)
  }

  /// Keeps types of a statement's results in mind: whenever it is enqueued again, `takeResultTypes` tells them.
  package func note(resultTypes: [OID], of sql: StatementText) {
    statements.note(resultTypes: resultTypes, of: sql)
  }

  /// What was noted of the results of all that was enqueued since the last call.
  package func takeResultTypes() -> [OID] { statements.takeResultTypes() }
}
