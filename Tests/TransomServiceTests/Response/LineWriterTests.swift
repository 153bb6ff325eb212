import Testing

@testable import TransomService

@Suite struct LineWriterTests {
  private static let integer = ColumnType(name: "int4", encoding: .scalar(.number))

  /// Writes a statement with one column and these rows; returns what was kept.
  private static func write(
    _ rows: [String?], id: String? = nil, keeping selection: KeptResult.Selection? = nil,
    to writer: inout LineWriter
  ) -> String? {
    writer.beginColumns()
    writer.column(name: "n".utf8.span, type: integer)
    writer.endColumns(id: id, keeping: selection)
    for row in rows {
      writer.beginRow()
      if let row { writer.value(row.utf8.span) } else { writer.null() }
      writer.endRow()
    }
    return writer.result(
      id: id, command: "SELECT".utf8.span, rowCount: rows.count, isReferable: selection != nil
    ).map { String(decoding: $0, as: UTF8.self) }
  }

  private static func lines(_ writer: inout LineWriter) -> [Substring] {
    let text = String(decoding: writer.take(), as: UTF8.self)
    return text.split(separator: "\n", omittingEmptySubsequences: false)
  }

  @Test func `rows are objects or arrays, as for an answer as a whole`() {
    for (shape, first, second) in [
      (ResultWriter.RowShape.objects, #"{"row":{"n":1}}"#, #"{"row":{"n":null}}"#),
      (.arrays, #"{"row":[1]}"#, #"{"row":[null]}"#),
    ] {
      var writer = LineWriter(rows: shape)
      _ = Self.write(["1", nil], to: &writer)
      #expect(
        Self.lines(&writer) == [
          #"{"columns":[{"name":"n","type":"int4"}]}"#, Substring(first), Substring(second),
          #"{"result":{"command":"SELECT","row_count":2}}"#, "",
        ])
    }
  }

  @Test(arguments: [
    (["rows", "1", "n"], #","columns":[{"name":"n","type":"int4"}],"rows":[null,[2]]}"#),
    (["rows", "9", "n"], #","columns":[{"name":"n","type":"int4"}],"rows":[null,null,null]}"#),
    (["rows"], #","columns":[{"name":"n","type":"int4"}],"rows":[[1],[2],[3]]}"#),
    ([], #","columns":[{"name":"n","type":"int4"}],"rows":[[1],[2],[3]]}"#),
    (["row_count"], #","columns":[{"name":"n","type":"int4"}],"rows":[]}"#),
    (["rows", "-"], #","columns":[{"name":"n","type":"int4"}],"rows":[]}"#),
    (["rows", "9223372036854775807"], #","columns":[{"name":"n","type":"int4"}],"rows":[]}"#),
    (["rows", "-1"], #","columns":[{"name":"n","type":"int4"}],"rows":[]}"#),
  ])
  func `as much of a result is kept as a reference leads to`(_ tokens: [String], _ rest: String) {
    var writer = LineWriter(rows: .arrays)
    let kept = Self.write(
      ["1", "2", "3"], id: "a", keeping: KeptResult.Selection(tokens: tokens), to: &writer)
    #expect(kept == #"{"id":"a","command":"SELECT","row_count":3"# + rest)
    // Passed on is everything, whatever is kept.
    #expect(Self.lines(&writer).count == 6)
  }

  @Test func `what several references lead to is kept together`() {
    var selection = KeptResult.Selection(tokens: ["rows", "2"])
    selection.formUnion(KeptResult.Selection(tokens: ["row_count"]))
    selection.formUnion(KeptResult.Selection(tokens: ["rows", "0", "n"]))
    #expect(selection == .rows([0, 2]))
    selection.formUnion(KeptResult.Selection(tokens: ["rows"]))
    #expect(selection == .all)
  }

  @Test func `groups end one by one, the innermost first`() {
    var writer = LineWriter(rows: .objects)
    for _ in 1...3 { writer.beginGroup() }
    writer.endGroup()
    let problem = ServiceError.expectationFailed(pointer: "/statements/0", detail: "no").problem
    writer.failGroup(depth: 1, problem: problem)
    let lines = Self.lines(&writer)
    #expect(
      lines.prefix(5) == [
        #"{"savepoint":"begun"}"#, #"{"savepoint":"begun"}"#, #"{"savepoint":"begun"}"#,
        #"{"savepoint":"released"}"#, #"{"savepoint":"rolled_back"}"#,
      ])
    #expect(
      lines[5].hasPrefix(
        #"{"savepoint":"rolled_back","error":{"type":"/problems/expectation-failed""#))
    #expect(lines.count == 7)
  }

  @Test func `muted, it drops rows, and counts them, so that its reader has turns`() {
    var writer = LineWriter(rows: .objects)
    writer.mute()
    _ = Self.write(Array(repeating: "1", count: 100), to: &writer)
    #expect(writer.count > 100 * 15)
    #expect(Self.lines(&writer).count == 3)
    writer.mute()
    #expect(writer.count == 0)
  }

  @Test func `the last line is a status or a problem`() {
    for (isDryRun, status) in [(false, "committed"), (true, "rolled_back")] {
      var writer = LineWriter(rows: .objects)
      writer.events([])
      writer.status(isDryRun: isDryRun)
      #expect(Self.lines(&writer) == [#"{"status":"\#(status)"}"#, ""])
    }
    let line = String(decoding: LineWriter.lastLine(ServiceError.draining.problem), as: UTF8.self)
    #expect(line.hasPrefix(#"{"type":"/problems/draining""#) && line.hasSuffix("}\n"))
  }
}
