/// Says whether bytes are exactly one JSON text (RFC 8259).
///
/// PostgreSQL checked json and jsonb before, but in the client encoding of its own: one look here
/// keeps a value that would break the whole answer out of it.
/// Not recursive: a level costs a byte of a reused stack, so no document can exhaust the thread's.
struct JSONSyntax {
  private enum Container {
    case array
    case object
  }

  /// What may come next, white space apart.
  private enum Expectation {
    case value
    /// Just after `[`.
    case valueOrClosing
    case key
    /// Just after `{`.
    case keyOrClosing
    case colon
    /// A comma, a closing bracket or, outside of all, the end.
    case next
  }

  private var open: [Container] = []
  /// Whether every text in UTF-8 passes, because somebody else has checked it.
  var isTrusting = false

  init() {}

  private static func isUTF8(_ text: Span<UInt8>) -> Bool {
    do {
      _ = try UTF8Span(validating: text)
      return true
    } catch {
      return false
    }
  }

  mutating func isText(_ text: Span<UInt8>) -> Bool {
    // PostgreSQL tells of another client encoding only at the sync.
    if isTrusting, Self.isUTF8(text) { return true }
    open.removeAll(keepingCapacity: true)
    var expectation = Expectation.value
    var index = 0
    while index < text.count {
      switch text[index] {
      case 0x20, 0x09, 0x0a, 0x0d:
        index += 1
      case UInt8(ascii: "\"") where expectation == .key || expectation == .keyOrClosing:
        guard let end = Self.skipString(in: text, from: index) else { return false }
        index = end
        expectation = .colon
      case UInt8(ascii: ":"):
        guard expectation == .colon else { return false }
        index += 1
        expectation = .value
      case UInt8(ascii: ","):
        guard expectation == .next, let container = open.last else { return false }
        index += 1
        expectation = container == .object ? .key : .value
      case UInt8(ascii: "["):
        guard expectation == .value || expectation == .valueOrClosing else { return false }
        open.append(.array)
        index += 1
        expectation = .valueOrClosing
      case UInt8(ascii: "{"):
        guard expectation == .value || expectation == .valueOrClosing else { return false }
        open.append(.object)
        index += 1
        expectation = .keyOrClosing
      case UInt8(ascii: "]"):
        guard expectation == .next || expectation == .valueOrClosing, open.popLast() == .array
        else { return false }
        index += 1
        expectation = .next
      case UInt8(ascii: "}"):
        guard expectation == .next || expectation == .keyOrClosing, open.popLast() == .object
        else { return false }
        index += 1
        expectation = .next
      default:
        guard expectation == .value || expectation == .valueOrClosing,
          let end = Self.skipScalar(in: text, from: index)
        else { return false }
        index = end
        expectation = .next
      }
    }
    return expectation == .next && open.isEmpty
  }
}

extension JSONSyntax {
  /// Whether the text is one number: what PostgreSQL's `to_json` asks before it leaves the quotes
  /// out, so that `NaN` and `Infinity` stay strings.
  static func isNumber(_ text: Span<UInt8>) -> Bool {
    skipNumber(in: text, from: 0) == text.count
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
