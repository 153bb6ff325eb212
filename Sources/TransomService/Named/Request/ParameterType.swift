/// The PostgreSQL type of a named transaction's parameter, and which JSON values it takes.
///
/// What is certain to fail in PostgreSQL is refused here, where its place can be told. What a type that is not built in
/// takes, PostgreSQL alone decides.
package struct ParameterType: Equatable, Sendable {
  package enum Kind: Equatable, Sendable {
    case integer(ClosedRange<Int64>)
    /// numeric: any number, and text, as many a client has no numbers of so many digits.
    case decimal
    case float
    case boolean
    case uuid
    /// What JSON has no form of its own for is a string: dates, bytea, inet and so on.
    case string
    case json
    case other
  }

  /// As PostgreSQL knows it, such as `bigint` or `shop.mood[]`.
  package let name: String
  /// Of an array, its elements'.
  package let kind: Kind
  package let isArray: Bool
  /// As SQL casts to it: what SQL gives a length of 1 where none is written would be cut to that without a word (PostgreSQL
  /// manual, 8.3 and 8.10).
  package let castName: String

  /// Nil if that cannot be the name of a type, or has a length or precision.
  package init?(_ name: String) {
    let pattern =
      #/(?<element>(?:[A-Za-z_][A-Za-z0-9_]*|"[^"]+")(?:[ .](?:[A-Za-z_][A-Za-z0-9_]*|"[^"]+"))*)(?<array>\[\])?/#
    guard let match = name.wholeMatch(of: pattern) else { return nil }
    self.name = name
    let element = match.element.lowercased()
    kind = Self.kinds[element] ?? .other
    isArray = match.array != nil
    castName = Self.unbounded[element].map { $0 + (match.array ?? "") } ?? name
  }

  private static let unbounded = [
    "char": "bpchar", "character": "bpchar", "nchar": "bpchar", "national char": "bpchar",
    "national character": "bpchar", "bit": "varbit",
  ]

  private static let kinds: [String: Kind] = {
    var kinds: [String: Kind] = [:]
    for name in ["smallint", "int2"] { kinds[name] = .integer(-0x8000...0x7fff) }
    for name in ["integer", "int", "int4"] {
      kinds[name] = .integer(Int64(Int32.min)...Int64(Int32.max))
    }
    for name in ["bigint", "int8"] { kinds[name] = .integer(.min ... .max) }
    for name in ["numeric", "decimal"] { kinds[name] = .decimal }
    for name in ["real", "float4", "double precision", "float8"] { kinds[name] = .float }
    for name in ["boolean", "bool"] { kinds[name] = .boolean }
    for name in ["json", "jsonb"] { kinds[name] = .json }
    kinds["uuid"] = .uuid
    for name in [
      "text", "varchar", "character varying", "char", "character", "nchar", "national char",
      "national character", "bpchar", "name", "citext",
      "bytea", "date", "time", "timetz", "time with time zone", "time without time zone",
      "timestamp", "timestamptz", "timestamp with time zone", "timestamp without time zone",
      "interval", "inet", "cidr", "macaddr", "xml", "tsvector", "tsquery",
    ] {
      kinds[name] = .string
    }
    return kinds
  }()

  // MARK: Values

  /// Checks a value that is not null.
  ///
  /// - Throws: `RequestError` with the place of what the type does not take.
  func check(_ value: JSONNode, _ json: borrowing JSONReader) throws(RequestError) {
    guard isArray else { return try checkElement(value, json) }
    guard json.kind(of: value) == .array else { throw flaw(value, "an array", json) }
    try checkElements(value, json)
  }

  /// Those of an array, whose elements may be null, or arrays of a further dimension.
  private func checkElements(
    _ list: JSONNode, _ json: borrowing JSONReader
  ) throws(RequestError) {
    var children = json.children(of: list)
    while let element = json.next(&children) {
      switch json.kind(of: element) {
      case .null: continue
      case .array: try checkElements(element, json)
      default: try checkElement(element, json)
      }
    }
  }

  private func checkElement(
    _ value: JSONNode, _ json: borrowing JSONReader
  ) throws(RequestError) {
    let found = json.kind(of: value)
    switch kind {
    case .integer(let range):
      // Longer ones than of 20 digits are none.
      guard found == .number || range.upperBound == .max && found == .string,
        json.span(value).count <= 20, let number = Int64(json.string(value)),
        json.span(value)[0] != UInt8(ascii: "+"), range.contains(number)
      else {
        throw flaw(
          value, "an integer from \(range.lowerBound) to \(range.upperBound), in digits", json)
      }
    case .decimal:
      guard found == .number || found == .string && Self.isDecimal(json.string(value)) else {
        throw flaw(value, "a number", json)
      }
    case .float:
      guard found == .number || found == .string && Self.isNoNumber(json.string(value)) else {
        throw flaw(value, #"a number, or "NaN", "Infinity" or "-Infinity""#, json)
      }
    case .boolean:
      guard found == .true || found == .false else { throw flaw(value, "true or false", json) }
    case .uuid:
      guard found == .string, Self.isUUID(json.span(value)) else {
        throw flaw(value, "a UUID, such as 123e4567-e89b-12d3-a456-426614174000", json)
      }
    case .string:
      guard found == .string else { throw flaw(value, "a string", json) }
    case .json, .other: return
    }
  }

  private func flaw(
    _ value: JSONNode, _ wanted: String, _ json: borrowing JSONReader
  ) -> RequestError {
    let found =
      switch json.kind(of: value) {
      case .number, .true, .false, .null: json.string(value).prefix(40)
      case let kind: kind.description[...]
      }
    return json.error(.invalidParameter, at: value, "\(name) must be \(wanted), not \(found)")
  }

  private static func isNoNumber(_ text: String) -> Bool {
    ["NaN", "Infinity", "-Infinity"].contains(text)
  }

  private static func isDecimal(_ text: String) -> Bool {
    isNoNumber(text)
      || text.wholeMatch(of: #/-?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]{1,5})?/#) != nil
  }

  private static func isUUID(_ text: Span<UInt8>) -> Bool {
    guard text.count == 36 else { return false }
    for index in text.indices {
      let isHyphen = [8, 13, 18, 23].contains(index)
      switch text[index] {
      case UInt8(ascii: "-"): guard isHyphen else { return false }
      case 0x30...0x39, 0x41...0x46, 0x61...0x66: guard !isHyphen else { return false }
      default: return false
      }
    }
    return true
  }

  // MARK: What PostgreSQL gets

  /// Appends a value as one of a statement's `params`: what is a string there is passed on as its text, but json wants a
  /// string as JSON; so does each element of an array of it.
  func append(_ value: JSONNode, _ json: borrowing JSONReader, to writer: inout JSONWriter) {
    guard kind == .json else { return writer.json(value, json) }
    guard isArray, json.kind(of: value) == .array else {
      return appendJSON(value, json, to: &writer)
    }
    // Arrays within are elements, as all else is.
    writer.bytes.append(JSONWriter.openBracket)
    var children = json.children(of: value)
    var isFirst = true
    while let element = json.next(&children) {
      if !isFirst { writer.bytes.append(JSONWriter.comma) }
      isFirst = false
      appendJSON(element, json, to: &writer)
    }
    writer.bytes.append(JSONWriter.closeBracket)
  }

  private func appendJSON(
    _ value: JSONNode, _ json: borrowing JSONReader, to writer: inout JSONWriter
  ) {
    guard json.kind(of: value) == .string else { return writer.json(value, json) }
    var text = JSONWriter()
    text.json(value, json)
    writer.string(text.bytes.span)
  }
}
