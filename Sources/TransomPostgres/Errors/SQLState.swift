/// The five-character code that PostgreSQL gives to every error
/// (PostgreSQL manual, appendix A, "PostgreSQL Error Codes").
public struct SQLState: Hashable, Sendable, CustomStringConvertible, ExpressibleByStringLiteral {
  /// The five characters, such as `23505`.
  public let code: String

  /// Takes the code as the server sent it.
  public init(_ code: String) {
    self.code = code
  }

  /// Takes the code from a literal.
  public init(stringLiteral value: String) {
    self.init(value)
  }

  /// The first two characters: the error's class, such as `23` for a violated constraint.
  public var classCode: Substring { code.prefix(2) }

  /// The code itself.
  public var description: String { code }
}

extension SQLState {
  /// A serializable or repeatable-read transaction met a concurrent one; it can be run again.
  public static let serializationFailure: SQLState = "40001"
  /// The transaction was chosen to end a deadlock; it can be run again.
  public static let deadlockDetected: SQLState = "40P01"
  /// The statement was cancelled on request, such as after a timeout.
  public static let queryCanceled: SQLState = "57014"
  /// The server does not do what the statement asks.
  public static let featureNotSupported: SQLState = "0A000"
  /// No prepared statement of that name (any more).
  public static let invalidSQLStatementName: SQLState = "26000"
  /// A prepared statement has that name already.
  public static let duplicatePreparedStatement: SQLState = "42P05"
  /// A row with that key is there already.
  public static let uniqueViolation: SQLState = "23505"
  /// An earlier statement of the transaction failed: nothing but going back is done.
  public static let inFailedSQLTransaction: SQLState = "25P02"
  /// The role may not do this.
  public static let insufficientPrivilege: SQLState = "42501"
}
