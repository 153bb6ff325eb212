import TestSupport
import Testing

@testable import TransomService

@Suite struct ValueEncoderTests {
  private func encoded(_ text: String, as encoding: ColumnEncoding) -> String {
    var encoder = ValueEncoder()
    var writer = JSONWriter()
    encoder.append(text.utf8.span, as: encoding, after: Span(), to: &writer)
    return String(decoding: writer.bytes, as: UTF8.self)
  }

  @Test(arguments: [
    ("12345678901234567890.1230", "12345678901234567890.1230"), ("-0", "-0"), ("1e-20", "1e-20"),
    ("NaN", #""NaN""#), ("-Infinity", #""-Infinity""#), ("$1.50", #""$1.50""#), ("", #""""#),
  ])
  func `a number keeps its digits, and what is none becomes a string`(
    _ text: String, _ json: String
  ) {
    #expect(encoded(text, as: .scalar(.number)) == json)
  }

  @Test(arguments: [("t", "true"), ("f", "false"), ("x", #""x""#), ("true", #""true""#)])
  func `a bool is t or f`(_ text: String, _ json: String) {
    #expect(encoded(text, as: .scalar(.bool)) == json)
  }

  @Test(arguments: [
    ("2024-02-29 12:34:56", "2024-02-29T12:34:56"),
    ("2024-02-29 12:34:56.000001", "2024-02-29T12:34:56.000001"),
    ("294276-12-31 23:59:59.999999", "294276-12-31T23:59:59.999999"),
    ("4713-01-01 00:00:00 BC", "4713-01-01T00:00:00 BC"), ("infinity", "infinity"),
    ("-infinity", "-infinity"),
    // Other values of DateStyle.
    ("29/02/2024 12:34:56", "29/02/2024 12:34:56"), ("29.02.2024 12:34:56", "29.02.2024 12:34:56"),
    ("Thu Feb 29 12:34:56 2024", "Thu Feb 29 12:34:56 2024"),
    ("2024-02-29 12:34", "2024-02-29 12:34"), ("2024-02-29 12:34:56.", "2024-02-29 12:34:56."),
    ("2024-02-29 12:34:56+00", "2024-02-29 12:34:56+00"), ("2024-02-29", "2024-02-29"),
  ])
  func `a timestamp gets its T, unless its form is another`(_ text: String, _ json: String) {
    #expect(encoded(text, as: .scalar(.timestamp)) == "\"\(json)\"")
  }

  @Test(arguments: [
    ("2024-02-29 12:34:56+00", "2024-02-29T12:34:56+00:00"),
    ("2024-02-29 12:34:56.7-08", "2024-02-29T12:34:56.7-08:00"),
    ("2024-02-29 12:34:56+05:30", "2024-02-29T12:34:56+05:30"),
    ("1883-11-18 12:03:57-04:56:02", "1883-11-18T12:03:57-04:56:02"),
    ("0044-03-15 12:00:00+00 BC", "0044-03-15T12:00:00+00:00 BC"),
    ("0044-03-15 12:00:00+00:49:56 BC", "0044-03-15T12:00:00+00:49:56 BC"),
    ("infinity", "infinity"), ("2024-02-29 12:34:56", "2024-02-29 12:34:56"),
    ("Thu Feb 29 12:34:56 2024 UTC", "Thu Feb 29 12:34:56 2024 UTC"),
    ("2024-02-29 12:34:56+0", "2024-02-29 12:34:56+0"),
    ("2024-02-29 12:34:56+00 AD", "2024-02-29 12:34:56+00 AD"),
  ])
  func `a timestamp with time zone gets its T and its minutes`(_ text: String, _ json: String) {
    #expect(encoded(text, as: .scalar(.timestamptz)) == "\"\(json)\"")
  }

  @Test(arguments: [
    ("{}", "[]"), ("{1,2,NULL}", "[1,2,null]"), ("{{1,2},{3,4}}", "[[1,2],[3,4]]"),
    ("[2:3]={1,2}", "[1,2]"), ("[1:1][-2:-1]={{1,2}}", "[[1,2]]"), ("{NaN}", #"["NaN"]"#),
  ])
  func `an array is an array, whatever its dimensions and bounds`(_ text: String, _ json: String) {
    #expect(encoded(text, as: .array(of: .scalar(.number), delimiter: 0x2c)) == json)
  }

  @Test(arguments: [
    (#"{"",a,"a,b","NULL","null",null}"#, #"["","a","a,b","NULL","null","null"]"#),
    (#"{"a\"b","a\\b"," {x} "}"#, #"["a\"b","a\\b"," {x} "]"#), ("{é}", #"["é"]"#),
  ])
  func `an element loses its quotes and escapes`(_ text: String, _ json: String) {
    #expect(encoded(text, as: .array(of: .text, delimiter: 0x2c)) == json)
  }

  @Test func `boxes are apart by semicolons`() {
    let encoding = ColumnEncoding.array(of: .text, delimiter: UInt8(ascii: ";"))
    #expect(encoded("{(3,4),(1,2);(1,1),(0,0)}", as: encoding) == #"["(3,4),(1,2)","(1,1),(0,0)"]"#)
  }

  @Test(arguments: [
    "", "{", "}", "{1", "{1,", "{1,}", "{,1}", "{1}}", "{1}x", "x{1}", "{{1}", "[1:2]{1,2}", "[",
    "{\"", "{\"a", "{\"a\\", "{1{2}}", "{1\"2\"}", "{\"a\"b}", "{1,{2}", "{a\\b}", "{}{}", "1 2",
  ])
  func `an array that is malformed becomes a string`(_ text: String) {
    let json = encoded(text, as: .array(of: .scalar(.number), delimiter: 0x2c))
    #expect(PlainJSONParser.parse(Array(json.utf8)) == .string(Array(text.utf8)))
  }

  @Test(arguments: [
    (ScalarEncoding.numberVector, "", "[]"), (.numberVector, "1 -2 3", "[1,-2,3]"),
    (.textVector, "26 25", #"["26","25"]"#),
  ])
  func `a vector is an array without braces`(
    _ encoding: ScalarEncoding, _ text: String, _ json: String
  ) {
    #expect(encoded(text, as: .scalar(encoding)) == json)
  }

  @Test func `json that is malformed becomes a string`() {
    #expect(encoded(#"{"a": [1, 2]}"#, as: .scalar(.json)) == #"{"a": [1, 2]}"#)
    #expect(encoded(#"{"a": [1, 2}"#, as: .scalar(.json)) == #""{\"a\": [1, 2}""#)
    let array = ColumnEncoding.array(of: .scalar(.json), delimiter: 0x2c)
    #expect(encoded(#"{"{\"a\": 1}",NULL,"["}"#, as: array) == #"[{"a": 1},null,"["]"#)
  }

  private static let pair = ColumnEncoding.composite([
    CompositeAttribute(name: "a", encoding: .scalar(.number)),
    CompositeAttribute(name: "b \"x\"", encoding: .text),
  ])

  @Test(arguments: [
    ("(1,a)", #"{"a":1,"b \"x\"":"a"}"#), ("(,)", #"{"a":null,"b \"x\"":null}"#),
    (#"(NaN,"")"#, #"{"a":"NaN","b \"x\"":""}"#),
    (#"(1,"a, ""b"" \\ (c)")"#, #"{"a":1,"b \"x\"":"a, \"b\" \\ (c)"}"#),
  ])
  func `a row is an object`(_ text: String, _ json: String) {
    #expect(encoded(text, as: Self.pair) == json)
    let array = ColumnEncoding.array(of: Self.pair, delimiter: 0x2c)
    let quoted = text.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"")
    #expect(encoded("{\"\(quoted)\",NULL}", as: array) == "[\(json),null]")
  }

  @Test func `rows of no column and of one are told apart by their type`() {
    #expect(encoded("()", as: .composite([])) == "{}")
    let one = CompositeAttribute(name: "a", encoding: .text)
    #expect(encoded("()", as: .composite([one])) == #"{"a":null}"#)
  }

  @Test(arguments: [
    "", "(", ")", "()", "(1", "(1)", "(1,", "(1,2,3)", "(1,2)x", "x(1,2)", "(1,\"2)", "(1,\"2\\",
    "1,2",
    "(1,2", "(1,2),", "(1 2)",
  ])
  func `a row that is malformed becomes a string`(_ text: String) {
    let json = encoded(text, as: Self.pair)
    #expect(PlainJSONParser.parse(Array(json.utf8)) == .string(Array(text.utf8)))
  }

  @Test(arguments: [
    ("", "{}"), (#""a"=>"1""#, #"{"a": "1"}"#),
    (#""a \" \\"=>"b, ""#, #"{"a \" \\": "b, "}"#),
    (#""a"=>NULL, "b"=>"NULL""#, #"{"a": null, "b": "NULL"}"#),
  ])
  func `an hstore is an object of strings`(_ text: String, _ json: String) {
    #expect(encoded(text, as: .scalar(.hstore)) == json)
  }

  @Test(arguments: [
    "a", "\"a", "\"a\"", "\"a\"=>", "\"a\"=>1", "\"a\"=>\"1", "\"a\"=>NULL,", "\"a\"=>NULL, ",
    "\"a\\",
    "\"a\"=>NULL \"b\"=>NULL",
  ])
  func `an hstore that is malformed becomes a string`(_ text: String) {
    let json = encoded(text, as: .scalar(.hstore))
    #expect(PlainJSONParser.parse(Array(json.utf8)) == .string(Array(text.utf8)))
  }

  @Test(arguments: [UInt64.random(in: 0 ... .max), 1])
  func `whatever bytes come, what is written is one JSON value`(_ seed: UInt64) {
    var generator = SeededGenerator(seed: seed)
    let scalars: [ScalarEncoding] = [
      .text, .number, .bool, .timestamp, .timestamptz, .json, .numberVector, .textVector, .hstore,
    ]
    let pair = ColumnEncoding.composite(
      [("a", .number), ("é\"", .hstore)].map {
        CompositeAttribute(name: $0, encoding: .scalar($1))
      })
    let encodings =
      scalars.map { ColumnEncoding.scalar($0) }
      + scalars.map { ColumnEncoding.array(of: .scalar($0), delimiter: 0x2c) }
      + [pair, .array(of: pair, delimiter: 0x2c)]
    let samples = [
      "2024-02-29 12:34:56.789+05:30 BC", "[2:3]={1,2.5e3}",
      #"{{"a\"b",NULL},{"[1,{\"a\":2}]",t}}"#,
      #"{"a": [1, "é\n", null]}"#, "1 2 3", #""a"=>"b \" c", "d"=>NULL"#, #"(1,"""a""=>""b, c""")"#,
      #"{"(1,)","(,\"\"\"a\"\"=>NULL\")"}"#,
    ]
    var encoder = ValueEncoder()
    for round in 0..<4_000 {
      var text = Array(samples[Int.random(in: 0..<samples.count, using: &generator)].utf8)
      for _ in 0..<Int.random(in: 0...4, using: &generator) { mutate(&text, using: &generator) }
      for encoding in encodings {
        var writer = JSONWriter(bytes: [0x5b])
        encoder.append(text.span, as: encoding, after: Span(), to: &writer)
        writer.byte(0x5d)
        guard case .array(let values)? = PlainJSONParser.parse(writer.bytes), values.count == 1
        else {
          // The one thing that the parser refuses and RFC 8259 does not: a lone surrogate.
          let isSurrogate = String(decoding: writer.bytes, as: UTF8.self).contains("\\u")
          #expect(isSurrogate, "seed \(seed), round \(round), \(encoding): \(text)")
          continue
        }
      }
    }
  }
}
