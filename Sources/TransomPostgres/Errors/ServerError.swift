/// An error that the PostgreSQL server reported, with every field as it was sent
/// (PostgreSQL manual, 55.8 "Error and Notice Message Fields").
public struct ServerError: Error, Equatable, Sendable {
  /// `ERROR`, `FATAL` or `PANIC`, never translated. After the last two the connection is gone.
  public var severity: String
  /// The error's code.
  public var sqlState: SQLState
  /// What is wrong, in one line.
  public var message: String
  /// Everything else, in one place: an error is passed about in many values that hardly ever hold one.
  private var box = Box.details(Details())

  /// More about it, if the server told.
  public var detail: String? {
    get { box.details.detail }
    set { box.details.detail = newValue }
  }
  /// What could be done about it, if the server told.
  public var hint: String? {
    get { box.details.hint }
    set { box.details.hint = newValue }
  }
  /// Where in the statement, in characters from 1.
  public var position: Int? {
    get { box.details.position }
    set { box.details.position = newValue }
  }
  /// Where in `internalQuery`, in characters from 1.
  public var internalPosition: Int? {
    get { box.details.internalPosition }
    set { box.details.internalPosition = newValue }
  }
  /// The statement that failed if it was one of a function's own.
  public var internalQuery: String? {
    get { box.details.internalQuery }
    set { box.details.internalQuery = newValue }
  }
  /// The call stack of functions, newest first (the field that the manual names "Where").
  public var context: String? {
    get { box.details.context }
    set { box.details.context = newValue }
  }
  /// The schema that the error is about.
  public var schema: String? {
    get { box.details.schema }
    set { box.details.schema = newValue }
  }
  /// The table that the error is about.
  public var table: String? {
    get { box.details.table }
    set { box.details.table = newValue }
  }
  /// The column that the error is about.
  public var column: String? {
    get { box.details.column }
    set { box.details.column = newValue }
  }
  /// The data type that the error is about.
  public var dataType: String? {
    get { box.details.dataType }
    set { box.details.dataType = newValue }
  }
  /// The constraint that was violated.
  public var constraint: String? {
    get { box.details.constraint }
    set { box.details.constraint = newValue }
  }
  /// The server's source file.
  public var file: String? {
    get { box.details.file }
    set { box.details.file = newValue }
  }
  /// The line in `file`.
  public var line: String? {
    get { box.details.line }
    set { box.details.line = newValue }
  }
  /// The server's function.
  public var routine: String? {
    get { box.details.routine }
    set { box.details.routine = newValue }
  }

  /// Makes an error of the three fields that are always there.
  public init(severity: String = "ERROR", sqlState: SQLState, message: String) {
    self.severity = severity
    self.sqlState = sqlState
    self.message = message
  }

  /// The fields that are not always there.
  struct Details: Equatable, Sendable {
    var detail: String?
    var hint: String?
    var position: Int?
    var internalPosition: Int?
    var internalQuery: String?
    var context: String?
    var schema: String?
    var table: String?
    var column: String?
    var dataType: String?
    var constraint: String?
    var file: String?
    var line: String?
    var routine: String?
  }

  private indirect enum Box: Equatable, Sendable {
    case details(Details)

    var details: Details {
      get {
        switch self {
        case .details(let details): return details
        }
      }
      set { self = .details(newValue) }
    }
  }

  /// Makes an error of all fields at once.
  init(severity: String, sqlState: SQLState, message: String, _ details: Details) {
    self.init(severity: severity, sqlState: sqlState, message: message)
    box = .details(details)
  }
}
