import TestSupport
import Testing

@testable import TransomService

@Suite struct ResultWriterTests {
  private let types = TypeTable()
  private let problem = Problem(
    code: "c", title: "t", status: 409, detail: "d", outcome: .rolledBack, retryable: false)
  private let problemJSON =
    #"{"type":"/problems/c","title":"t","status":409,"detail":"d","outcome":"rolled_back","#
    + #""retryable":false}"#

  private func body(
    dryRun: Bool = false, attempts: Int = 1, rows: ResultWriter.RowShape = .objects,
    _ write: (inout ResultWriter) -> Void
  ) -> String {
    var writer = ResultWriter()
    writer.begin(dryRun: dryRun, attempts: attempts, rows: rows)
    write(&writer)
    let count = writer.byteCount
    let body = writer.finish()
    #expect(body.count == count + 2)
    return String(decoding: body, as: UTF8.self)
  }

  private func results(
    rows: ResultWriter.RowShape = .objects, _ write: (inout ResultWriter) -> Void
  ) -> String {
    let body = body(rows: rows, write)
    let prefix = #"{"status":"committed","attempts":1,"results":["#
    #expect(body.hasPrefix(prefix) && body.hasSuffix("]}"))
    return String(body.dropFirst(prefix.count).dropLast(2))
  }

  private func statement(_ id: String, _ writer: inout ResultWriter) {
    writer.beginStatement(id: id, command: "UPDATE".utf8.span, rowCount: 2)
    writer.endStatement()
  }

  private func statementJSON(_ id: String) -> String {
    #"{"id":"\#(id)","command":"UPDATE","row_count":2}"#
  }

  @Test func `an empty transaction has no results`() {
    #expect(body { _ in } == #"{"status":"committed","attempts":1,"results":[]}"#)
    #expect(
      body(dryRun: true, attempts: 3) { _ in }
        == #"{"status":"rolled_back","attempts":3,"results":[]}"#)
  }

  @Test func `a command without rows has neither columns nor rows`() {
    let json = results { writer in
      writer.beginStatement(id: nil, command: "CREATE TABLE".utf8.span, rowCount: 0)
      writer.endStatement()
      statement("a\"b", &writer)
    }
    #expect(
      json == #"{"command":"CREATE TABLE","row_count":0},"#
        + #"{"id":"a\"b","command":"UPDATE","row_count":2}"#)
  }

  private func twoRows(_ writer: inout ResultWriter) {
    writer.beginStatement(id: "ada", command: "INSERT".utf8.span, rowCount: 2)
    writer.column(name: "id".utf8.span, type: types[20])
    writer.column(name: "a \"b\"".utf8.span, type: types[25])
    writer.beginRows()
    writer.beginRow()
    writer.value("7".utf8.span)
    writer.value("x\ny".utf8.span)
    writer.endRow()
    writer.beginRow()
    writer.null()
    writer.null()
    writer.endRow()
    writer.endStatement()
  }

  private let twoRowsHead =
    #"{"id":"ada","command":"INSERT","row_count":2,"columns":[{"name":"id","type":"int8"},"#
    + #"{"name":"a \"b\"","type":"text"}],"rows":"#

  @Test func `rows are objects`() {
    #expect(
      results { twoRows(&$0) } == twoRowsHead
        + #"[{"id":7,"a \"b\"":"x\ny"},{"id":null,"a \"b\"":null}]}"#)
  }

  @Test func `rows are arrays where they are asked for`() {
    #expect(
      results(rows: .arrays) { twoRows(&$0) } == twoRowsHead + #"[[7,"x\ny"],[null,null]]}"#)
  }

  @Test(arguments: [(ResultWriter.RowShape.objects, "{},{}"), (.arrays, "[],[]")])
  func `rows without columns are counted nevertheless`(
    _ shape: ResultWriter.RowShape, _ rows: String
  ) {
    let json = results(rows: shape) { writer in
      writer.beginStatement(id: nil, command: "SELECT".utf8.span, rowCount: 2)
      writer.beginRows()
      for _ in 0..<2 {
        writer.beginRow()
        writer.endRow()
      }
      writer.endStatement()
    }
    #expect(json == #"{"command":"SELECT","row_count":2,"columns":[],"rows":[\#(rows)]}"#)
  }

  @Test func `no rows are an empty list`() {
    let json = results { writer in
      writer.beginStatement(id: nil, command: "SELECT".utf8.span, rowCount: 0)
      writer.column(name: "t".utf8.span, type: types[16_400])
      writer.beginRows()
      writer.endStatement()
    }
    #expect(
      json == #"{"command":"SELECT","row_count":0,"columns":[{"name":"t","type":"16400"}],"#
        + #""rows":[]}"#)
  }

  @Test(arguments: [
    (["a", "a"], ["a", "a_2"]), (["a", "a", "a"], ["a", "a_2", "a_3"]),
    (["a", "a", "a_2"], ["a", "a_3", "a_2"]), (["a_2", "a", "a"], ["a_2", "a", "a_3"]),
    (["a", "a_2", "a", "a_2"], ["a", "a_2", "a_3", "a_2_2"]), (["", ""], ["", "_2"]),
    (["a", "A"], ["a", "A"]), (["?column?", "?column?"], ["?column?", "?column?_2"]),
  ])
  func `a name that occurs again gets a key of its own`(_ names: [String], _ keys: [String]) {
    let json = results { writer in
      writer.beginStatement(id: nil, command: "SELECT".utf8.span, rowCount: 1)
      for name in names { writer.column(name: name.utf8.span, type: types[23]) }
      writer.beginRows()
      writer.beginRow()
      for number in names.indices { writer.value(String(number).utf8.span) }
      writer.endRow()
      writer.endStatement()
    }
    let columns = zip(names, keys).map { name, key in
      #"{"name":"\#(name)","type":"int4""# + (name == key ? "}" : #","key":"\#(key)"}"#)
    }
    let row = keys.enumerated().map { #""\#($1)":\#($0)"# }
    #expect(
      json == #"{"command":"SELECT","row_count":1,"columns":[\#(columns.joined(separator: ","))],"#
        + #""rows":[{\#(row.joined(separator: ","))}]}"#)
  }

  @Test func `as many columns as there can be have keys of their own`() {
    let names = (0..<1_664).map { $0 % 2 == 0 ? "a" : "a_\($0)" }
    let keys = ColumnKeys.make(for: names.map { Array($0.utf8)[...] })
    #expect(Set(keys).count == names.count)
  }

  @Test func `a released group holds its results`() {
    let json = results { writer in
      writer.beginGroup()
      statement("a", &writer)
      writer.beginGroup()
      writer.endGroup()
      #expect(writer.depth == 1)
      writer.endGroup()
      statement("b", &writer)
    }
    #expect(
      json == #"{"savepoint":"released","results":[\#(statementJSON("a")),"#
        + #"{"savepoint":"released","results":[]}]},\#(statementJSON("b"))"#)
  }

  @Test func `a failed group holds what was before its failing item`() {
    let json = results { writer in
      statement("a", &writer)
      writer.beginGroup()
      statement("b", &writer)
      writer.beginGroup()
      statement("c", &writer)
      writer.beginStatement(id: "d", command: "SELECT".utf8.span, rowCount: 9)
      writer.failGroup(depth: 1, problem: problem)
      statement("e", &writer)
    }
    #expect(
      json == #"\#(statementJSON("a")),{"savepoint":"rolled_back","error":\#(problemJSON),"#
        + #""results":[\#(statementJSON("b"))]},\#(statementJSON("e"))"#)
  }

  @Test func `a group that fails as a whole keeps the results of all its items`() {
    let json = results { writer in
      writer.beginGroup()
      writer.beginGroup()
      statement("a", &writer)
      writer.failGroup(depth: 2, problem: problem)
      statement("b", &writer)
      writer.failGroup(depth: 1, problem: problem)
    }
    let inner =
      #"{"savepoint":"rolled_back","error":\#(problemJSON),"results":[\#(statementJSON("a"))]}"#
    #expect(
      json == #"{"savepoint":"rolled_back","error":\#(problemJSON),"#
        + #""results":[\#(inner),\#(statementJSON("b"))]}"#)
  }

  @Test func `a body goes behind what its buffer holds, or leaves no trace`() {
    var writer = ResultWriter()
    writer.begin(dryRun: false, attempts: 1, rows: .objects, into: [1, 2, 3])
    writer.beginGroup()
    statement("a", &writer)
    let dropped = writer.discard()
    #expect(dropped == [1, 2, 3])
    writer.begin(dryRun: false, attempts: 2, rows: .objects, into: dropped)
    let body = writer.finish()
    #expect(body == [1, 2, 3] + Array(#"{"status":"committed","attempts":2,"results":[]}"#.utf8))
  }

  @Test(arguments: [UInt64.random(in: 0 ... .max), 1])
  func `a random tree of groups is what a model says`(_ seed: UInt64) {
    var generator = SeededGenerator(seed: seed)
    for round in 0..<500 {
      // The model: the results of each open group, as JSON.
      var model: [[String]] = [[]]
      let json = results { writer in
        for step in 0..<Int.random(in: 0..<40, using: &generator) {
          switch Int.random(in: 0..<6, using: &generator) {
          case 0, 1:
            writer.beginGroup()
            model.append([])
          case 2 where model.count > 1:
            writer.endGroup()
            let ended = model.removeLast().joined(separator: ",")
            model[model.count - 1].append(#"{"savepoint":"released","results":[\#(ended)]}"#)
          case 3 where model.count > 1:
            let depth = Int.random(in: 1..<model.count, using: &generator)
            if Bool.random(using: &generator) {
              writer.beginStatement(id: "lost", command: "SELECT".utf8.span, rowCount: 1)
            }
            writer.failGroup(depth: depth, problem: problem)
            let failed = model[depth].joined(separator: ",")
            model.removeLast(model.count - depth)
            model[depth - 1].append(
              #"{"savepoint":"rolled_back","error":\#(problemJSON),"results":[\#(failed)]}"#)
          default:
            statement("s\(step)", &writer)
            model[model.count - 1].append(statementJSON("s\(step)"))
          }
        }
        while model.count > 1 {
          writer.endGroup()
          let ended = model.removeLast().joined(separator: ",")
          model[model.count - 1].append(#"{"savepoint":"released","results":[\#(ended)]}"#)
        }
      }
      #expect(json == model[0].joined(separator: ","), "seed \(seed), round \(round)")
    }
  }
}
