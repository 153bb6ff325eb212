import TestSupport
import Testing

@testable import TransomService

/// JSON arrays in PostgreSQL's text form.
@Suite struct ArrayLiteralTests {
  private static let plain = ArrayForm.array(delimiter: 0x2c, elementsAreJSON: false)
  private static let ofJSON = ArrayForm.array(delimiter: 0x2c, elementsAreJSON: true)

  private static func literal(
    _ json: String, _ form: ArrayForm = plain
  ) throws(ArrayLiteral.Flaw) -> String {
    var text: [UInt8] = Array("before ".utf8)
    try ArrayLiteral.append(json.utf8.span, as: form, to: &text)
    return String(decoding: text, as: UTF8.self).replacing("before ", with: "")
  }

  @Test(arguments: [
    ("[]", "{}"), ("[ ]", "{}"), ("[[]]", "{}"), ("[[[]],[[]]]", "{}"), ("[1]", "{1}"),
    (" [ 1 , -2.50e3 , null , true , false ] ", "{1,-2.50e3,NULL,true,false}"),
    ("[[1,2],[3,4]]", "{{1,2},{3,4}}"), (#"["null","NULL",""]"#, #"{"null","NULL",""}"#),
    (
      #"["a\"b","c\\d","\/","\b\f\n\r\t","\u0041\u005c\u0022"]"#,
      "{\"a\\\"b\",\"c\\\\d\",\"/\",\"\u{8}\u{c}\n\r\t\",\"A\\\\\\\"\"}"
    ),
    (#"["é","\u00e9","\ud834\udd1e"]"#, #"{"é","é","𝄞"}"#),
    (#"[{"a":[1,"]}"]},{}]"#, #"{"{\"a\":[1,\"]}\"]}","{}"}"#), (#"["[1,2]"]"#, #"{"[1,2]"}"#),
  ])
  func `an array has this form`(_ json: String, _ text: String) throws {
    #expect(try Self.literal(json) == text)
    #expect(try Self.literal(json, .json) == json)
  }

  @Test func `an array of json has one dimension`() throws {
    #expect(
      try Self.literal(#"[[1,[2,"x"]],[],{"a":"\\"},"[1]",null,7]"#, Self.ofJSON)
        == #"{"[1,[2,\"x\"]]","[]","{\"a\":\"\\\\\"}","[1]",NULL,7}"#)
  }

  @Test func `a vector has spaces, and neither NULL nor another dimension`() throws {
    #expect(try Self.literal(#"[1, "2", -3]"#, .vector) == "1 2 -3")
    #expect(try Self.literal("[]", .vector) == "")
    for (json, path) in [("[1,null]", [1]), ("[1,[2]]", [1]), ("[[1]]", [0])] {
      let flaw = #expect(throws: ArrayLiteral.Flaw.self) { () throws in
        try Self.literal(json, .vector)
      }
      #expect(flaw?.path == path)
    }
  }

  @Test(arguments: [UInt64.random(in: 0 ... .max), 1])
  func `the server reads what was meant`(_ seed: UInt64) async throws {
    var generator = SeededGenerator(seed: seed)
    let arrays = (0..<200).map { _ in RandomArray(using: &generator) }
    try await withDatabase { db in
      let questions = try arrays.map { array in
        let literal = try Self.literal(array.json)
        let (text, json) = (
          literal.replacing("'", with: "''"), array.json.replacing("'", with: "''")
        )
        return "to_json('\(text)'::text[])::jsonb = '\(json)'::jsonb"
      }
      let answers = try await db.query("select unnest(array[\(questions.joined(separator: ", "))])")
      #expect(answers.count == arrays.count)
      for (array, answer) in zip(arrays, answers) {
        #expect(answer == ["t"], "seed \(seed): \(array.json)")
      }
    }
  }

  /// A rectangular array of texts.
  private struct RandomArray {
    var json: String

    init(using generator: inout SeededGenerator) {
      let lengths = (0..<Int.random(in: 1...3, using: &generator)).map { _ in
        Int.random(in: 1...3, using: &generator)
      }
      json = Self.make(lengths[...], &generator)
    }

    private static func make(_ lengths: ArraySlice<Int>, _ generator: inout SeededGenerator)
      -> String
    {
      guard let length = lengths.first else { return element(&generator) }
      return "["
        + (0..<length).map { _ in make(lengths.dropFirst(), &generator) }.joined(separator: ", ")
        + "]"
    }

    private static func element(_ generator: inout SeededGenerator) -> String {
      guard Int.random(in: 0..<6, using: &generator) > 0 else { return "null" }
      let characters = Array(#"ab,{}"\'NUL éß𝄞()[]"# + "\t\n")
      let text = String(
        (0..<Int.random(in: 0...6, using: &generator)).map { _ in
          characters.randomElement(using: &generator) ?? "a"
        })
      var writer = JSONWriter()
      writer.string(text)
      return String(decoding: writer.bytes, as: UTF8.self)
    }
  }
}
