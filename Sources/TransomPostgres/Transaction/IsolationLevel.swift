/// How much of concurrent transactions a transaction sees
/// (PostgreSQL manual, 13.2 "Transaction Isolation").
public enum IsolationLevel: String, Sendable, CaseIterable {
  /// Each statement sees what was committed before it began.
  case readCommitted = "read_committed"
  /// All statements see what was committed before the first one.
  case repeatableRead = "repeatable_read"
  /// As if transactions ran one after the other.
  case serializable = "serializable"

  /// The level as SQL spells it.
  public var sql: String {
    switch self {
    case .readCommitted: "READ COMMITTED"
    case .repeatableRead: "REPEATABLE READ"
    case .serializable: "SERIALIZABLE"
    }
  }
}
