/// Reads PostgreSQL's text form of an array, token by token
/// (PostgreSQL manual, 8.15.6 "Array Input and Output Syntax").
///
/// `[2:3]={1,"a b",NULL}`: bounds in front are skipped, as `to_json` does. Tokens come in an order
/// that makes them JSON when each is written as its counterpart, or the text is malformed.
package struct ArrayTextReader {
  package enum Token {
    case open
    case close
    case delimiter
    case null
    /// An element's text, unescaped, stands in the buffer.
    case element
    case end
    case malformed
  }

  private enum Expectation {
    case opening
    /// Just after an opening brace.
    case elementOrClosing
    case element
    case delimiterOrClosing
    case end
  }

  private let delimiter: UInt8
  private var index: Int
  private var depth = 0
  private var expectation = Expectation.opening

  package init(_ text: Span<UInt8>, delimiter: UInt8) {
    self.delimiter = delimiter
    index = Self.endOfBounds(in: text)
  }

  /// The next token of `text`, which must be the same at every call.
  package mutating func next(in text: Span<UInt8>, element: inout [UInt8]) -> Token {
    if case .end = expectation { return index == text.count ? .end : .malformed }
    guard index < text.count else { return .malformed }
    let byte = text[index]
    switch expectation {
    case .opening:
      return byte == JSONWriter.openBrace ? open() : .malformed
    case .elementOrClosing, .element:
      if byte == JSONWriter.openBrace { return open() }
      if byte == JSONWriter.closeBrace {
        if case .elementOrClosing = expectation { return close() }
        return .malformed
      }
      expectation = .delimiterOrClosing
      return byte == JSONWriter.quote
        ? readQuoted(text, into: &element) : readUnquoted(text, into: &element)
    case .delimiterOrClosing:
      if byte == JSONWriter.closeBrace { return close() }
      guard byte == delimiter else { return .malformed }
      index += 1
      expectation = .element
      return .delimiter
    case .end:
      return .malformed
    }
  }

  private mutating func open() -> Token {
    index += 1
    depth += 1
    expectation = .elementOrClosing
    return .open
  }

  private mutating func close() -> Token {
    index += 1
    depth -= 1
    expectation = depth == 0 ? .end : .delimiterOrClosing
    return .close
  }

  private mutating func readQuoted(_ text: Span<UInt8>, into element: inout [UInt8]) -> Token {
    element.removeAll(keepingCapacity: true)
    index += 1
    while index < text.count, text[index] != JSONWriter.quote {
      if text[index] == JSONWriter.backslash {
        index += 1
        guard index < text.count else { return .malformed }
      }
      element.append(text[index])
      index += 1
    }
    guard index < text.count else { return .malformed }
    index += 1
    return .element
  }

  private mutating func readUnquoted(_ text: Span<UInt8>, into element: inout [UInt8]) -> Token {
    let start = index
    while index < text.count {
      let byte = text[index]
      if byte == delimiter || byte == JSONWriter.closeBrace { break }
      guard byte != JSONWriter.openBrace, byte != JSONWriter.quote, byte != JSONWriter.backslash
      else { return .malformed }
      index += 1
    }
    // Never empty, as the server writes it: an empty element is quoted.
    guard index > start else { return .malformed }
    let content = text.extracting(start..<index)
    if Self.isNull(content) { return .null }
    element.removeAll(keepingCapacity: true)
    element.append(copying: content)
    return .element
  }

  private static func isNull(_ text: Span<UInt8>) -> Bool {
    text.count == 4 && text[0] == UInt8(ascii: "N") && text[1] == UInt8(ascii: "U")
      && text[2] == UInt8(ascii: "L") && text[3] == UInt8(ascii: "L")
  }

  /// Where the braces begin after `[1:2][-3:-2]=`; 0 if there are no such bounds.
  private static func endOfBounds(in text: Span<UInt8>) -> Int {
    guard text.count > 0, text[0] == JSONWriter.openBracket else { return 0 }
    for index in text.indices where text[index] == UInt8(ascii: "=") { return index + 1 }
    return 0
  }
}
