import TestSupport
import Testing

@testable import TransomService

@Suite struct JSONSyntaxTests {
  @Test(arguments: [
    "null", "true", "false", "0", "-0.5e+10", "1E5", #""""#, #""a\"\\\/\b\f\n\r\tA\uD83D""#,
    "[]", "[ ]", "{}", "{ }", "[1,2]", " [ 1 , {\"a\" : [ ] , \"b\":null} ] \n", "[[[]],{}]",
    #"{"é":{"":[null,true,false,"x"]}}"#,
  ])
  func `a JSON text is one, and none of its beginnings is`(_ text: String) {
    var syntax = JSONSyntax()
    let bytes = Array(text.utf8)
    let isText = syntax.isText(bytes.span)
    #expect(isText)
    for end in 0..<bytes.count {
      let beginning = Array(bytes[..<end])
      let isBeginningText = syntax.isText(beginning.span)
      #expect(isBeginningText == (PlainJSONParser.parse(beginning) != nil), "\(end) bytes")
    }
  }

  @Test(arguments: [
    "", " ", "nul", "nulll", "True", "01", "1.", ".5", "-", "+1", "1e", "0x1", "NaN", "Infinity",
    "1 2", "[1,]", "[,1]", "[1", "1]", "[}", "{]", "{\"a\"}", "{\"a\":}", "{\"a\":1,}", "{,}",
    "{a:1}", "{1:2}", "[\"a\":1]", "{\"a\":1}}", "[]]", "[][]", "\"", "\"\\\"", "\"\\x\"",
    "\"\\u12g4\"", "\"\\u123\"", "\"a\nb\"", "'a'", "\u{feff}1", "{\"a\" 1}", "{\"a\":1:2}", ":",
    ",",
  ])
  func `what is not a JSON text is not taken for one`(_ text: String) {
    var syntax = JSONSyntax()
    let isText = syntax.isText(Array(text.utf8).span)
    #expect(!isText)
  }

  @Test func `depth exhausts nothing`() {
    var syntax = JSONSyntax()
    let depth = 200_000
    var text = [UInt8](repeating: 0x5b, count: depth)
    let isOpenText = syntax.isText(text.span)
    #expect(!isOpenText)
    text += [UInt8](repeating: 0x5d, count: depth)
    let isText = syntax.isText(text.span)
    #expect(isText)
  }

  @Test(arguments: [UInt64.random(in: 0 ... .max), 1])
  func `it agrees with a plain parser on random texts`(_ seed: UInt64) throws {
    var generator = SeededGenerator(seed: seed)
    var syntax = JSONSyntax()
    for round in 0..<3_000 {
      var text: [UInt8] = []
      appendRandomJSON(to: &text, depth: 4, using: &generator)
      for _ in 0..<Int.random(in: 0...3, using: &generator) { mutate(&text, using: &generator) }
      // A lone surrogate is in RFC 8259's grammar, and in PostgreSQL's json; the parser refuses it.
      if String(decoding: text, as: UTF8.self).contains("\\u") { continue }
      let isText = syntax.isText(text.span)
      try #require(
        isText == (PlainJSONParser.parse(text) != nil),
        "seed \(seed), round \(round): \(String(decoding: text, as: UTF8.self))")
    }
  }
}
