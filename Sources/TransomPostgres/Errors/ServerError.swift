/// An error that the PostgreSQL server reported, with every field as it was sent
/// (PostgreSQL manual, 55.8 "Error and Notice Message Fields").
public struct ServerError: Error, Equatable, Sendable {
  /// `ERROR`, `FATAL` or `PANIC`, never translated. After the last two the connection is gone.
  public var severity: String
  /// The error's code.
  public var sqlState: SQLState
  /// What is wrong, in one line.
  public var message: String
  /// More about it, if the server told.
  public var detail: String?
  /// What could be done about it, if the server told.
  public var hint: String?
  /// Where in the statement, in characters from 1.
  public var position: Int?
  /// Where in `internalQuery`, in characters from 1.
  public var internalPosition: Int?
  /// The statement that failed if it was one of a function's own.
  public var internalQuery: String?
  /// The call stack of functions, newest first (the field that the manual names "Where").
  public var context: String?
  /// The schema that the error is about.
  public var schema: String?
  /// The table that the error is about.
  public var table: String?
  /// The column that the error is about.
  public var column: String?
  /// The data type that the error is about.
  public var dataType: String?
  /// The constraint that was violated.
  public var constraint: String?
  /// The server's source file.
  public var file: String?
  /// The line in `file`.
  public var line: String?
  /// The server's function.
  public var routine: String?

  /// Makes an error of the three fields that are always there.
  public init(severity: String = "ERROR", sqlState: SQLState, message: String) {
    self.severity = severity
    self.sqlState = sqlState
    self.message = message
  }
}
