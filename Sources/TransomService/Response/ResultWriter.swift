/// Writes the body of a transaction's 200 answer, while its results arrive, into one buffer.
///
/// The calls follow the request's items:
///
/// ```swift
/// writer.begin(dryRun: false, attempts: 1, rows: .objects, into: buffer)
/// writer.beginStatement(id: "ada", command: command, rowCount: 1)
/// writer.column(name: name, type: types[oid])       // for each column, if it returns rows
/// writer.beginRows()                                // if it returns rows, be it with no column
/// writer.beginRow()                                 // for each row …
/// writer.value(text)                                // … and column, or null()
/// writer.endRow()
/// writer.endStatement()
/// writer.event(name, id: id)                        // of an on_commit hook
/// writer.beginGroup()                               // SAVEPOINT; statements and groups inside
/// writer.endGroup()                                 // RELEASE, or failGroup(depth:problem:)
/// let body = writer.finish()
/// ```
///
/// A group is written as released. If an item of it fails after all, ``failGroup(depth:problem:)``
/// takes back what is not to be seen. Calls in another order are a mistake of ours and trap.
package struct ResultWriter {
  /// What a row is in JSON.
  package enum RowShape: Equatable, Sendable {
    case objects
    case arrays
  }

  /// A group whose end is not known yet, or at index 0 the transaction itself.
  private struct Frame {
    /// Where its JSON object begins.
    let start: Int
    /// Whether an item was begun in it, so that the next one needs a comma.
    var hasItem = false
    /// Where the events that are emitted in it begin.
    var firstEvent = 0
    /// Where the item that runs in it begins, or if none does, where the last one ended: what
    /// stands behind is void if that item fails.
    var sound: Int
  }

  private enum Statement {
    case none
    case head
    case rows
  }

  var json = JSONWriter()
  private var encoder = ValueEncoder()
  private var shape = RowShape.objects
  private var base = 0
  private var frames: [Frame] = []

  private var statement = Statement.none
  private var columns = ResultColumns()
  private var isFirstRow = true
  /// The index of the column whose value comes next.
  private var column = 0
  /// Where the item that began last begins.
  private var lastItem = 0
  /// Where the digits of the statement's row count stand.
  private var rowCountDigits = 0..<0
  /// Where the results stand that others may refer to, by the number of their statement.
  private var kept: [Int: Range<Int>] = [:]
  /// The events that were emitted, without those of groups that were rolled back.
  private var events = JSONWriter()
  private var isDryRun = false
  /// Whether the body is one result alone.
  private var isBare = false

  /// Makes a writer. Keep it: its buffers serve every request of a loop.
  package init() {}

  /// The size of the body so far, in bytes.
  package var byteCount: Int { json.bytes.count - base }

  /// The size of the body if it ended now, in bytes.
  package var finishedByteCount: Int { byteCount + end.count }

  /// Whether json and jsonb are taken as the server checked them; if not, each is checked.
  package var trustsJSON: Bool {
    get { encoder.trustsJSON }
    set { encoder.trustsJSON = newValue }
  }

  /// The number of groups that are open.
  package var depth: Int { max(frames.count - 1, 0) }

  /// Begins a body behind what `buffer` holds. Forgets an earlier body that was not finished.
  package mutating func begin(
    dryRun: Bool, attempts: Int, rows shape: RowShape, into buffer: consuming [UInt8] = []
  ) {
    start(into: consume buffer)
    self.shape = shape
    if dryRun { json.raw(#"{"status":"rolled_back"#) } else { json.raw(#"{"status":"committed"#) }
    json.raw(#"","attempts":"#)
    json.integer(attempts)
    json.raw(#","results":["#)
    isDryRun = dryRun
    frames.append(Frame(start: base, sound: json.bytes.count))
  }

  /// Begins a body for Neon's driver: its results follow.
  mutating func begin(_ form: NeonForm, into buffer: consuming [UInt8]) {
    start(into: consume buffer)
    isBare = !form.isBatch
    if form.isBatch { json.raw(#"{"results":["#) }
    frames.append(Frame(start: base, sound: json.bytes.count))
  }

  private mutating func start(into buffer: consuming [UInt8]) {
    base = buffer.count
    // Consumed here and now: a second owner would make the next byte copy the whole buffer.
    json.bytes = consume buffer
    statement = .none
    kept = [:]
    events.bytes.removeAll(keepingCapacity: true)
    isDryRun = false
    isBare = false
    frames.removeAll(keepingCapacity: true)
  }

  /// Ends the body and hands its buffer over.
  package mutating func finish() -> [UInt8] {
    precondition(frames.count == 1 && statement == .none, "a group or statement is still open")
    json.bytes += end
    frames.removeAll(keepingCapacity: true)
    return exchange(&json.bytes, with: [])
  }

  /// The body as `finish` would hand it over now, without what the buffer held before.
  package func finished() -> [UInt8] {
    precondition(frames.count == 1 && statement == .none, "a group or statement is still open")
    var body = JSONWriter()
    body.bytes = Array(json.bytes[base...])
    body.bytes += end
    return body.bytes
  }

  /// What stands behind the results.
  private var end: [UInt8] {
    guard !isBare else { return [] }
    guard !events.bytes.isEmpty else { return Self.plainEnd }
    return Array(#"],"events":["#.utf8) + emittedEvents + Self.plainEnd
  }

  private static let plainEnd = Array("]}".utf8)

  /// Drops the body and hands its buffer over as it was given, such as for a problem.
  package mutating func discard() -> [UInt8] {
    json.bytes.removeLast(json.bytes.count - base)
    frames.removeAll(keepingCapacity: true)
    statement = .none
    return exchange(&json.bytes, with: [])
  }
}

extension ResultWriter {
  /// Begins a group: its items follow.
  package mutating func beginGroup() {
    beginItem()
    let start = json.bytes.count
    json.raw(#"{"savepoint":"released","results":["#)
    frames.append(
      Frame(start: start, firstEvent: events.bytes.count, sound: json.bytes.count))
  }

  /// Adds an event that the innermost open group emitted, or the transaction itself. `id` is the digits of its id.
  package mutating func event(_ name: String, id: Span<UInt8>) {
    precondition(!frames.isEmpty && statement == .none, "an event inside a statement")
    events.raw(#",{"id":"evt_"#)
    events.raw(id)
    events.raw(#"","event":"#)
    events.string(name)
    events.byte(JSONWriter.closeBrace)
  }

  /// Ends the innermost group: it was released.
  package mutating func endGroup() {
    precondition(frames.count > 1 && statement == .none, "no group to end")
    frames.removeLast()
    json.raw("]}")
    endItem()
  }

  /// Ends the group at `depth` (1 is the outermost one that is open), and with it those inside:
  /// it was rolled back to its savepoint.
  ///
  /// Its results are those of its items before the failing one, which may be a group inside of it;
  /// if no item was running, such as when RELEASE itself failed, those of all.
  package mutating func failGroup(depth: Int, problem: Problem) {
    precondition(1...max(self.depth, 1) ~= depth && depth <= self.depth, "no such group")
    let frame = frames[depth]
    frames.removeLast(frames.count - depth)
    statement = .none
    if !kept.isEmpty { kept = kept.filter { $0.value.upperBound <= frame.start } }
    json.bytes.removeLast(json.bytes.count - frame.sound)
    events.bytes.removeLast(events.bytes.count - frame.firstEvent)
    json.raw("]}")

    var replacement = JSONWriter()
    replacement.raw(#""rolled_back","error":"#)
    problem.write(to: &replacement)
    let status = frame.start + #"{"savepoint":"#.utf8.count
    json.bytes.replaceSubrange(
      status..<status + #""released""#.utf8.count, with: replacement.bytes)
    endItem()
  }

  mutating func beginItem() {
    precondition(!frames.isEmpty && statement == .none, "the item before has not ended")
    let last = frames.count - 1
    frames[last].sound = json.bytes.count
    if frames[last].hasItem { json.byte(JSONWriter.comma) }
    frames[last].hasItem = true
    lastItem = json.bytes.count
  }

  mutating func endItem() {
    frames[frames.count - 1].sound = json.bytes.count
  }
}

extension ResultWriter {
  /// Begins a statement's result.
  ///
  /// `command` is the completion tag without its counts, such as `INSERT`; `rowCount` the number
  /// of rows that it inserted, changed, deleted or returned, and 0 if it counts none.
  package mutating func beginStatement(id: String?, command: Span<UInt8>, rowCount: Int) {
    beginItem()
    statement = .head
    columns.removeAll()
    if let id {
      json.raw(#"{"id":"#)
      json.string(id)
      json.string(command, between: #","command":"#, and: #","row_count":"#)
    } else {
      json.string(command, between: #"{"command":"#, and: #","row_count":"#)
    }
    let start = json.bytes.count
    json.integer(rowCount)
    rowCountDigits = start..<json.bytes.count
  }

  /// Writes another row count in place of the one that the statement began with: that of a batch is known at its end.
  package mutating func replaceRowCount(with rowCount: Int) {
    var digits = JSONWriter()
    digits.integer(rowCount)
    json.bytes.replaceSubrange(rowCountDigits, with: digits.bytes)
  }

  /// Keeps in mind where the result that has just ended stands, for those who refer to it.
  package mutating func keepLastResult(as number: Int) {
    let last = frames.count - 1
    kept[number] = lastItem..<frames[last].sound
  }

  /// Keeps a result for those who refer to it that goes to the client elsewhere.
  package mutating func keep(_ result: [UInt8], as number: Int) {
    beginItem()
    json.bytes += result
    endItem()
    keepLastResult(as: number)
  }

  /// The events that were emitted, as the elements of a list: what is rolled back emits nothing.
  package var emittedEvents: [UInt8] { isDryRun ? [] : Array(events.bytes.dropFirst()) }

  /// A result that was kept, as it stands in the answer; nil if there is none, or its group was rolled back.
  package func keptResult(_ number: Int) -> [UInt8]? {
    kept[number].map { Array(json.bytes[$0]) }
  }

  /// Adds the next column of the statement's rows.
  package mutating func column(name: Span<UInt8>, type: ColumnType) {
    precondition(statement == .head, "columns come before the rows")
    columns.append(name: name, type: type)
  }

  /// Ends the columns; the rows follow.
  package mutating func beginRows() {
    precondition(statement == .head, "no statement, or its rows were begun")
    statement = .rows
    isFirstRow = true
    json.raw(#","columns":["#)
    columns.close(rows: shape, to: &json)
    json.raw(#"],"rows":["#)
  }

  /// Begins the columns of rows that others describe: `addColumn` for each, then `beginListOfRows`, the rows, and
  /// `endListOfRows`, all of which write nothing themselves.
  mutating func beginColumns(_ shape: RowShape) {
    columns.removeAll()
    self.shape = shape
  }

  mutating func addColumn(name: Span<UInt8>, _ encoding: ColumnEncoding) {
    columns.add(key: name, encoding, rows: shape)
  }

  mutating func beginListOfRows() {
    statement = .rows
    isFirstRow = true
  }

  mutating func endListOfRows() { statement = .none }

  /// Whether the statement's rows have so many columns.
  func takesRows(of columnCount: Int) -> Bool {
    statement == .rows && columns.count == columnCount
  }

  package mutating func beginRow() {
    precondition(statement == .rows, "beginRows() was not called")
    if !isFirstRow { json.byte(JSONWriter.comma) }
    isFirstRow = false
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
  }

  /// Ends the statement's result.
  package mutating func endStatement() {
    switch statement {
    case .none: preconditionFailure("no statement to end")
    case .head: json.byte(JSONWriter.closeBrace)
    case .rows: json.raw("]}")
    }
    statement = .none
    endItem()
  }
}
