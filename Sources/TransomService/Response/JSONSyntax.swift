/// Says whether bytes are exactly one JSON text (RFC 8259).
///
/// PostgreSQL checked json and jsonb before, but in the client encoding of its own: one look here
/// keeps a value that would break the whole answer out of it.
/// Not recursive: depth costs a byte of a reused stack, so no document can exhaust the thread's.
struct JSONSyntax {
  private enum Container {
    case array
    case object
  }

  private var open: [Container] = []

  init() {}

  mutating func isText(_ text: Span<UInt8>) -> Bool {
    open.removeAll(keepingCapacity: true)
    var index = Self.skipSpace(in: text, from: 0)
    while index < text.count {
      switch text[index] {
      case UInt8(ascii: "{"):
        index = Self.skipSpace(in: text, from: index + 1)
        if index < text.count, text[index] != UInt8(ascii: "}") {
          guard let value = Self.skipKey(in: text, from: index) else { return false }
          open.append(.object)
          index = value
          continue
        }
        index += 1
      case UInt8(ascii: "["):
        index = Self.skipSpace(in: text, from: index + 1)
        if index < text.count, text[index] != UInt8(ascii: "]") {
          open.append(.array)
          continue
        }
        index += 1
      default:
        guard let end = Self.skipScalar(in: text, from: index) else { return false }
        index = end
      }
      switch afterValue(in: text, from: index) {
      case .value(let next): index = next
      case .end: return true
      case .invalid: return false
      }
    }
    return false
  }

  private enum Next {
    case value(at: Int)
    case end
    case invalid
  }

  /// Closes what closes after a value, and finds the next value.
  private mutating func afterValue(in text: Span<UInt8>, from start: Int) -> Next {
    // An empty container that ended with the text left the index one too far.
    guard start <= text.count else { return .invalid }
    var index = Self.skipSpace(in: text, from: start)
    while let container = open.last {
      guard index < text.count else { return .invalid }
      switch (text[index], container) {
      case (UInt8(ascii: ","), .array):
        return .value(at: Self.skipSpace(in: text, from: index + 1))
      case (UInt8(ascii: ","), .object):
        let key = Self.skipSpace(in: text, from: index + 1)
        guard let value = Self.skipKey(in: text, from: key) else { return .invalid }
        return .value(at: value)
      case (UInt8(ascii: "]"), .array), (UInt8(ascii: "}"), .object):
        open.removeLast()
        index = Self.skipSpace(in: text, from: index + 1)
      default:
        return .invalid
      }
    }
    return index == text.count ? .end : .invalid
  }
}

extension JSONSyntax {
  /// Whether the text is one number: what PostgreSQL's `to_json` asks before it leaves the quotes
  /// out, so that `NaN` and `Infinity` stay strings.
  static func isNumber(_ text: Span<UInt8>) -> Bool {
    skipNumber(in: text, from: 0) == text.count
  }

  private static func skipSpace(in text: Span<UInt8>, from start: Int) -> Int {
    var index = start
    while index < text.count {
      switch text[index] {
      case 0x20, 0x09, 0x0a, 0x0d: index += 1
      default: return index
      }
    }
    return index
  }

  /// Skips a member's name, its colon and the space before its value.
  private static func skipKey(in text: Span<UInt8>, from start: Int) -> Int? {
    guard start < text.count, text[start] == UInt8(ascii: "\""),
      let end = skipString(in: text, from: start)
    else { return nil }
    let colon = skipSpace(in: text, from: end)
    guard colon < text.count, text[colon] == UInt8(ascii: ":") else { return nil }
    return skipSpace(in: text, from: colon + 1)
  }

  private static func skipScalar(in text: Span<UInt8>, from start: Int) -> Int? {
    switch text[start] {
    case UInt8(ascii: "\""): skipString(in: text, from: start)
    case UInt8(ascii: "t"): skipWord("true", in: text, from: start)
    case UInt8(ascii: "f"): skipWord("false", in: text, from: start)
    case UInt8(ascii: "n"): skipWord("null", in: text, from: start)
    default: skipNumber(in: text, from: start)
    }
  }

  private static func skipWord(_ word: String, in text: Span<UInt8>, from start: Int) -> Int? {
    let word = word.utf8.span
    guard text.count - start >= word.count else { return nil }
    for offset in word.indices where text[start + offset] != word[offset] { return nil }
    return start + word.count
  }

  private static func skipString(in text: Span<UInt8>, from start: Int) -> Int? {
    var index = text.endOfPlainASCII(from: start + 1)
    while index < text.count {
      switch text[index] {
      case UInt8(ascii: "\""):
        return index + 1
      case UInt8(ascii: "\\"):
        guard let end = skipEscape(in: text, from: index) else { return nil }
        index = end
      case 0x80...:
        let length = text.lengthOfUTF8Scalar(at: index)
        guard length > 0 else { return nil }
        index += length
      default:
        return nil
      }
      index = text.endOfPlainASCII(from: index)
    }
    return nil
  }

  private static func skipEscape(in text: Span<UInt8>, from start: Int) -> Int? {
    guard start + 1 < text.count else { return nil }
    switch text[start + 1] {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"), UInt8(ascii: "b"),
      UInt8(ascii: "f"), UInt8(ascii: "n"), UInt8(ascii: "r"), UInt8(ascii: "t"):
      return start + 2
    case UInt8(ascii: "u"):
      guard start + 6 <= text.count else { return nil }
      for index in start + 2..<start + 6 {
        switch text[index] {
        case 0x30...0x39, 0x41...0x46, 0x61...0x66: continue
        default: return nil
        }
      }
      return start + 6
    default:
      return nil
    }
  }

  private static func skipNumber(in text: Span<UInt8>, from start: Int) -> Int? {
    var index = start
    if index < text.count, text[index] == UInt8(ascii: "-") { index += 1 }
    let integer = index
    guard let integerEnd = skipDigits(in: text, from: index) else { return nil }
    if text[integer] == UInt8(ascii: "0"), integerEnd > integer + 1 { return nil }
    index = integerEnd
    if index < text.count, text[index] == UInt8(ascii: ".") {
      guard let end = skipDigits(in: text, from: index + 1) else { return nil }
      index = end
    }
    if index < text.count, text[index] | 0x20 == UInt8(ascii: "e") {
      index += 1
      if index < text.count, text[index] == UInt8(ascii: "-") || text[index] == UInt8(ascii: "+") {
        index += 1
      }
      guard let end = skipDigits(in: text, from: index) else { return nil }
      index = end
    }
    return index
  }

  private static func skipDigits(in text: Span<UInt8>, from start: Int) -> Int? {
    var index = start
    while index < text.count, 0x30...0x39 ~= text[index] { index += 1 }
    return index > start ? index : nil
  }
}
