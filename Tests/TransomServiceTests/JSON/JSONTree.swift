import TransomService

/// A document as a tree, for comparison: what `JSONReader` read, or what the plain parser below
/// makes of the same octets. Strings are octets: Swift's own compare by canonical equivalence.
indirect enum JSONTree: Equatable, Sendable {
  case null
  case bool(Bool)
  case number([UInt8])
  case string([UInt8])
  case array([JSONTree])
  case object([Member])

  struct Member: Equatable {
    var key: [UInt8]
    var value: JSONTree
  }

  init(_ node: JSONNode, in json: borrowing JSONReader) {
    let text = json.string(node)
    var children = json.children(of: node)
    switch json.kind(of: node) {
    case .null: self = .null
    case .false: self = .bool(false)
    case .true: self = .bool(true)
    case .number: self = .number(Array(text.utf8))
    case .string: self = .string(Array(text.utf8))
    case .array:
      var elements: [JSONTree] = []
      while let child = json.next(&children) { elements.append(JSONTree(child, in: json)) }
      self = .array(elements)
    case .object:
      var members: [Member] = []
      while let key = json.next(&children), let value = json.next(&children) {
        members.append(
          Member(key: Array(json.string(key).utf8), value: JSONTree(value, in: json)))
      }
      self = .object(members)
    }
  }

  /// Reads with a `JSONReader`.
  init(reading text: [UInt8], with json: inout JSONReader, depth: Int = 512) throws(JSONError) {
    try json.read(text.span, depth: depth)
    self.init(json.root, in: json)
  }
}

/// RFC 8259 as one would write it down, octet by octet: the oracle.
struct PlainJSONParser {
  private struct Refused: Error {}

  private let text: [UInt8]
  private var position = 0

  static func parse(_ text: [UInt8]) -> JSONTree? {
    guard String(validating: text, as: UTF8.self) != nil else { return nil }
    var parser = PlainJSONParser(text: text)
    guard let tree = try? parser.value() else { return nil }
    parser.skipSpace()
    return parser.position == text.count ? tree : nil
  }

  private init(text: [UInt8]) { self.text = text }

  private var current: UInt8? { position < text.count ? text[position] : nil }

  private mutating func skipSpace() {
    while let octet = current, [0x20, 0x09, 0x0A, 0x0D].contains(octet) { position += 1 }
  }

  private mutating func take(_ expected: Character) -> Bool {
    guard current == expected.asciiValue else { return false }
    position += 1
    return true
  }

  private mutating func value() throws -> JSONTree {
    skipSpace()
    for (word, tree) in [("null", JSONTree.null), ("true", .bool(true)), ("false", .bool(false))]
    where text[position...].starts(with: word.utf8) {
      position += word.utf8.count
      return tree
    }
    if current == UInt8(ascii: "\"") { return .string(try string()) }
    if take("[") { return try array() }
    if take("{") { return try object() }
    return .number(try number())
  }

  private mutating func array() throws -> JSONTree {
    var elements: [JSONTree] = []
    skipSpace()
    if take("]") { return .array([]) }
    repeat {
      elements.append(try value())
      skipSpace()
    } while take(",")
    guard take("]") else { throw Refused() }
    return .array(elements)
  }

  private mutating func object() throws -> JSONTree {
    var members: [JSONTree.Member] = []
    skipSpace()
    if take("}") { return .object([]) }
    repeat {
      skipSpace()
      let key = try string()
      skipSpace()
      guard take(":") else { throw Refused() }
      members.append(JSONTree.Member(key: key, value: try value()))
      skipSpace()
    } while take(",")
    guard take("}") else { throw Refused() }
    return .object(members)
  }

  private mutating func digits() throws {
    let start = position
    while let octet = current, 0x30...0x39 ~= octet { position += 1 }
    guard position > start else { throw Refused() }
  }

  private mutating func number() throws -> [UInt8] {
    let start = position
    _ = take("-")
    if !take("0") { try digits() }
    if take(".") { try digits() }
    if take("e") || take("E") {
      _ = take("+") || take("-")
      try digits()
    }
    return Array(text[start..<position])
  }

  private mutating func unit() throws -> UInt16 {
    guard position + 4 <= text.count else { throw Refused() }
    let digits = String(decoding: text[position..<position + 4], as: UTF8.self)
    guard digits.allSatisfy(\.isHexDigit), let unit = UInt16(digits, radix: 16) else {
      throw Refused()
    }
    position += 4
    return unit
  }

  private mutating func string() throws -> [UInt8] {
    guard take("\"") else { throw Refused() }
    var result: [UInt8] = []
    while let octet = current {
      position += 1
      switch octet {
      case UInt8(ascii: "\""): return result
      case 0..<0x20: throw Refused()
      case UInt8(ascii: "\\"): try escape(into: &result)
      default: result.append(octet)
      }
    }
    throw Refused()
  }

  private mutating func escape(into result: inout [UInt8]) throws {
    let plain: [Character: UInt8] = [
      "\"": 0x22, "\\": 0x5C, "/": 0x2F, "b": 8, "f": 12, "n": 10, "r": 13, "t": 9,
    ]
    guard let octet = current else { throw Refused() }
    position += 1
    if let value = plain[Character(Unicode.Scalar(octet))] {
      result.append(value)
      return
    }
    guard octet == UInt8(ascii: "u") else { throw Refused() }
    var units = [try unit()]
    if UTF16.isLeadSurrogate(units[0]) {
      guard take("\\"), take("u") else { throw Refused() }
      units.append(try unit())
    }
    guard let text = String(validating: units, as: UTF16.self) else { throw Refused() }
    result += text.utf8
  }
}
