/// Writes a transaction's answer as lines of JSON (`application/x-ndjson`), one for each thing that happens, so that it can
/// be passed on while the transaction runs.
///
/// | line | when |
/// | --- | --- |
/// | `{"columns":[…],"id":…}` | before the rows of a statement that returns some, if only none |
/// | `{"row":…}` | for each of them |
/// | `{"result":{"id":…,"command":…,"row_count":…}}` | a statement has ended |
/// | `{"savepoint":"begun"}` | a group: what follows is its own |
/// | `{"savepoint":"released"}`, `{"savepoint":"rolled_back","error":…}` | its end; without an error if a group around it has it |
/// | `{"events":[…]}` | what `on_commit` emitted, once the transaction is committed |
/// | `{"status":"committed"}`, `{"status":"rolled_back"}`, a problem | always the last one |
///
/// The values in them are those of ``ResultWriter``. Calls in an impossible order are a mistake of ours and trap.
package struct LineWriter: Sendable {
  private var json = JSONWriter()
  private var encoder = ValueEncoder()
  private var columns = ResultColumns()
  private let shape: ResultWriter.RowShape
  /// The column whose value comes next.
  private var column = 0
  /// How many groups are open.
  private var depth = 0
  private var isMuted = false
  /// How many octets of rows were dropped since `mute()`.
  private var dropped = 0
  /// Where the row that is being written begins.
  private var rowStart = 0
  /// What is kept of the statement that is being answered, for those who refer to it.
  package private(set) var kept: KeptResult?

  package init(rows shape: ResultWriter.RowShape) { self.shape = shape }

  /// How many octets there are to be passed on, or to be dropped.
  package var count: Int { json.bytes.count + dropped }

  /// Takes all lines that have ended.
  package mutating func take() -> [UInt8] { exchange(&json.bytes, with: []) }

  /// Drops what there is, and all rows that come: nobody waits for them any more.
  package mutating func mute() {
    isMuted = true
    dropped = 0
    json.bytes.removeAll(keepingCapacity: true)
  }

  /// Whether json and jsonb are taken as the server checked them; if not, each is checked.
  package var trustsJSON: Bool {
    get { encoder.trustsJSON }
    set { encoder.trustsJSON = newValue }
  }

  // MARK: Statements

  /// Begins the columns of a statement's rows.
  package mutating func beginColumns() { columns.removeAll() }

  package mutating func column(name: Span<UInt8>, type: ColumnType) {
    columns.append(name: name, type: type)
  }

  /// Ends the columns; the rows follow, of which `selection` is kept.
  package mutating func endColumns(id: String?, keeping selection: KeptResult.Selection?) {
    json.raw(#"{"columns":["#)
    let start = json.bytes.count
    columns.close(rows: shape, to: &json)
    kept = selection.map { KeptResult($0, columns: json.bytes[start...]) }
    json.byte(JSONWriter.closeBracket)
    if let id {
      json.raw(#","id":"#)
      json.string(id)
    }
    endLine()
  }

  package mutating func beginRow() {
    rowStart = json.bytes.count
    json.raw(#"{"row":"#)
    column = 0
  }

  /// Appends the row's next value, in PostgreSQL's text form.
  @inline(__always)
  package mutating func value(_ text: Span<UInt8>) {
    columns.write(text, at: column, by: &encoder, to: &json)
    column += 1
  }

  /// Appends NULL as the row's next value.
  package mutating func null() {
    columns.writeNull(at: column, to: &json)
    column += 1
  }

  package mutating func endRow() {
    precondition(column == columns.count, "a value for each column")
    // A SELECT without any column has rows nevertheless.
    if column == 0 { json.byte(shape.opening) }
    json.byte(shape.closing)
    json.takeOutLineBreaks(from: rowStart)
    if kept != nil { kept?.append(json.bytes[(rowStart + #"{"row":"#.utf8.count)...]) }
    endLine()
    guard isMuted else { return }
    dropped += json.bytes.count - rowStart
    json.bytes.removeLast(json.bytes.count - rowStart)
  }

  /// A statement has ended.
  ///
  /// - Returns: its result for those who refer to it, as it would stand in an answer that is not streamed; nil if
  ///   nothing of it was to be kept.
  package mutating func result(
    id: String?, command: Span<UInt8>, rowCount: Int, isReferable: Bool
  ) -> [UInt8]? {
    json.raw(#"{"result":"#)
    let start = json.bytes.count
    if let id {
      json.raw(#"{"id":"#)
      json.string(id)
      json.raw(#","command":"#)
    } else {
      json.raw(#"{"command":"#)
    }
    json.string(command)
    json.raw(#","row_count":"#)
    json.integer(rowCount)
    let document = isReferable ? document(json.bytes[start...]) : nil
    json.byte(JSONWriter.closeBrace)
    endLine()
    kept = nil
    return document
  }

  private func document(_ head: ArraySlice<UInt8>) -> [UInt8] {
    var document = JSONWriter(bytes: Array(head))
    if let kept {
      document.raw(#","columns":["#)
      document.bytes += kept.columns
      document.raw(#"],"rows":["#)
      document.bytes += kept.rows
      document.byte(JSONWriter.closeBracket)
    }
    document.byte(JSONWriter.closeBrace)
    return document.bytes
  }

  // MARK: Groups

  package mutating func beginGroup() {
    depth += 1
    json.raw(#"{"savepoint":"begun""#)
    endLine()
  }

  /// The innermost group was released.
  package mutating func endGroup() {
    precondition(depth > 0, "no group to end")
    depth -= 1
    json.raw(#"{"savepoint":"released""#)
    endLine()
  }

  /// The group at `depth` (1 is the outermost one that is open), and with it those inside, were rolled back.
  package mutating func failGroup(depth: Int, problem: Problem) {
    precondition(1...max(self.depth, 1) ~= depth, "no such group")
    kept = nil
    for level in (depth...self.depth).reversed() {
      json.raw(#"{"savepoint":"rolled_back""#)
      if level == depth {
        json.raw(#","error":"#)
        problem.write(to: &json)
      }
      endLine()
    }
    self.depth = depth - 1
  }

  // MARK: The end

  /// What was emitted, as the elements of a list.
  package mutating func events(_ events: [UInt8]) {
    guard !events.isEmpty else { return }
    json.raw(#"{"events":["#)
    json.bytes += events
    json.byte(JSONWriter.closeBracket)
    endLine()
  }

  /// The last line.
  package mutating func status(isDryRun: Bool) {
    if isDryRun {
      json.raw(#"{"status":"rolled_back""#)
    } else {
      json.raw(#"{"status":"committed""#)
    }
    endLine()
  }

  /// The last line of an answer that failed.
  package static func lastLine(_ problem: Problem) -> [UInt8] {
    var json = JSONWriter()
    problem.write(to: &json)
    json.byte(lineFeed)
    return json.bytes
  }

  private mutating func endLine() {
    json.byte(JSONWriter.closeBrace)
    json.byte(Self.lineFeed)
  }

  private static let lineFeed = UInt8(ascii: "\n")
}
