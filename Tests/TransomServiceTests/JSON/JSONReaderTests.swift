import TestSupport
import Testing
import TransomService

@Suite struct JSONReaderTests {
  @Test(arguments: [
    "null", "true", " false\n", "0", "-0.5e+10", "\"\"", "\"é\\n\\u00e9\\ud83d\\ude00\\u0000\"",
    "[]", "[ ]", "{}", "{ }", "[[],{},[{}]]", "[1 , 2,3\t]", "{\"a\":{\"b\":[null,true,false]}}",
    "{\"a\\u0062\":\"\\/\\\\\",\"\":\"x\",\"a\":1,\"a\":2}",
    "[12345678901234567890.123,1E400,0.10,-0,1e-7]", "[\"\u{7F}\u{2028}\u{10FFFF}\"]",
    "[\"a\\\\\",\"b\\\"\",\"\\u005c\\u0022\"]",
  ])
  func `what is JSON is read value for value`(_ text: String) throws {
    var json = JSONReader()
    let octets = Array(text.utf8)
    let tree = try JSONTree(reading: octets, with: &json)
    #expect(tree == PlainJSONParser.parse(octets))
  }

  @Test(
    arguments: [
      ("", JSONError.Reason.empty, 0), (" \r\n\t", .empty, 0), ("\u{FEFF}{}", .malformed, 0),
      ("nul", .malformed, 0), ("[nulls]", .malformed, 1), ("[tru]", .malformed, 1),
      ("[NaN]", .malformed, 1), ("[01]", .malformed, 1), ("[-]", .malformed, 1),
      ("[+1]", .malformed, 1), ("[1.]", .malformed, 1), ("[.5]", .malformed, 1),
      ("[1e]", .malformed, 1), ("[0x1]", .malformed, 1), ("[1_0]", .malformed, 1),
      ("[1 2]", .malformed, 3), ("[1,]", .malformed, 3), ("[,1]", .malformed, 1),
      ("{\"a\":1,}", .malformed, 7), ("{\"a\" 1}", .malformed, 5), ("{a:1}", .malformed, 1),
      ("{\"a\":1 \"b\":2}", .malformed, 7), ("{1:2}", .malformed, 1), ("[\"a\":1]", .malformed, 4),
      ("[[\"a\":1]]]", .malformed, 5), ("[1}", .malformed, 2), ("{\"a\":1]", .malformed, nil),
      ("[] []", .malformed, 3), ("{}x", .malformed, 2), ("1 2", .malformed, 2),
      ("[1", .malformed, 2),
      ("[[1]", .malformed, 4), ("{\"a\":", .malformed, 5), ("]", .malformed, 0),
      ("[\"a\nb\"]", .malformed, 3), ("[\"a\\\nb\"]", .malformed, 4), ("[\"a", .malformed, 1),
      ("[\"\\q\"]", .malformed, 1),
      ("[\"\\ud800\"]", .malformed, 1), ("[\"\\ud800\\u0041\"]", .malformed, 1),
      ("[\"\\udc00\"]", .malformed, 1), ("['a']", .malformed, 1), ("[1]//x", .malformed, 3),
      ("[\"x\"1]", .malformed, 4), ("[1\"x\"]", .malformed, 1), ("\u{0}", .malformed, 0),
      ("[1\u{0}]", .malformed, 1), ("[1\u{A0}]", .malformed, 1), ("[1]\u{0}", .malformed, 3),
      ("[\u{0B}1]", .malformed, 1),
    ] as [(String, JSONError.Reason, Int?)])
  func `what is not JSON is refused at its place`(
    _ text: String, _ reason: JSONError.Reason, _ offset: Int?
  ) throws {
    var json = JSONReader()
    let octets = Array(text.utf8)
    #expect(PlainJSONParser.parse(octets) == nil)
    let error = refusal(of: octets, depth: 9, by: &json)
    #expect(error?.reason == reason)
    if let offset { #expect(error?.offset == offset) }
    #expect(error?.message.isEmpty == false)
  }

  @Test(
    arguments: [
      ([0xFF], 0), ([0x22, 0xC0, 0x80, 0x22], 1), ([0x22, 0xED, 0xA0, 0x80, 0x22], 1),
      ([0x22, 0x61, 0xF4, 0x90, 0x80, 0x80, 0x22], 2), ([0x22, 0xC3, 0x22], 1),
    ] as [([UInt8], Int)])
  func `what is not UTF-8 is refused at its place`(_ text: [UInt8], _ offset: Int) throws {
    var json = JSONReader()
    let error = refusal(of: text, depth: 9, by: &json)
    #expect(error?.reason == .notUTF8)
    #expect(error?.offset == offset)
  }

  @Test func `a document cut off anywhere is refused`() throws {
    var json = JSONReader()
    let text = Array(#"{"a": [1, "b\u00e9\"", {"c": null}], "ü": [true, false, -1.5e3]}"#.utf8)
    for length in text.indices {
      let part = Array(text[..<length])
      let error = refusal(of: part, depth: 9, by: &json)
      #expect(error != nil, "\(length) octets")
    }
    try json.read(text.span, depth: 9)
  }

  @Test func `nesting is allowed to the given depth and no further`() throws {
    var json = JSONReader()
    for depth in [1, 2, 64, 512] {
      for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        let text = { (levels: Int) in
          Array((String(repeating: open, count: levels - 1) + "{}").utf8)
            + Array(String(repeating: close, count: levels - 1).utf8)
        }
        try json.read(text(depth).span, depth: depth)
        let deeper = text(depth + 1)
        let error = refusal(of: deeper, depth: depth, by: &json)
        #expect(error?.reason == .tooDeep)
        #expect(error?.offset == open.utf8.count * depth)
      }
    }
  }

  @Test(arguments: ["[", "{\"a\":", "[[],", "\"", "\\", "]", "1", " ", "\u{0}", "é"])
  func `eight megabytes of one thing do no harm`(_ unit: String) throws {
    var json = JSONReader()
    let text = Array(String(repeating: unit, count: 8 << 20 / unit.utf8.count).utf8)
    do {
      try json.read(text.span, depth: 512)
      #expect(unit == "1")
    } catch {
      #expect(unit != "1")
    }
    // The next, small document is read in memory of its own size.
    let tree = try JSONTree(reading: Array("[1]".utf8), with: &json)
    #expect(tree == .array([.number([0x31])]))
  }

  @Test func `a large document is read to its end`() throws {
    var json = JSONReader()
    let element = #"{"a\n":"\u00e9","b":[1.50,null]},"#
    let count = (8 << 20) / element.utf8.count
    let document = Array(("[" + String(repeating: element, count: count) + "0]").utf8)
    try json.read(document.span, depth: 3)
    let elements = json.count(of: json.root)
    #expect(elements == count + 1)
    var children = json.children(of: json.root)
    var objects = 0
    var last: JSONNode?
    while let child = json.next(&children) {
      if json.count(of: child) == 2 { objects += 1 }
      last = child
    }
    #expect(objects == count)
    let text = last.map { json.string($0) }
    #expect(text == "0")
  }

  @Test(arguments: [UInt64.random(in: 0 ... .max), 1, 2, 3])
  func `it agrees with a plain parser on whatever is thrown at it`(_ seed: UInt64) throws {
    var generator = SeededGenerator(seed: seed)
    var json = JSONReader()
    var accepted = 0
    for round in 0..<4_000 {
      var text: [UInt8] = []
      appendRandomJSON(to: &text, depth: 4, using: &generator)
      for _ in 0..<Int.random(in: 0...3, using: &generator) { mutate(&text, using: &generator) }
      let tree = try? JSONTree(reading: text, with: &json)
      let expected = PlainJSONParser.parse(text)
      try #require(
        tree == expected, "seed \(seed), round \(round): \(String(decoding: text, as: UTF8.self))")
      accepted += tree == nil ? 0 : 1
    }
    #expect(500..<4_000 ~= accepted, "seed \(seed)")
  }
}

/// The error of a document that is refused.
private func refusal(
  of text: [UInt8], depth: Int, by json: inout JSONReader
) -> JSONError? {
  do {
    try json.read(text.span, depth: depth)
    return nil
  } catch {
    return error
  }
}

@Suite struct JSONNodeTests {
  @Test(arguments: [
    ("", 0), ("/a", 1), ("/a/0", 3), ("/a/1", 4), ("/a/1/b~1c", 6), ("/a/1/d~0e", 8), ("/", 10),
    ("/é", 12),
  ])
  func `a value's place is its JSON Pointer`(_ pointer: String, _ step: Int) throws {
    var json = JSONReader()
    let text = Array(#"{"a":[7,{"b/c":1,"d~e":2}],"":3,"\u00e9":[]}"#.utf8)
    try json.read(text.span, depth: 9)
    var found: [String] = []
    collectPointers(json.root, json, into: &found)
    #expect(found.contains(pointer))
    #expect(found.count == 8 + 5)
  }

  @Test func `a key stands where its value does`() throws {
    var json = JSONReader()
    try json.read(Array(#"{"a":{"x":1,"y":[2]}}"#.utf8).span, depth: 9)
    var outer = json.children(of: json.root)
    _ = json.next(&outer)
    let inner = json.next(&outer)
    var children = json.children(of: try #require(inner))
    _ = json.next(&children)
    _ = json.next(&children)
    let key = json.next(&children)
    let pointer = json.pointer(to: try #require(key))
    #expect(pointer == "/a/y")
  }

  @Test func `text is compared and copied without a String`() throws {
    var json = JSONReader()
    try json.read(Array(#"["sql","s\u0071l","sqlx","","a\u0000"]"#.utf8).span, depth: 9)
    var children = json.children(of: json.root)
    var answers: [Bool] = []
    var copy: [UInt8] = [0x3A]
    var nul: [Bool] = []
    while let node = json.next(&children) {
      answers.append(json.text(of: node, equals: "sql"))
      copy.append(copying: json.span(node))
      nul.append(json.holdsNUL(node))
    }
    #expect(answers == [true, true, false, false, false])
    #expect(nul == [false, false, false, false, true])
    #expect(copy == Array(":sqlsqlsqlxa\u{0}".utf8))
  }

  @Test func `an array or object keeps its own text`() throws {
    var json = JSONReader()
    try json.read(Array("[ {\"a\": [1 , 2 ] } \n, [ ] ] ".utf8).span, depth: 9)
    var children = json.children(of: json.root)
    var texts = [json.string(json.root)]
    while let child = json.next(&children) { texts.append(json.string(child)) }
    #expect(texts == ["[ {\"a\": [1 , 2 ] } \n, [ ] ]", "{\"a\": [1 , 2 ] }", "[ ]"])
  }

  private func collectPointers(
    _ node: JSONNode, _ json: borrowing JSONReader, into found: inout [String]
  ) {
    found.append(json.pointer(to: node).description)
    var children = json.children(of: node)
    while let child = json.next(&children) { collectPointers(child, json, into: &found) }
  }
}
