/// A value that can be a statement's parameter.
///
/// Parameters go as PostgreSQL's text form, and the server infers their types from where they stand. A type of one's
/// own conforms by appending its text:
///
///     extension Celsius: PostgresEncodable {
///       public func encode(into text: inout ParameterText) { degrees.encode(into: &text) }
///     }
public protocol PostgresEncodable {
  /// Appends the value's text form, or nothing and `appendNull()`.
  func encode(into text: inout ParameterText)
}

/// The text form of one parameter while it is written.
public struct ParameterText {
  /// All parameters before, and this one.
  package internal(set) var bytes: [UInt8]
  package private(set) var isNull = false
  private(set) var flaw: PostgresError?

  package init(appendingTo bytes: consuming [UInt8]) { self.bytes = bytes }

  /// Appends text. It must hold no U+0000, which PostgreSQL cannot store: then the statement is refused.
  public mutating func append(_ text: some StringProtocol) { bytes.append(contentsOf: text.utf8) }

  /// Makes the parameter NULL. Nothing else may be appended.
  public mutating func appendNull() { isNull = true }

  /// Makes the statement fail before it is sent.
  mutating func fail(_ error: PostgresError) { flaw = error }

  mutating func append<Number: FixedWidthInteger>(decimal value: Number) {
    guard Number.bitWidth <= 64 else { return append(String(value)) }
    var digits = InlineArray<20, UInt8>(repeating: 0)
    var first = digits.count
    var rest = UInt64(value.magnitude)
    repeat {
      first -= 1
      digits[first] = UInt8(ascii: "0") + UInt8(truncatingIfNeeded: rest % 10)
      rest /= 10
    } while rest > 0
    bytes.append(addingCapacity: digits.count + 1) { text in
      if value < 0 { text.append(UInt8(ascii: "-")) }
      for index in first..<digits.count { text.append(digits[index]) }
    }
  }

  mutating func append(hex value: [UInt8]) {
    bytes.reserveCapacity(bytes.count + 2 * value.count + 3)
    bytes.append(UInt8(ascii: "\\"))
    bytes.append(UInt8(ascii: "x"))
    for byte in value {
      bytes.append(Self.hexDigit(byte >> 4))
      bytes.append(Self.hexDigit(byte & 15))
    }
  }

  private static func hexDigit(_ value: UInt8) -> UInt8 {
    value + (value < 10 ? UInt8(ascii: "0") : UInt8(ascii: "a") - 10)
  }

  /// Appends an array literal (8.15.2 "Array Value Input").
  mutating func append<Element: PostgresEncodable>(
    array: [Element], nested: Bool
  ) {
    bytes.append(UInt8(ascii: "{"))
    for (index, element) in array.enumerated() {
      if index > 0 { bytes.append(UInt8(ascii: ",")) }
      let start = bytes.count
      element.encode(into: &self)
      if isNull {
        isNull = false
        bytes.append(contentsOf: "NULL".utf8)
      } else if !nested {
        quote(from: start)
      }
    }
    bytes.append(UInt8(ascii: "}"))
  }

  /// Appends a range's bound (8.17.5 "Range Input/Output"): nothing for none, which one that is NULL is, too.
  mutating func append(bound: (some PostgresEncodable)?) {
    let start = bytes.count
    bound?.encode(into: &self)
    guard bound != nil, !isNull else { return isNull = false }
    quote(from: start)
  }

  /// Quotes what was appended since `start`, unless it is a plain number.
  mutating func quote(from start: Int) {
    let isPlain = bytes[start...].allSatisfy {
      0x30...0x39 ~= $0 || $0 == UInt8(ascii: "-") || $0 == UInt8(ascii: ".")
    }
    guard !isPlain || start == bytes.count else { return }
    let text = Array(bytes[start...])
    bytes.removeSubrange(start...)
    bytes.append(UInt8(ascii: "\""))
    for byte in text {
      if byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") {
        bytes.append(UInt8(ascii: "\\"))
      }
      bytes.append(byte)
    }
    bytes.append(UInt8(ascii: "\""))
  }
}
