internal import CTransomPQ

/// Owns a `PGresult`: what the server answered to one command
/// (PostgreSQL manual, 34.3 "Command Execution Functions").
///
/// Safe: the pointer never leaves this type, is freed once, and what is handed out of it are spans
/// that cannot outlive it. Rows and columns are counted from 0 and must be in range.
///
/// `@unchecked Sendable`: a result belongs to no connection, and everything here but `append(rowOf:)`, for which its owner
/// has it alone, only reads it.
@safe
package struct PGResultHandle: ~Copyable, @unchecked Sendable {
  package enum Status: Equatable, Sendable {
    case emptyQuery
    case commandOK
    case tuples
    case singleTuple
    case pipelineSync
    case pipelineAborted
    case fatalError
    /// COPY: impossible in a pipeline, so the connection cannot go on.
    case copy
    case unexpected
  }

  private let pointer: OpaquePointer

  init(adopting pointer: OpaquePointer) { unsafe self.pointer = unsafe pointer }

  deinit { unsafe PQclear(pointer) }

  /// Adds a copy of the row of a result with the same columns, and returns by how many bytes it has grown.
  ///
  /// Nil: there are no columns, and so no values of which libpq would make a row. Without memory the process ends, as Swift
  /// has it end wherever there is none.
  mutating func append(rowOf other: borrowing PGResultHandle) -> Int? {
    let columns = unsafe PQnfields(pointer)
    guard columns > 0 else { return nil }
    let row = unsafe PQntuples(pointer)
    let size = memorySize
    for column in 0..<columns {
      let isNull = unsafe PQgetisnull(other.pointer, 0, column) != 0
      let stored = unsafe PQsetvalue(
        pointer, row, column, isNull ? nil : PQgetvalue(other.pointer, 0, column),
        PQgetlength(other.pointer, 0, column))
      precondition(stored != 0, "no memory for a row")
    }
    return memorySize - size
  }

  package var status: Status {
    switch unsafe PQresultStatus(pointer) {
    case PGRES_EMPTY_QUERY: .emptyQuery
    case PGRES_COMMAND_OK: .commandOK
    case PGRES_TUPLES_OK: .tuples
    case PGRES_SINGLE_TUPLE: .singleTuple
    case PGRES_PIPELINE_SYNC: .pipelineSync
    case PGRES_PIPELINE_ABORTED: .pipelineAborted
    case PGRES_FATAL_ERROR, PGRES_BAD_RESPONSE: .fatalError
    case PGRES_COPY_IN, PGRES_COPY_OUT, PGRES_COPY_BOTH: .copy
    default: .unexpected
    }
  }

  /// Whether the command returns rows, if only none.
  package var returnsRows: Bool { unsafe PQresultStatus(pointer) == PGRES_TUPLES_OK }

  package var rowCount: Int { Int(unsafe PQntuples(pointer)) }
  package var columnCount: Int { Int(unsafe PQnfields(pointer)) }

  /// The command tag without its counts, such as `INSERT` or `CREATE TABLE`; empty for an empty query.
  package var command: Span<UInt8> {
    @_lifetime(borrow self) get {
      let tag = unsafe PQcmdStatus(pointer)
      var length = 0
      if let tag = unsafe tag {
        while unsafe tag[length] != 0, !(unsafe UInt8(bitPattern: tag[length]) &- 0x30 < 10) {
          length += 1
        }
        while unsafe length > 0 && tag[length - 1] == 0x20 { length -= 1 }
      }
      return unsafe _overrideLifetime(Self.span(tag, length), borrowing: self)
    }
  }

  /// Whether this is one row of a command whose rows come one by one; the result that ends them has none.
  var isSingleRow: Bool { unsafe PQresultStatus(pointer) == PGRES_SINGLE_TUPLE }

  /// Whether the server waits for the data of a COPY FROM STDIN.
  var isCopyIn: Bool { unsafe PQresultStatus(pointer) == PGRES_COPY_IN }

  /// Whether the data of a COPY TO STDOUT follow.
  var isCopyOut: Bool { unsafe PQresultStatus(pointer) == PGRES_COPY_OUT }

  /// The whole command tag, such as `INSERT 0 1`.
  var tag: String { unsafe String(cString: PQcmdStatus(pointer)) }

  /// Whether the command was a SELECT: it writes only through functions.
  var isSelect: Bool { unsafe strncmp(PQcmdStatus(pointer), "SELECT", 6) == 0 }

  /// The memory that it takes, in bytes.
  var memorySize: Int { unsafe PQresultMemorySize(pointer) }

  /// Whether the command tag is COMMIT: the only sign that a transaction is stored.
  package var isCommit: Bool { unsafe strcmp(PQcmdStatus(pointer), "COMMIT") == 0 }

  /// Whether the command counts rows.
  package var countsRows: Bool { unsafe PQcmdTuples(pointer).pointee != 0 }

  /// The number of rows that the command returned or changed; 0 for commands that count none.
  package var affectedRows: Int {
    guard let text = unsafe PQcmdTuples(pointer) else { return 0 }
    return unsafe Int(atoll(text))
  }

  @_lifetime(borrow self)
  package func columnName(_ column: Int) -> Span<UInt8> {
    let name = unsafe PQfname(pointer, Int32(column))
    let length = unsafe name.map { unsafe strlen($0) } ?? 0
    return unsafe _overrideLifetime(Self.span(name, length), borrowing: self)
  }

  package func columnType(_ column: Int) -> OID {
    unsafe OID(PQftype(pointer, Int32(column)))
  }

  /// The table that a column is one of; 0 if it is computed.
  package func columnTable(_ column: Int) -> OID {
    unsafe OID(PQftable(pointer, Int32(column)))
  }

  /// A column's number in its table, from 1; 0 if it is computed.
  package func columnNumber(_ column: Int) -> Int {
    Int(unsafe PQftablecol(pointer, Int32(column)))
  }

  /// The size of a column's type in the server, in bytes; negative if it varies (`pg_type.typlen`).
  package func columnSize(_ column: Int) -> Int { Int(unsafe PQfsize(pointer, Int32(column))) }

  /// What else the type was declared with, such as the length of a varchar and 4; -1 if nothing (`pg_attribute.atttypmod`).
  package func columnModifier(_ column: Int) -> Int { Int(unsafe PQfmod(pointer, Int32(column))) }

  package func isNull(row: Int, column: Int) -> Bool {
    unsafe PQgetisnull(pointer, Int32(row), Int32(column)) != 0
  }

  /// A value in PostgreSQL's text form; empty for NULL.
  @_lifetime(borrow self)
  package func value(row: Int, column: Int) -> Span<UInt8> {
    let length = unsafe PQgetlength(pointer, Int32(row), Int32(column))
    let text = unsafe PQgetvalue(pointer, Int32(row), Int32(column))
    return unsafe _overrideLifetime(Self.span(text, Int(length)), borrowing: self)
  }

  /// A value in PostgreSQL's text form; nil for NULL.
  package func text(row: Int, column: Int) -> String? {
    guard !isNull(row: row, column: column) else { return nil }
    return String(span: value(row: row, column: column))
  }

  /// The types of the parameters, if the result describes a prepared statement.
  package var parameterTypes: [OID] {
    (0..<(unsafe PQnparams(pointer))).map { unsafe OID(PQparamtype(pointer, $0)) }
  }

  @_lifetime(immortal)
  private static func span(_ text: UnsafeMutablePointer<CChar>?, _ length: Int) -> Span<UInt8> {
    let bytes = unsafe UnsafeRawBufferPointer(start: text, count: text == nil ? 0 : length)
    return unsafe _overrideLifetime(
      Span(_unsafeBytes: bytes), copying: ())
  }

  // MARK: Errors

  /// The server's error; an error of the connection itself has the SQLSTATE `08006`.
  package var serverError: ServerError {
    var details = ServerError.Details()
    details.detail = field(CTRANSOM_DIAG_MESSAGE_DETAIL)
    details.hint = field(CTRANSOM_DIAG_MESSAGE_HINT)
    details.position = field(CTRANSOM_DIAG_STATEMENT_POSITION).flatMap { Int($0) }
    details.internalPosition = field(CTRANSOM_DIAG_INTERNAL_POSITION).flatMap { Int($0) }
    details.internalQuery = field(CTRANSOM_DIAG_INTERNAL_QUERY)
    details.context = field(CTRANSOM_DIAG_CONTEXT)
    details.schema = field(CTRANSOM_DIAG_SCHEMA_NAME)
    details.table = field(CTRANSOM_DIAG_TABLE_NAME)
    details.column = field(CTRANSOM_DIAG_COLUMN_NAME)
    details.dataType = field(CTRANSOM_DIAG_DATATYPE_NAME)
    details.constraint = field(CTRANSOM_DIAG_CONSTRAINT_NAME)
    details.file = field(CTRANSOM_DIAG_SOURCE_FILE)
    details.line = field(CTRANSOM_DIAG_SOURCE_LINE)
    details.routine = field(CTRANSOM_DIAG_SOURCE_FUNCTION)
    return ServerError(
      severity: field(CTRANSOM_DIAG_SEVERITY_NONLOCALIZED) ?? "FATAL",
      sqlState: SQLState(field(CTRANSOM_DIAG_SQLSTATE) ?? "08006"),
      message: field(CTRANSOM_DIAG_MESSAGE_PRIMARY) ?? message,
      details)
  }

  /// Whether the server itself sent the error: one of the connection has no SQLSTATE.
  package var isFromServer: Bool { field(CTRANSOM_DIAG_SQLSTATE) != nil }

  private var message: String {
    guard let text = unsafe PQresultErrorMessage(pointer) else { return "" }
    return unsafe String(cString: text).trimmingLineEnd
  }

  private func field(_ code: Int) -> String? {
    unsafe PQresultErrorField(pointer, CInt(code)).map { unsafe String(cString: $0) }
  }
}

extension String {
  /// libpq ends its messages with a line feed.
  var trimmingLineEnd: String {
    var text = self
    while text.last?.isNewline == true { text.removeLast() }
    return text
  }
}
