import Testing

@testable import TransomService

@Suite struct KnownStatementsTests {
  private let known = KnownStatements()

  /// The SQL of the one statement of a document.
  private func statement(_ sql: String) throws(RequestError) -> SQLText? {
    var json = JSONReader()
    let request = try RequestDecoder.decode(
      Array(#"{"statements": [{"sql": "\#(sql)"}]}"#.utf8).span, with: &json, known: known)
    guard case .statement(let statement) = request.items.first else { return nil }
    return statement.sql
  }

  @Test func `what was checked before is the same statement, however it is escaped`()
    throws
  {
    let first = try statement("select 'a', 1")
    #expect(try statement("select '\\u0061', 1") == first)
    #expect(known.count == 1)
    #expect(try statement("select 'b', 1")?.text == "select 'b', 1")
    #expect(known.count == 2)
  }

  @Test func `texts that only Unicode takes for the same stay two`() throws {
    for sql in ["select '\u{E9}'", "select 'e\u{301}'", "select '\u{E9}'"] {
      let seen = try statement(sql)
      #expect(seen?.text.utf8.elementsEqual(sql.utf8) == true)
    }
    #expect(known.count == 2)
  }

  @Test func `what is refused is refused again`() {
    for _ in 0..<2 {
      #expect(throws: RequestError.self) { try statement("commit") }
      #expect(throws: RequestError.self) { try statement("select '\\u0000'") }
    }
    #expect(known.count == 0)
  }

  @Test func `statements without end do not fill the memory`() throws {
    for number in 0..<2000 {
      #expect(try statement("select \(number)")?.text == "select \(number)")
      // One that is used again and again stays.
      #expect(try statement("select 'kept'")?.text == "select 'kept'")
    }
    #expect(known.count <= 512)
    _ = try statement("select '" + String(repeating: "x", count: 10_000) + "'")
    #expect(known.count <= 512)
  }

  @Test func `texts of all lengths that differ in one octet stay apart`() throws {
    for length in 0..<40 {
      let text = "select '" + String(repeating: "x", count: length) + "'"
      for place in 8..<8 + length {
        var other = Array(text.utf8)
        other[place] = UInt8(ascii: "y")
        let changed = String(decoding: other, as: UTF8.self)
        #expect(try statement(text)?.text == text)
        #expect(try statement(changed)?.text == changed)
      }
    }
    #expect(known.count <= 512)
  }
}
