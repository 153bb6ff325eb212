/// Reads PostgreSQL's text form of a row, field by field
/// (PostgreSQL manual, 8.16.6 "Composite Type Input and Output Syntax").
///
/// `(1,"a ""b""",,"")`: the third field is NULL, the fourth is empty. Whether `()` has one field or none,
/// only the type tells, so the number of fields is given.
struct CompositeTextReader {
  enum Token {
    case null
    /// A field's text, unescaped, stands in the buffer.
    case field
    case end
    case malformed
  }

  private var remaining: Int
  private var index = 0

  init(fieldCount: Int) { remaining = fieldCount }

  /// The next token of `text`, which must be the same at every call.
  mutating func next(in text: Span<UInt8>, field: inout [UInt8]) -> Token {
    guard remaining > 0 else { return isEnd(of: text) ? .end : .malformed }
    guard index < text.count, text[index] == (index == 0 ? Self.open : JSONWriter.comma) else {
      return .malformed
    }
    index += 1
    remaining -= 1
    guard index < text.count else { return .malformed }
    if text[index] == JSONWriter.comma || text[index] == Self.close { return .null }
    return readField(text, into: &field) ? .field : .malformed
  }

  /// Only a row without any field has not been opened yet.
  private func isEnd(of text: Span<UInt8>) -> Bool {
    if index == 0 { return text.count == 2 && text[0] == Self.open && text[1] == Self.close }
    return index + 1 == text.count && text[index] == Self.close
  }

  /// Reads up to the comma or parenthesis that is not quoted; false if there is none.
  private mutating func readField(_ text: Span<UInt8>, into field: inout [UInt8]) -> Bool {
    field.removeAll(keepingCapacity: true)
    var isQuoted = false
    while index < text.count {
      let byte = text[index]
      switch byte {
      case JSONWriter.quote:
        index += 1
        // Twice inside of quotes, it stands for itself.
        if isQuoted, index < text.count, text[index] == JSONWriter.quote {
          field.append(byte)
          index += 1
        } else {
          isQuoted.toggle()
        }
      case JSONWriter.backslash:
        guard index + 1 < text.count else { return false }
        field.append(text[index + 1])
        index += 2
      case JSONWriter.comma where !isQuoted, Self.close where !isQuoted:
        return true
      default:
        field.append(byte)
        index += 1
      }
    }
    return false
  }

  private static let open = UInt8(ascii: "(")
  private static let close = UInt8(ascii: ")")
}
