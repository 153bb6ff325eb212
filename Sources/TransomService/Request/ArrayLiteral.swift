/// What the type of a parameter makes of a JSON array.
package enum ArrayForm: Equatable, Sendable {
  /// Its JSON text: of json and jsonb, and of every type that is no array and says itself what it takes.
  case json
  /// PostgreSQL's text form of an array.
  case array(delimiter: UInt8, elementsAreJSON: Bool)
  /// Elements with a space between: `int2vector` and `oidvector`.
  case vector

  package init(_ encoding: ColumnEncoding) {
    switch encoding {
    case .array(let element, let delimiter):
      self = .array(delimiter: delimiter, elementsAreJSON: element == .scalar(.json))
    case .scalar(.numberVector), .scalar(.textVector): self = .vector
    case .scalar, .composite: self = .json
    }
  }
}

/// Turns a JSON array into PostgreSQL's text form of an array
/// (PostgreSQL manual, 8.15.2 "Array Value Input"): `[1, "a b", null]` into `{1,"a b",NULL}`.
///
/// Arrays inside are further dimensions; objects inside, and, if the elements are json or jsonb, arrays too, are
/// elements as JSON text. Numbers keep their digits, strings are their text.
///
/// The JSON text must be one that `JSONReader` has accepted, and an array. Not recursive: no depth of a document can
/// exhaust the thread's stack.
package struct ArrayLiteral {
  /// Why an array has no such form.
  package struct Flaw: Error, Equatable {
    /// The indices that lead to where it was found.
    package var path: [Int]
    package var reason: String
  }

  /// An array that is open.
  private struct Level {
    var count = 0
    /// The length of the arrays of this depth; nil until the first one is closed.
    var length: Int?
  }

  private let delimiter: UInt8
  private let elementsAreJSON: Bool
  private let isVector: Bool
  /// Those of the dimensions that have been seen; the first `depth` of them are open.
  private var levels: [Level] = []
  private var depth = 0
  private var hasElement = false
  private var text: [UInt8]

  private init(_ form: ArrayForm, appendingTo text: consuming [UInt8]) {
    self.text = text
    switch form {
    case .array(let delimiter, let elementsAreJSON):
      (self.delimiter, self.elementsAreJSON, isVector) = (delimiter, elementsAreJSON, false)
    case .vector, .json:
      (delimiter, elementsAreJSON, isVector) = (UInt8(ascii: " "), false, true)
    }
  }

  /// Appends the array's text in this form.
  ///
  /// - Throws: `Flaw` if arrays inside differ in their lengths, or stand beside what is none.
  package static func append(
    _ json: Span<UInt8>, as form: ArrayForm, to text: inout [UInt8]
  ) throws(Flaw) {
    guard form != .json else { return text.append(copying: json) }
    let start = text.count
    var literal = ArrayLiteral(form, appendingTo: exchange(&text, with: []))
    try literal.read(json)
    text = literal.text
    guard !literal.hasElement, !literal.isVector else { return }
    // Without any element it has no dimension, either; `{{}}` was refused up to PostgreSQL 16.
    text.removeLast(text.count - start)
    text.append(copying: "{}")
  }

  private mutating func read(_ json: Span<UInt8>) throws(Flaw) {
    var index = 0
    while index < json.count {
      switch json[index] {
      case JSONWriter.openBracket where depth == 0 || !elementsAreJSON:
        try open()
        index += 1
      case JSONWriter.closeBracket:
        try close()
        index += 1
      case JSONWriter.comma:
        text.append(delimiter)
        index += 1
      case JSONWriter.openBracket, JSONWriter.openBrace:
        try beginElement()
        index = appendContainer(json, from: index)
      case JSONWriter.quote:
        try beginElement()
        index = appendString(json, from: index)
      case let byte where Self.isSpace(byte):
        index += 1
      default:
        try beginElement()
        index = try appendWord(json, from: index)
      }
    }
  }

  // MARK: Shape

  private mutating func open() throws(Flaw) {
    if depth > 0 { levels[depth - 1].count += 1 }
    if isVector, depth > 0 { throw flaw("its type has one dimension") }
    if depth == levels.count {
      if hasElement { throw flaw("it is an array, but what stands before it is none") }
      levels.append(Level())
    }
    levels[depth].count = 0
    depth += 1
    if !isVector { text.append(JSONWriter.openBrace) }
  }

  private mutating func close() throws(Flaw) {
    depth -= 1
    let length = levels[depth].length ?? levels[depth].count
    guard length == levels[depth].count else {
      throw flaw("it has the length \(levels[depth].count), but the one before it has \(length)")
    }
    levels[depth].length = length
    if !isVector { text.append(JSONWriter.closeBrace) }
  }

  private mutating func beginElement() throws(Flaw) {
    levels[depth - 1].count += 1
    guard depth == levels.count else {
      throw flaw("it is no array, but what stands before it is one")
    }
    hasElement = true
  }

  /// A flaw of the value that was counted last.
  private func flaw(_ reason: String) -> Flaw {
    Flaw(path: levels[..<depth].map { $0.count - 1 }, reason: reason)
  }
}

// What an element looks like. Each function returns the index behind what it has appended.
extension ArrayLiteral {
  /// A number, `true`, `false` or `null`: none of them needs quotes.
  private mutating func appendWord(_ json: Span<UInt8>, from start: Int) throws(Flaw) -> Int {
    var index = start
    while index < json.count, json[index] != JSONWriter.comma,
      json[index] != JSONWriter.closeBracket, !Self.isSpace(json[index])
    {
      index += 1
    }
    if json[start] != UInt8(ascii: "n") {
      text.append(copying: json.extracting(start..<index))
    } else if isVector {
      throw flaw("its type holds no null")
    } else {
      text.append(copying: "NULL")
    }
    return index
  }

  /// An array or object as an element: its JSON text.
  private mutating func appendContainer(_ json: Span<UInt8>, from start: Int) -> Int {
    appendQuote()
    var index = start
    var depth = 0
    repeat {
      switch json[index] {
      case JSONWriter.openBracket, JSONWriter.openBrace: depth += 1
      case JSONWriter.closeBracket, JSONWriter.closeBrace: depth -= 1
      case JSONWriter.quote:
        let end = Self.endOfString(json, from: index)
        while index < end - 1 {
          appendQuoted(json[index])
          index += 1
        }
      default: break
      }
      appendQuoted(json[index])
      index += 1
    } while depth > 0 && index < json.count
    appendQuote()
    return index
  }

  private mutating func appendString(_ json: Span<UInt8>, from start: Int) -> Int {
    let end = Self.endOfString(json, from: start)
    appendQuote()
    var index = start + 1
    while index < end - 1 {
      var escape = index
      while escape < end - 1, json[escape] != JSONWriter.backslash { escape += 1 }
      text.append(copying: json.extracting(index..<escape))
      index = escape < end - 1 ? appendEscape(json, from: escape) : escape
    }
    appendQuote()
    return end
  }

  private static func endOfString(_ json: Span<UInt8>, from start: Int) -> Int {
    var index = start + 1
    while index < json.count, json[index] != JSONWriter.quote {
      index += json[index] == JSONWriter.backslash ? 2 : 1
    }
    return min(index + 1, json.count)
  }

  private mutating func appendEscape(_ json: Span<UInt8>, from start: Int) -> Int {
    guard start + 1 < json.count else { return json.count }
    switch json[start + 1] {
    case UInt8(ascii: "b"): text.append(0x08)
    case UInt8(ascii: "f"): text.append(0x0c)
    case UInt8(ascii: "n"): text.append(0x0a)
    case UInt8(ascii: "r"): text.append(0x0d)
    case UInt8(ascii: "t"): text.append(0x09)
    case UInt8(ascii: "u"): return appendScalar(json, from: start)
    case let byte: appendQuoted(byte)
    }
    return start + 2
  }

  /// `\u` and four digits, or the two of a surrogate pair.
  private mutating func appendScalar(_ json: Span<UInt8>, from start: Int) -> Int {
    var end = start + 6
    var value = Self.codeUnit(json, at: start + 2)
    if 0xd800...0xdbff ~= value, end + 6 <= json.count, json[end] == JSONWriter.backslash,
      json[end + 1] == UInt8(ascii: "u")
    {
      let low = Self.codeUnit(json, at: end + 2)
      if 0xdc00...0xdfff ~= low {
        value = 0x10000 + (value - 0xd800) << 10 + (low - 0xdc00)
        end += 6
      }
    }
    let scalar = Unicode.Scalar(value) ?? "\u{fffd}"
    for byte in UTF8.encode(scalar) ?? UTF8.encodedReplacementCharacter { appendQuoted(byte) }
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

  private mutating func appendQuote() {
    if !isVector { text.append(JSONWriter.quote) }
  }

  /// One byte inside of the literal's quotes.
  private mutating func appendQuoted(_ byte: UInt8) {
    if !isVector, byte == JSONWriter.quote || byte == JSONWriter.backslash {
      text.append(JSONWriter.backslash)
    }
    text.append(byte)
  }

  private static func isSpace(_ byte: UInt8) -> Bool {
    byte == 0x20 || 0x09...0x0a ~= byte || byte == 0x0d
  }
}
