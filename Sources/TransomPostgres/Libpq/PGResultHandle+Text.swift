extension PGResultHandle {
  /// Calls `body` with a value in PostgreSQL's text form; empty for NULL.
  func withValue<Result, Failure: Error>(
    row: Int, column: Int, _ body: (Span<UInt8>) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    try body(value(row: row, column: column))
  }

  func name(ofColumn column: Int) -> String { String(span: columnName(column)) }

  /// The command tag without its counts.
  var commandText: String { String(span: command) }
}
