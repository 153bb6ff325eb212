/// How a transaction is to run (PostgreSQL manual, "SET TRANSACTION"); nil leaves a choice to the server's defaults.
public struct TransactionOptions: Equatable, Sendable {
  /// How much of concurrent transactions it sees.
  public var isolation: IsolationLevel?
  /// Whether it may not write.
  public var isReadOnly: Bool?
  /// Whether a serializable read-only transaction waits until it cannot fail.
  public var isDeferrable: Bool?

  /// Takes what is to be set.
  public init(
    isolation: IsolationLevel? = nil, readOnly: Bool? = nil, deferrable: Bool? = nil
  ) {
    self.isolation = isolation
    isReadOnly = readOnly
    isDeferrable = deferrable
  }

  /// The command that begins such a transaction.
  var beginSQL: String {
    var sql = "BEGIN"
    if let isolation { sql += " ISOLATION LEVEL \(isolation.sql)" }
    if let isReadOnly { sql += isReadOnly ? " READ ONLY" : " READ WRITE" }
    if let isDeferrable { sql += isDeferrable ? " DEFERRABLE" : " NOT DEFERRABLE" }
    return sql
  }
}
