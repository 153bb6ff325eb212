/// Appends JSON (RFC 8259) to one buffer.
///
/// Writes tokens; commas and brackets are the caller's. Whatever bytes come, a string that it
/// writes is valid: see ``string(_:)-(Span<UInt8>)``.
package struct JSONWriter {
  /// What was written so far. Give the same buffer again to save the allocation.
  package var bytes: [UInt8]

  /// Goes on after what `bytes` holds already.
  package init(bytes: consuming [UInt8] = []) {
    self.bytes = consume bytes
  }

  /// Appends one byte of structure: a bracket, a comma, a quote.
  @inline(__always)
  package mutating func byte(_ byte: UInt8) {
    bytes.append(byte)
  }

  /// Appends JSON text as it is.
  @inline(__always)
  package mutating func raw(_ text: Span<UInt8>) {
    bytes.append(copying: text)
  }

  /// Appends JSON text as it is.
  @inline(__always)
  package mutating func raw(_ text: StaticString) {
    bytes.append(copying: text)
  }

  /// Appends JSON text in two pieces as they are.
  @inline(__always)
  mutating func raw(_ first: Span<UInt8>, _ second: Span<UInt8>) {
    bytes.append(copying: first, then: second)
  }

  /// Appends JSON text in two pieces as they are.
  @inline(__always)
  mutating func raw(_ first: Span<UInt8>, _ second: StaticString) {
    bytes.append(copying: first, then: second)
  }

  /// Makes one line of what stands from `start` on. In a string a line break is escaped: what is left is white space
  /// between the tokens of a `json` value.
  mutating func takeOutLineBreaks(from start: Int) {
    for index in start..<bytes.count where bytes[index] < 0x20 { bytes[index] = 0x20 }
  }

  package mutating func null() {
    raw("null")
  }

  package mutating func bool(_ value: Bool) {
    if value { raw("true") } else { raw("false") }
  }

  /// Appends an integer in decimal digits.
  package mutating func integer(_ value: Int) {
    if value < 0 { byte(Self.minus) }
    let magnitude = value.magnitude
    guard magnitude > 9 else { return byte(0x30 + UInt8(magnitude)) }
    var divisor: UInt = 1
    while magnitude / divisor > 9 { divisor *= 10 }
    while divisor > 0 {
      byte(0x30 + UInt8(magnitude / divisor % 10))
      divisor /= 10
    }
  }

  /// Appends `"name":` of an object's member.
  package mutating func key(_ name: String) {
    string(name)
    byte(Self.colon)
  }

  package mutating func string(_ text: String) {
    string(text.utf8.span)
  }

  /// Appends a string of UTF-8 text (RFC 8259, section 7).
  ///
  /// Escapes what must be and nothing else. A byte that is no part of valid UTF-8 becomes
  /// U+FFFD: a database in SQL_ASCII, or a client that sets `client_encoding`, can send such.
  package mutating func string(_ text: Span<UInt8>) {
    string(text, after: Span())
  }

  /// Appends `opening` as it is, and a string of UTF-8 text.
  mutating func string(_ text: Span<UInt8>, after opening: Span<UInt8>) {
    let plain = text.endOfPlainASCII(from: 0)
    guard plain < text.count else {
      return bytes.append(copying: opening, thenQuoting: text, then: Span())
    }
    raw(opening)
    byte(Self.quote)
    stringContent(text, plain: plain)
    byte(Self.quote)
  }

  /// Appends a string of UTF-8 text between two texts that are appended as they are.
  mutating func string(
    _ text: Span<UInt8>, between opening: StaticString, and closing: StaticString
  ) {
    let plain = text.endOfPlainASCII(from: 0)
    guard plain < text.count else {
      return bytes.append(copying: opening, thenQuoting: text, then: closing)
    }
    raw(opening)
    byte(Self.quote)
    stringContent(text, plain: plain)
    byte(Self.quote)
    raw(closing)
  }

  /// Appends the text as the inside of a string, of which the first `plain` bytes need nothing.
  private mutating func stringContent(_ text: Span<UInt8>, plain: Int) {
    var run = 0
    var index = plain
    while index < text.count {
      let byte = text[index]
      if byte >= 0x80 {
        let length = text.lengthOfUTF8Scalar(at: index)
        if length == 0 {
          raw(text.extracting(run..<index))
          raw("\u{fffd}")
          run = index + 1
        }
        index += max(length, 1)
      } else {
        escape(byte, after: text.extracting(run..<index))
        index += 1
        run = index
      }
      // Text that is not Latin has one such byte after the other: no scan for each.
      if index < text.count, text[index] < 0x80 { index = text.endOfPlainASCII(from: index) }
    }
    raw(text.extracting(run..<text.count))
  }

  /// Appends `run` as it is, and the escape of an ASCII byte: the short one where there is one.
  private mutating func escape(_ byte: UInt8, after run: Span<UInt8>) {
    switch byte {
    case Self.quote: raw(run, #"\""#)
    case Self.backslash: raw(run, #"\\"#)
    case 0x08: raw(run, #"\b"#)
    case 0x09: raw(run, #"\t"#)
    case 0x0a: raw(run, #"\n"#)
    case 0x0c: raw(run, #"\f"#)
    case 0x0d: raw(run, #"\r"#)
    default:
      raw(run, #"\u00"#)
      bytes.append(0x30 + byte >> 4)
      let low = byte & 0x0f
      bytes.append(low < 10 ? 0x30 + low : 0x57 + low)
    }
  }
}

extension JSONWriter {
  static let quote = UInt8(ascii: "\"")
  static let backslash = UInt8(ascii: "\\")
  static let colon = UInt8(ascii: ":")
  static let comma = UInt8(ascii: ",")
  static let minus = UInt8(ascii: "-")
  static let openBrace = UInt8(ascii: "{")
  static let closeBrace = UInt8(ascii: "}")
  static let openBracket = UInt8(ascii: "[")
  static let closeBracket = UInt8(ascii: "]")
}
