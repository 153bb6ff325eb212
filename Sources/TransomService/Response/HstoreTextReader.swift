/// Reads the text form of the extension hstore (PostgreSQL manual, F.18.1 "hstore External Representation"), as the
/// server writes it: `"a"=>"1", "b"=>NULL`.
struct HstoreTextReader {
  enum Token {
    /// A pair's key stands in the buffer.
    case key
    /// A pair's value stands in the buffer.
    case value
    case null
    case end
    case malformed
  }

  private var index = 0
  private var isInPair = false

  /// The next token of `text`, which must be the same at every call.
  mutating func next(in text: Span<UInt8>, into buffer: inout [UInt8]) -> Token {
    if isInPair {
      isInPair = false
      if skip("NULL", in: text) { return .null }
      return readQuoted(text, into: &buffer) ? .value : .malformed
    }
    if index == text.count { return .end }
    if index > 0, !skip(", ", in: text) { return .malformed }
    guard readQuoted(text, into: &buffer), skip("=>", in: text) else { return .malformed }
    isInPair = true
    return .key
  }

  private mutating func skip(_ word: String, in text: Span<UInt8>) -> Bool {
    let word = word.utf8.span
    guard text.count - index >= word.count else { return false }
    for offset in word.indices where text[index + offset] != word[offset] { return false }
    index += word.count
    return true
  }

  private mutating func readQuoted(_ text: Span<UInt8>, into buffer: inout [UInt8]) -> Bool {
    buffer.removeAll(keepingCapacity: true)
    guard index < text.count, text[index] == JSONWriter.quote else { return false }
    index += 1
    while index < text.count, text[index] != JSONWriter.quote {
      if text[index] == JSONWriter.backslash {
        index += 1
        guard index < text.count else { return false }
      }
      buffer.append(text[index])
      index += 1
    }
    guard index < text.count else { return false }
    index += 1
    return true
  }
}
