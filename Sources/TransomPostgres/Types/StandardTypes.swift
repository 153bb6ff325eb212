public import FoundationEssentials

// Numbers, booleans, texts, bytes, UUIDs and optionals, in PostgreSQL's text forms (manual, chapter 8 "Data Types").

extension PostgresEncodable where Self: FixedWidthInteger {
  /// Appends the number in decimal.
  public func encode(into text: inout ParameterText) { text.append(decimal: self) }
}

extension PostgresDecodable where Self: FixedWidthInteger {
  /// Reads a whole number that fits, such as of `int2`, `int4`, `int8`, `numeric` or `oid`.
  public init(decoding value: PostgresValue) throws {
    let number = value.withBytes { Self.parse($0) }
    guard let number else { throw value.mismatch(Self.self) }
    self = number
  }

  private static func parse(_ bytes: Span<UInt8>) -> Self? {
    var index = 0
    let isNegative = !bytes.isEmpty && bytes[0] == UInt8(ascii: "-")
    if isNegative { index = 1 }
    guard index < bytes.count else { return nil }
    var number: Self = 0
    while index < bytes.count {
      let digit = bytes[index] &- UInt8(ascii: "0")
      guard digit < 10 else { return nil }
      let (tens, tooLarge) = number.multipliedReportingOverflow(by: 10)
      let (sum, overflow) =
        isNegative
        ? tens.subtractingReportingOverflow(Self(digit))
        : tens.addingReportingOverflow(Self(digit))
      guard !tooLarge, !overflow else { return nil }
      number = sum
      index += 1
    }
    return number
  }
}

extension Int: PostgresEncodable, PostgresDecodable {}
extension Int8: PostgresEncodable, PostgresDecodable {}
extension Int16: PostgresEncodable, PostgresDecodable {}
extension Int32: PostgresEncodable, PostgresDecodable {}
extension Int64: PostgresEncodable, PostgresDecodable {}
extension UInt: PostgresEncodable, PostgresDecodable {}
extension UInt16: PostgresEncodable, PostgresDecodable {}
extension UInt32: PostgresEncodable, PostgresDecodable {}
extension UInt64: PostgresEncodable, PostgresDecodable {}
/// A number; but an array of them is a `bytea`.
extension UInt8: PostgresEncodable, PostgresDecodable {}

extension PostgresEncodable where Self: BinaryFloatingPoint & LosslessStringConvertible {
  /// Appends the shortest text that gives the same number again.
  public func encode(into text: inout ParameterText) {
    if isNaN {
      text.append("NaN")
    } else if isInfinite {
      text.append(self < 0 ? "-Infinity" : "Infinity")
    } else {
      text.append(description)
    }
  }
}

extension PostgresDecodable where Self: BinaryFloatingPoint & LosslessStringConvertible {
  /// Reads any number that is not too large.
  public init(decoding value: PostgresValue) throws {
    guard let text = value.text, let number = Self(text) else {
      throw value.mismatch(Self.self)
    }
    // What is too large for the type would be read as infinite.
    guard !number.isInfinite || text.hasSuffix("Infinity") else { throw value.mismatch(Self.self) }
    self = number
  }
}

extension Double: PostgresEncodable, PostgresDecodable {}
extension Float: PostgresEncodable, PostgresDecodable {}

extension Decimal: PostgresEncodable, PostgresDecodable {
  /// Appends all digits.
  public func encode(into text: inout ParameterText) { text.append(isNaN ? "NaN" : description) }

  /// Reads a `numeric`: up to 38 digits, as many as `Decimal` holds.
  public init(decoding value: PostgresValue) throws {
    guard let text = value.text else { throw value.mismatch(Decimal.self) }
    if text == "NaN" {
      self = .nan
      return
    }
    // Foundation would take a text for the number that it begins with, such as a date for its year.
    guard Self.isNumber(text), let number = Decimal(string: text), !number.isNaN,
      text.utf8.count <= 38 || Self.significantDigits(text) <= 38
    else { throw value.mismatch(Decimal.self) }
    self = number
  }

  private static func isNumber(_ text: String) -> Bool {
    text.wholeMatch(of: #/-?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/#) != nil
  }

  private static func significantDigits(_ text: String) -> Int {
    let digits = text.utf8.filter { 0x30...0x39 ~= $0 }
    let first = digits.firstIndex { $0 != 0x30 } ?? digits.endIndex
    let last = digits.lastIndex { $0 != 0x30 }.map { $0 + 1 } ?? first
    return max(0, last - first)
  }
}

extension Bool: PostgresEncodable, PostgresDecodable {
  /// Appends `t` or `f`.
  public func encode(into text: inout ParameterText) { text.append(self ? "t" : "f") }

  /// Reads a `boolean`.
  public init(decoding value: PostgresValue) throws {
    let flag = value.withBytes { bytes -> Bool? in
      guard bytes.count == 1 else { return nil }
      return switch bytes[0] {
      case UInt8(ascii: "t"): true
      case UInt8(ascii: "f"): false
      default: nil
      }
    }
    guard let flag else { throw value.mismatch(Bool.self) }
    self = flag
  }
}

extension String: PostgresEncodable, PostgresDecodable {
  /// Appends the text.
  public func encode(into text: inout ParameterText) { text.append(self) }

  /// Reads any type, as its text form.
  public init(decoding value: PostgresValue) throws {
    guard let text = value.text else { throw value.mismatch(String.self) }
    self = text
  }
}

extension Substring: PostgresEncodable {
  /// Appends the text.
  public func encode(into text: inout ParameterText) { text.append(self) }
}

extension UUID: PostgresEncodable, PostgresDecodable {
  /// Appends the 36 characters.
  public func encode(into text: inout ParameterText) { text.append(uuidString) }

  /// Reads a `uuid`.
  public init(decoding value: PostgresValue) throws {
    guard let text = value.text, let uuid = UUID(uuidString: text) else {
      throw value.mismatch(UUID.self)
    }
    self = uuid
  }
}

extension Optional: PostgresEncodable where Wrapped: PostgresEncodable {
  /// Appends the value; nil is NULL.
  public func encode(into text: inout ParameterText) {
    if let self { self.encode(into: &text) } else { text.appendNull() }
  }
}

extension Optional: PostgresDecodable where Wrapped: PostgresDecodable {
  /// Reads the value; NULL is nil.
  public init(decoding value: PostgresValue) throws {
    self = value.isNull ? nil : try Wrapped(decoding: value)
  }
}
