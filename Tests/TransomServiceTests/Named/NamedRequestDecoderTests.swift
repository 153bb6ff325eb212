import Testing
import TransomService

@Suite struct NamedRequestDecoderTests {
  /// A transaction with a parameter of each type, each of which stands in a statement and in the data of an event.
  private static func transaction(
    _ parameters: [NamedTransaction.Parameter]
  ) -> NamedTransaction {
    var pieces: [[UInt8]] = []
    var holes: [NamedTransaction.Hole] = []
    for index in parameters.indices {
      pieces.append(Array((index == 0 ? "[" : ",").utf8))
      holes.append(.init(parameter: index, isInStatement: true))
      pieces.append([UInt8(ascii: ":")])
      holes.append(.init(parameter: index, isInStatement: false))
    }
    pieces.append(Array((parameters.isEmpty ? "[]" : "]").utf8))
    return NamedTransaction(
      name: "t", documentation: nil, parameters: parameters, idempotency: .optional,
      template: .init(pieces: pieces, holes: holes), source: .init(file: "t.yaml", lines: [:]))
  }

  private static func parameter(
    _ name: String, _ type: String, isNullable: Bool = false, default text: String? = nil
  ) throws -> NamedTransaction.Parameter {
    let type = try #require(ParameterType(type), "\(type)")
    let parameter = NamedTransaction.Parameter(name: name, type: type, isNullable: isNullable)
    guard let text else { return parameter }
    return NamedTransaction.Parameter(
      name: name, type: type, isNullable: isNullable,
      defaultValue: try .init(Array(text.utf8), for: parameter))
  }

  private static func bind(
    _ body: String, _ parameters: [NamedTransaction.Parameter]
  ) throws -> String {
    var json = JSONReader()
    let document = try NamedRequestDecoder.document(
      Array(body.utf8).span, of: transaction(parameters), with: &json)
    return String(decoding: document, as: UTF8.self)
  }

  private static func error(
    _ body: String, _ parameters: [NamedTransaction.Parameter]
  ) -> RequestError? {
    do {
      _ = try bind(body, parameters)
      return nil
    } catch {
      return error as? RequestError
    }
  }

  @Test(
    arguments: [
      ("int2", "-32768", nil), ("smallint", "32767", nil), ("int4", "2147483647", nil),
      ("integer", "-2147483648", nil), ("bigint", "9223372036854775807", nil),
      ("int8", #""-9223372036854775808""#, nil), ("numeric", "12345678901234567890.123", nil),
      ("numeric", #""1e-7""#, nil), ("decimal", #""NaN""#, nil), ("float8", "1e308", nil),
      ("double precision", #""-Infinity""#, nil), ("bool", "true", nil), ("boolean", "false", nil),
      ("text", #""it's \"é\"\n""#, nil), ("varchar", #""""#, nil),
      ("uuid", #""123E4567-e89b-12d3-a456-426614174000""#, nil), ("date", #""2026-02-30""#, nil),
      ("timestamp with time zone", #""now""#, nil), ("json", #"{"a":[null,{}]}"#, nil),
      ("jsonb", "[1]", nil), ("jsonb", "7", nil), ("jsonb", "true", nil),
      ("jsonb", #""a\"b""#, #""\"a\\\"b\"""#), ("int4[]", "[1,null,[2,3]]", nil),
      ("text[]", "[]", nil),
      ("jsonb[]", #"[1,"a",[null,"1"],{"a":"b"}]"#, #"[1,"\"a\"",[null,"1"],{"a":"b"}]"#),
      ("shop.mood", #""fine""#, nil),
      (#""My Type""#, "[1]", nil), ("mood", "7", nil),
    ] as [(String, String, String?)])
  func `a value of its type is bound as it stands, as JSON where that is wanted`(
    _ type: String, _ value: String, _ inStatement: String?
  ) throws {
    let bound = try Self.bind(#"{"params": {"x": \#(value)}}"#, [Self.parameter("x", type)])
    #expect(bound == "[\(inStatement ?? value):\(value)]")
  }

  @Test(arguments: [
    ("int2", "32768", ""), ("int4", "2147483648", ""), ("int8", "9223372036854775808", ""),
    ("int4", "1.0", ""), ("int4", "1e3", ""), ("int4", #""1""#, ""), ("int8", #""+1""#, ""),
    ("int8", #"" 1""#, ""), ("int8", #""""#, ""), ("int8", #""0x1""#, ""), ("int4", "true", ""),
    ("int8", "123456789012345678901234567890", ""), ("numeric", #""1,5""#, ""),
    ("numeric", #""""#, ""), ("numeric", #""--1""#, ""), ("numeric", "true", ""),
    ("float4", #""1""#, ""), ("float8", #""nan""#, ""), ("bool", "1", ""), ("bool", #""true""#, ""),
    ("text", "1", ""), ("text", "{}", ""), ("text", "[]", ""), ("text", "null", ""),
    ("text", #""a\u0000""#, ""), ("uuid", #""123e4567e89b12d3a456426614174000""#, ""),
    ("uuid", #""123e4567-e89b-12d3-a456-42661417400g""#, ""), ("date", "20260230", ""),
    ("jsonb", "null", ""), ("int4[]", "1", ""), ("int4[]", "{}", ""),
    ("int4[]", "[1,[2,true]]", "/1/1"),
    ("text[]", #"["a",1]"#, "/1"), ("text[]", #"["a","\u0000"]"#, "/1"),
    ("uuid[]", #"["x"]"#, "/0"),
  ]) func `another value is refused with its place`(
    _ type: String, _ value: String, _ place: String
  ) throws {
    let error = Self.error(#"{"params": {"x": \#(value)}}"#, [try Self.parameter("x", type)])
    #expect(error?.code == .invalidParameter && error?.status == 422)
    #expect(error?.pointer?.description == "/params/x\(place)", "\(error as Any)")
  }

  @Test(
    arguments: [
      ("{}", 422, "/params/a"), (#"{"params": {}}"#, 422, "/params/a"),
      (#"{"params": {"b": 1}}"#, 422, "/params/a"),
      (#"{"params": {"a": 1, "c": 1}}"#, 422, "/params/c"),
      (#"{"params": {"a": 1, "A": 1}}"#, 422, "/params/A"),
      (#"{"params": {"a": 1, "a": 1}}"#, 422, "/params/a"),
      (#"{"params": {"a": 1}, "params": {"a": 1}}"#, 400, "/params"),
      (#"{"params": {"a": 1}, "sql": "select 1"}"#, 400, "/sql"),
      (#"{"params": {"a": 1}, "statements": []}"#, 400, "/statements"),
      (#"{"params": [1]}"#, 400, "/params"), (#"{"params": null}"#, 400, "/params"),
      ("[]", 400, ""),
      ("1", 400, ""), ("", 400, nil), ("{", 400, nil), (#"{"params": {"a": 1}} x"#, 400, nil),
    ] as [(String, Int, String?)]) func `what is missing or too much is refused with its place`(
      _ body: String, _ status: Int, _ place: String?
    ) throws
  {
    let parameters = [
      try Self.parameter("a", "int4"), try Self.parameter("b", "int4", default: "7"),
    ]
    let error = Self.error(body, parameters)
    #expect(error?.status == status && error?.pointer?.description == place, "\(error as Any)")
  }

  @Test func `what is not given is the default, and null where that is allowed`() throws {
    let parameters = [
      try Self.parameter("a", "int4", isNullable: true),
      try Self.parameter("b", "jsonb", default: #""x""#),
      try Self.parameter("c", "text", isNullable: true, default: "null"),
    ]
    let bound = try Self.bind(#"{"params": {"a": null}}"#, parameters)
    #expect(bound == #"[null:null,"\"x\"":"x",null:null]"#)
    #expect(try Self.bind("{}", Array(parameters.dropFirst())) == #"["\"x\"":"x",null:null]"#)
    #expect(try Self.bind(" {} ", []) == "[]")
    #expect(try Self.bind(#"{"params": {}}"#, []) == "[]")
  }

  @Test(arguments: [
    ("int4", "\"x\""), ("int4", "null"), ("text[]", "[1]"), ("bool", "{"), ("int4", ""),
  ])
  func `a default of another type is refused`(_ type: String, _ value: String) {
    #expect(throws: RequestError.self) { try Self.parameter("x", type, default: value) }
  }

  @Test(arguments: [
    "", "numeric(10,2)", "int4[][]", "int4)", "x; drop table t", "a--", "1a", "a b c, d", "int4 []",
    "'x'", "\"a", "a..b", "$1",
  ]) func `what cannot be a type's name is none`(_ name: String) {
    #expect(ParameterType(name) == nil)
  }
}
