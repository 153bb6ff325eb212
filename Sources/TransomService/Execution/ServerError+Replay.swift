package import TransomPostgres

extension ServerError {
  /// A conflict with another transaction, which is not there when everything is run again.
  var isConflict: Bool { sqlState == .serializationFailure || sqlState == .deadlockDetected }

  /// The server lacks something, stops, or was told to leave off: that says nothing of what it was asked, and a later answer
  /// may (classes 53, 57 and 58).
  package var isOfTheMoment: Bool { ["53", "57", "58"].contains(sqlState.classCode) }

  /// A prepared statement does not fit the catalogue any more, or a client's own SQL took it or its name away.
  var isStaleStatement: Bool {
    (sqlState == .featureNotSupported && routine == "RevalidateCachedQuery")
      || sqlState == .invalidSQLStatementName || sqlState == .duplicatePreparedStatement
      || isOfVanishedType
  }

  /// A statement was prepared with a type that has been dropped since: the server does not notice that before it runs
  /// the statement, and fails.
  private var isOfVanishedType: Bool {
    (sqlState == "XX000" && message.hasPrefix("cache lookup failed for type"))
      || (sqlState == "42704" && routine == "lookup_type_cache")
  }
}
