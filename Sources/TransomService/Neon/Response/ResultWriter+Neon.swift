internal import TransomPostgres

// The answer to POST /sql. It has the same rows, but describes them as node-postgres's `Result` does.
extension ResultWriter {
  /// Writes the result of a query.
  mutating func write(_ result: borrowing PGResultHandle, as form: NeonForm, query index: Int) {
    let hasArrays = form.arrays[index]
    beginItem()
    beginColumns(hasArrays ? .arrays : .objects)
    json.raw(#"{"fields":["#)
    if result.returnsRows {
      for column in 0..<result.columnCount { write(column, of: result, form) }
    }
    json.raw(#"],"rows":["#)
    beginListOfRows()
    writeRows(result)
    endListOfRows()
    json.raw(#"],"command":"#)
    writeCommand(result.command)
    json.raw(#","rowCount":"#)
    if result.countsRows { json.integer(result.affectedRows) } else { json.null() }
    json.raw(hasArrays ? #","rowAsArray":true}"# : #","rowAsArray":false}"#)
    endItem()
  }

  /// A column's description, with the names of node-postgres's `Field`.
  private mutating func write(
    _ column: Int, of result: borrowing PGResultHandle, _ form: NeonForm
  ) {
    let type = result.columnType(column).rawValue
    if column > 0 { json.byte(JSONWriter.comma) }
    json.raw(#"{"name":"#)
    json.string(result.columnName(column))
    json.raw(#","tableID":"#)
    json.integer(Int(result.columnTable(column).rawValue))
    json.raw(#","columnID":"#)
    json.integer(result.columnNumber(column))
    json.raw(#","dataTypeID":"#)
    json.integer(Int(type))
    json.raw(#","dataTypeSize":"#)
    json.integer(result.columnSize(column))
    json.raw(#","dataTypeModifier":"#)
    json.integer(result.columnModifier(column))
    json.raw(#","format":"text"}"#)
    addColumn(name: result.columnName(column), form.encoding(of: type))
  }

  /// The first word of the tag; null for an empty query.
  private mutating func writeCommand(_ tag: Span<UInt8>) {
    var length = 0
    while length < tag.count, tag[length] != 0x20 { length += 1 }
    if length == 0 { json.null() } else { json.string(tag.extracting(..<length)) }
  }
}
