extension Array: PostgresEncodable where Element: PostgresEncodable {
  /// Appends an array, or for bytes a `bytea`. Arrays of arrays are multidimensional: all must have the same size.
  public func encode(into text: inout ParameterText) {
    // An empty array can be cast to one of any type.
    if Element.self == UInt8.self, let bytes = self as? [UInt8] {
      text.append(hex: bytes)
    } else {
      text.append(
        array: self, nested: Element.self is any NestedArray.Type && !(Element.self == [UInt8].self)
      )
    }
  }
}

extension Array: PostgresDecodable where Element: PostgresDecodable {
  /// Reads an array, of any dimensions as arrays of arrays, or for bytes a `bytea`.
  public init(decoding value: PostgresValue) throws {
    if Element.self == UInt8.self {
      guard let bytes = value.withBytes({ Self.parse(hex: $0) }) as? [Element] else {
        throw value.mismatch([Element].self)
      }
      self = bytes
      return
    }
    guard let text = value.withBytes({ ArrayLiteral.elements(of: $0) }), !value.isNull else {
      throw value.mismatch([Element].self)
    }
    self = try text.map { try Element(decoding: PostgresValue(part: $0)) }
  }

  /// `bytea` in its hex format (PostgreSQL manual, 8.4.1).
  private static func parse(hex bytes: Span<UInt8>) -> [UInt8]? {
    guard bytes.count >= 2, bytes.count % 2 == 0, bytes[0] == UInt8(ascii: "\\"),
      bytes[1] == UInt8(ascii: "x")
    else { return nil }
    var result: [UInt8] = []
    result.reserveCapacity(bytes.count / 2 - 1)
    for index in stride(from: 2, to: bytes.count, by: 2) {
      guard let high = digit(bytes[index]), let low = digit(bytes[index + 1]) else { return nil }
      result.append(high << 4 | low)
    }
    return result
  }

  private static func digit(_ byte: UInt8) -> UInt8? {
    switch byte {
    case 0x30...0x39: byte - 0x30
    case 0x61...0x66: byte - 0x61 + 10
    case 0x41...0x46: byte - 0x41 + 10
    default: nil
    }
  }
}

/// Tells arrays from other types, whatever their elements.
private protocol NestedArray {}
extension Array: NestedArray {}

/// Reads the text form of an array (PostgreSQL manual, 8.15.6 "Array Input and Output Syntax").
package enum ArrayLiteral {
  /// The elements of the outermost dimension, each in its text form; nil is NULL. Nil if it is no array.
  package static func elements(of text: Span<UInt8>) -> [[UInt8]?]? {
    var index = 0
    // Bounds that do not begin at 1 are told in front: [0:1]={1,2}.
    if !text.isEmpty, text[0] == UInt8(ascii: "[") {
      while index < text.count, text[index] != UInt8(ascii: "=") { index += 1 }
      index += 1
    }
    guard index + 1 < text.count, text[index] == UInt8(ascii: "{"),
      text[text.count - 1] == UInt8(ascii: "}")
    else { return nil }
    index += 1
    let end = text.count - 1
    var elements: [[UInt8]?] = []
    guard index < end else { return elements }
    while true {
      guard let element = element(in: text, from: &index, to: end) else { return nil }
      elements.append(element)
      if index == end { return elements }
      guard text[index] == UInt8(ascii: ",") else { return nil }
      index += 1
    }
  }

  /// One element, after which `index` is at a comma or at the end. The outer optional: malformed.
  private static func element(
    in text: Span<UInt8>, from index: inout Int, to end: Int
  ) -> [UInt8]?? {
    var bytes: [UInt8] = []
    guard index < end else { return .none }
    switch text[index] {
    case UInt8(ascii: "\""):
      index += 1
      while index < end, text[index] != UInt8(ascii: "\"") {
        if text[index] == UInt8(ascii: "\\") { index += 1 }
        guard index < end else { return .none }
        bytes.append(text[index])
        index += 1
      }
      guard index < end else { return .none }
      index += 1
    case UInt8(ascii: "{"):
      guard nested(in: text, from: &index, to: end, into: &bytes) else { return .none }
    default:
      while index < end, text[index] != UInt8(ascii: ",") {
        bytes.append(text[index])
        index += 1
      }
      if bytes == Array("NULL".utf8) { return .some(nil) }
    }
    return .some(bytes)
  }

  /// Copies an inner array as it stands.
  private static func nested(
    in text: Span<UInt8>, from index: inout Int, to end: Int, into bytes: inout [UInt8]
  ) -> Bool {
    var depth = 0
    var isQuoted = false
    while index < end {
      let byte = text[index]
      bytes.append(byte)
      index += 1
      switch byte {
      case UInt8(ascii: "\\") where index < end:
        bytes.append(text[index])
        index += 1
      case UInt8(ascii: "\""): isQuoted.toggle()
      case UInt8(ascii: "{") where !isQuoted: depth += 1
      case UInt8(ascii: "}") where !isQuoted:
        depth -= 1
        if depth == 0 { return true }
      default: break
      }
    }
    return false
  }
}
