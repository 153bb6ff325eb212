/// Turns a JSON array into PostgreSQL's text form of an array
/// (PostgreSQL manual, 8.15.2 "Array Value Input"): `[1, "a b", null]` into `{1,"a b",NULL}`.
///
/// Arrays inside are further dimensions; whether their lengths agree, the server says. Objects inside, and, if the
/// elements are json or jsonb, arrays too, are elements as JSON text. A number keeps its digits.
///
/// `json` must be a text that `JSONReader` has accepted, and an array.
/// Not recursive: no depth of a document can exhaust the thread's stack.
enum ArrayLiteral {
  static func append(
    _ json: Span<UInt8>, elementsAreJSON: Bool, delimiter: UInt8, to literal: inout [UInt8]
  ) {
    var index = 0
    var depth = 0
    while index < json.count {
      switch json[index] {
      case JSONWriter.openBracket where depth == 0 || !elementsAreJSON:
        literal.append(JSONWriter.openBrace)
        depth += 1
        index += 1
      case JSONWriter.closeBracket:
        literal.append(JSONWriter.closeBrace)
        depth -= 1
        index += 1
      case JSONWriter.openBracket, JSONWriter.openBrace:
        index = appendContainer(json, from: index, to: &literal)
      case JSONWriter.quote:
        index = appendString(json, from: index, to: &literal)
      case JSONWriter.comma:
        literal.append(delimiter)
        index += 1
      case let byte where isSpace(byte):
        index += 1
      default:
        index = appendWord(json, from: index, to: &literal)
      }
    }
  }

  // Each returns the index behind what it has appended.

  /// A number, `true`, `false` or `null`: none of them needs quotes.
  private static func appendWord(
    _ json: Span<UInt8>, from start: Int, to literal: inout [UInt8]
  ) -> Int {
    var index = start
    while index < json.count, json[index] != JSONWriter.comma,
      json[index] != JSONWriter.closeBracket, !isSpace(json[index])
    {
      index += 1
    }
    if json[start] == UInt8(ascii: "n") {
      literal.append(copying: "NULL")
    } else {
      literal.append(copying: json.extracting(start..<index))
    }
    return index
  }

  /// An array or object as an element: its JSON text.
  private static func appendContainer(
    _ json: Span<UInt8>, from start: Int, to literal: inout [UInt8]
  ) -> Int {
    literal.append(JSONWriter.quote)
    var index = start
    var depth = 0
    repeat {
      switch json[index] {
      case JSONWriter.openBracket, JSONWriter.openBrace: depth += 1
      case JSONWriter.closeBracket, JSONWriter.closeBrace: depth -= 1
      case JSONWriter.quote:
        let end = endOfString(json, from: index)
        while index < end - 1 {
          appendQuoted(json[index], to: &literal)
          index += 1
        }
      default: break
      }
      appendQuoted(json[index], to: &literal)
      index += 1
    } while depth > 0 && index < json.count
    literal.append(JSONWriter.quote)
    return index
  }

  private static func endOfString(_ json: Span<UInt8>, from start: Int) -> Int {
    var index = start + 1
    while index < json.count, json[index] != JSONWriter.quote {
      index += json[index] == JSONWriter.backslash ? 2 : 1
    }
    return min(index + 1, json.count)
  }

  private static func appendString(
    _ json: Span<UInt8>, from start: Int, to literal: inout [UInt8]
  ) -> Int {
    let end = endOfString(json, from: start)
    literal.append(JSONWriter.quote)
    var index = start + 1
    while index < end - 1 {
      if json[index] == JSONWriter.backslash {
        index = appendEscape(json, from: index, to: &literal)
      } else {
        literal.append(json[index])
        index += 1
      }
    }
    literal.append(JSONWriter.quote)
    return end
  }

  private static func appendEscape(
    _ json: Span<UInt8>, from start: Int, to literal: inout [UInt8]
  ) -> Int {
    guard start + 1 < json.count else { return json.count }
    switch json[start + 1] {
    case UInt8(ascii: "b"): literal.append(0x08)
    case UInt8(ascii: "f"): literal.append(0x0c)
    case UInt8(ascii: "n"): literal.append(0x0a)
    case UInt8(ascii: "r"): literal.append(0x0d)
    case UInt8(ascii: "t"): literal.append(0x09)
    case UInt8(ascii: "u"): return appendScalar(json, from: start, to: &literal)
    case let byte: appendQuoted(byte, to: &literal)
    }
    return start + 2
  }

  /// `\u` and four digits, or the two of a surrogate pair.
  private static func appendScalar(
    _ json: Span<UInt8>, from start: Int, to literal: inout [UInt8]
  ) -> Int {
    var end = start + 6
    var value = codeUnit(json, at: start + 2)
    if 0xd800...0xdbff ~= value, end + 6 <= json.count, json[end] == JSONWriter.backslash,
      json[end + 1] == UInt8(ascii: "u")
    {
      let low = codeUnit(json, at: end + 2)
      if 0xdc00...0xdfff ~= low {
        value = 0x10000 + (value - 0xd800) << 10 + (low - 0xdc00)
        end += 6
      }
    }
    let scalar = Unicode.Scalar(value) ?? "\u{fffd}"
    for byte in UTF8.encode(scalar) ?? UTF8.encodedReplacementCharacter {
      appendQuoted(byte, to: &literal)
    }
    return end
  }

  private static func codeUnit(_ json: Span<UInt8>, at start: Int) -> UInt32 {
    var value: UInt32 = 0
    for index in start..<min(start + 4, json.count) {
      let digit =
        switch json[index] {
        case 0x30...0x39: json[index] - 0x30
        default: (json[index] | 0x20) &- 0x57
        }
      value = value << 4 | UInt32(digit & 0x0f)
    }
    return value
  }

  /// One byte inside of the literal's quotes.
  private static func appendQuoted(_ byte: UInt8, to literal: inout [UInt8]) {
    if byte == JSONWriter.quote || byte == JSONWriter.backslash {
      literal.append(JSONWriter.backslash)
    }
    literal.append(byte)
  }

  private static func isSpace(_ byte: UInt8) -> Bool {
    byte == 0x20 || 0x09...0x0a ~= byte || byte == 0x0d
  }
}
