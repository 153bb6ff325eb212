/// Splits SQL as PostgreSQL's lexer does (src/backend/parser/scan.l; manual, 4.1 "Lexical
/// Structure"), as far as it takes to see what command a statement is.
///
/// Rules of this file:
/// - When in doubt, refuse: what is let through must be read here just as the server reads it.
/// - A statement that does not begin with one of the few words in `refusal()` is done after that
///   word; only COPY is read further, and queries are, for the functions that they call.
/// - The text may be anything in UTF-8; NUL cannot occur, and stands for its end.
struct SQLScanner: ~Escapable {
  let sql: Span<UInt8>
  private(set) var position = 0
  /// What `refusal()` found the statement to be.
  var kind = SQLText.Kind.other
  /// Whether a backslash in a plain string escapes: `standard_conforming_strings` is off.
  var backslashEscapes = false

  @_lifetime(copy sql)
  init(_ sql: Span<UInt8>) {
    self.sql = sql
  }

  enum Token: Equatable {
    /// An identifier or keyword that is not quoted.
    case word(Range<Int>)
    /// A character string of any form.
    case string
    /// `$n`.
    case parameter(Int)
    case open
    case close
    case dot
    /// A quoted identifier, a bit string, or one octet of anything else.
    case other
    case end
  }

  mutating func next() -> Token {
    skipIgnored()
    switch byte(at: position) {
    case 0 where position >= sql.count:
      return .end
    case UInt8(ascii: "("), UInt8(ascii: "["):
      position += 1
      return .open
    case UInt8(ascii: ")"), UInt8(ascii: "]"):
      position += 1
      return .close
    case UInt8(ascii: "."):
      position += 1
      return .dot
    case UInt8(ascii: "'"):
      skipString(backslashEscapes: backslashEscapes)
      return .string
    case UInt8(ascii: "\""):
      skipQuotedName()
      return .other
    case UInt8(ascii: "$"):
      return parameter() ?? (skipDollarQuoted() ? .string : .other)
    case let first where Self.beginsWord(first):
      return prefixedLiteral() ?? word()
    default:
      position += 1
      return .other
    }
  }

  /// Whether a word is this keyword, which is given in lower case. Only ASCII has case in SQL.
  func word(_ range: Range<Int>, is keyword: String) -> Bool {
    guard range.count == keyword.utf8.count else { return false }
    var index = range.lowerBound
    for letter in keyword.utf8 {
      guard sql[index] | 0x20 == letter else { return false }
      index += 1
    }
    return true
  }

  /// Skips white space and comments, and the semicolons of the empty commands before the first:
  /// to PostgreSQL, `;;COMMIT` is the one command COMMIT.
  mutating func skipToCommand() {
    skipIgnored()
    while byte(at: position) == UInt8(ascii: ";") {
      position += 1
      skipIgnored()
    }
  }

  private func byte(at index: Int) -> UInt8 {
    index < sql.count ? sql[index] : 0
  }

  private static func beginsWord(_ byte: UInt8) -> Bool {
    switch byte | 0x20 {
    case UInt8(ascii: "a")...UInt8(ascii: "z"): true
    default: byte >= 0x80 || byte == UInt8(ascii: "_")
    }
  }

  private static func isDigit(_ byte: UInt8) -> Bool {
    UInt8(ascii: "0")...UInt8(ascii: "9") ~= byte
  }

  private static func isNewline(_ byte: UInt8) -> Bool { byte == 0x0A || byte == 0x0D }

  /// Space, tab, line feed, form feed, carriage return; and vertical tab, which is white space
  /// since PostgreSQL 16 and a syntax error before.
  private static func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || 0x09...0x0D ~= byte }
}

extension SQLScanner {
  private mutating func skipIgnored() {
    while true {
      let first = byte(at: position)
      if Self.isSpace(first) {
        position += 1
      } else if first == UInt8(ascii: "-"), byte(at: position + 1) == UInt8(ascii: "-") {
        skipLineComment()
      } else if first == UInt8(ascii: "/"), byte(at: position + 1) == UInt8(ascii: "*") {
        skipBlockComment()
      } else {
        return
      }
    }
  }

  private mutating func skipLineComment() {
    while position < sql.count, !Self.isNewline(sql[position]) { position += 1 }
  }

  /// Block comments nest, unlike in C.
  private mutating func skipBlockComment() {
    var depth = 0
    while position < sql.count {
      switch (sql[position], byte(at: position + 1)) {
      case (UInt8(ascii: "/"), UInt8(ascii: "*")):
        depth += 1
        position += 2
      case (UInt8(ascii: "*"), UInt8(ascii: "/")):
        depth -= 1
        position += 2
        if depth == 0 { return }
      default:
        position += 1
      }
    }
  }

  private mutating func word() -> Token {
    let start = position
    while position < sql.count {
      let next = sql[position]
      guard Self.beginsWord(next) || Self.isDigit(next) || next == UInt8(ascii: "$") else { break }
      position += 1
    }
    return .word(start..<position)
  }

  /// `E'…'`, `B'…'`, `X'…'`, `U&'…'`, `U&"…"`; nil if a word is just a word. (`N'…'` is a keyword
  /// and a plain string.)
  private mutating func prefixedLiteral() -> Token? {
    let second = byte(at: position + 1)
    switch (sql[position] | 0x20, second) {
    case (UInt8(ascii: "e"), UInt8(ascii: "'")):
      position += 1
      skipString(backslashEscapes: true)
      return .string
    case (UInt8(ascii: "b"), UInt8(ascii: "'")), (UInt8(ascii: "x"), UInt8(ascii: "'")):
      position += 1
      skipString(backslashEscapes: false, quotesDouble: false)
      return .other
    case (UInt8(ascii: "u"), UInt8(ascii: "&")) where byte(at: position + 2) == UInt8(ascii: "'"):
      position += 2
      skipString(backslashEscapes: false)
      return .string
    case (UInt8(ascii: "u"), UInt8(ascii: "&")) where byte(at: position + 2) == UInt8(ascii: "\""):
      position += 2
      skipQuotedName()
      return .other
    default:
      return nil
    }
  }

  private mutating func skipString(backslashEscapes: Bool, quotesDouble: Bool = true) {
    position += 1
    while position < sql.count {
      switch sql[position] {
      case UInt8(ascii: "\\") where backslashEscapes:
        position += 2
      case UInt8(ascii: "'"):
        position += 1
        if quotesDouble, byte(at: position) == UInt8(ascii: "'") {
          position += 1
        } else if let next = continuation() {
          position = next
        } else {
          return
        }
      default:
        position += 1
      }
    }
  }

  /// A string goes on, by the same rules, in the quotes on a later line: where it does so.
  /// Line comments may stand in between, block comments may not (`quotecontinue` in scan.l).
  private func continuation() -> Int? {
    var index = position
    var sawNewline = false
    while index < sql.count {
      let next = sql[index]
      if Self.isSpace(next) {
        sawNewline = sawNewline || Self.isNewline(next)
        index += 1
      } else if next == UInt8(ascii: "-"), byte(at: index + 1) == UInt8(ascii: "-") {
        while index < sql.count, !Self.isNewline(sql[index]) { index += 1 }
      } else {
        return sawNewline && next == UInt8(ascii: "'") ? index + 1 : nil
      }
    }
    return nil
  }

  private mutating func skipQuotedName() {
    position += 1
    while position < sql.count {
      let next = sql[position]
      position += 1
      guard next == UInt8(ascii: "\"") else { continue }
      guard byte(at: position) == UInt8(ascii: "\"") else { return }
      position += 1
    }
  }

  /// Higher numbers, of which the protocol has none, count as this one.
  static let maximumParameter = 100_000

  /// `$` and digits; nil if there are none.
  private mutating func parameter() -> Token? {
    var index = position + 1
    var number = 0
    while Self.isDigit(byte(at: index)) {
      number = min(number * 10 + Int(sql[index] - 0x30), Self.maximumParameter)
      index += 1
    }
    guard index > position + 1 else { return nil }
    position = index
    return .parameter(number)
  }

  /// Skips `$tag$ … $tag$`; false, one octet further, if no such quote begins here.
  private mutating func skipDollarQuoted() -> Bool {
    let start = position
    var index = position + 1
    while Self.beginsWord(byte(at: index)) || (index > start + 1 && Self.isDigit(byte(at: index))) {
      index += 1
    }
    guard byte(at: index) == UInt8(ascii: "$") else {
      position += 1
      return false
    }
    let delimiter = start..<(index + 1)
    position = index + 1
    while position < sql.count {
      if matches(delimiter, at: position) {
        position += delimiter.count
        return true
      }
      position += 1
    }
    return true
  }

  private func matches(_ range: Range<Int>, at start: Int) -> Bool {
    guard start + range.count <= sql.count else { return false }
    for offset in 0..<range.count where sql[start + offset] != sql[range.lowerBound + offset] {
      return false
    }
    return true
  }
}
