/// A value of a range type, with any bounds (PostgreSQL manual, 8.17 "Range Types").
///
/// Swift's own `Range` and `ClosedRange` can be parameters and come out of rows, too, where their bounds fit.
public struct PostgresRange<Bound> {
  /// Where a range ends on one side.
  public struct End {
    /// The bound.
    public var value: Bound
    /// Whether the bound belongs to the range.
    public var isInclusive: Bool

    /// Takes both.
    public init(_ value: Bound, isInclusive: Bool) {
      self.value = value
      self.isInclusive = isInclusive
    }
  }

  /// Where it begins; nil: nowhere.
  public var lower: End?
  /// Where it ends; nil: nowhere.
  public var upper: End?
  /// Whether nothing is in it. Then the bounds mean nothing.
  public var isEmpty = false

  /// Takes the bounds.
  public init(lower: End?, upper: End?) {
    self.lower = lower
    self.upper = upper
  }

  /// The range that holds nothing.
  public static var empty: PostgresRange {
    var range = PostgresRange(lower: nil, upper: nil)
    range.isEmpty = true
    return range
  }
}

extension PostgresRange.End: Equatable where Bound: Equatable {}
extension PostgresRange: Equatable where Bound: Equatable {}
extension PostgresRange.End: Sendable where Bound: Sendable {}
extension PostgresRange: Sendable where Bound: Sendable {}

extension PostgresRange: PostgresEncodable where Bound: PostgresEncodable {
  /// Appends a range such as `["1","5")`.
  public func encode(into text: inout ParameterText) {
    guard !isEmpty else { return text.append("empty") }
    text.append(lower?.isInclusive == true ? "[" : "(")
    text.append(bound: lower?.value)
    text.append(",")
    text.append(bound: upper?.value)
    text.append(upper?.isInclusive == true ? "]" : ")")
  }
}

extension PostgresRange: PostgresDecodable where Bound: PostgresDecodable {
  /// Reads a range.
  public init(decoding value: PostgresValue) throws {
    guard let text = value.text, let literal = RangeLiteral(text) else {
      throw value.mismatch(PostgresRange.self)
    }
    guard !literal.isEmpty else {
      self = .empty
      return
    }
    lower = try literal.lower.map {
      End(try Bound(decoding: PostgresValue(part: $0)), isInclusive: literal.includesLower)
    }
    upper = try literal.upper.map {
      End(try Bound(decoding: PostgresValue(part: $0)), isInclusive: literal.includesUpper)
    }
  }
}

extension Range: PostgresEncodable where Bound: PostgresEncodable {
  /// Appends a range with its lower bound and without the upper one.
  public func encode(into text: inout ParameterText) {
    PostgresRange(
      lower: .init(lowerBound, isInclusive: true), upper: .init(upperBound, isInclusive: false)
    ).encode(into: &text)
  }
}

extension Range: PostgresDecodable where Bound: PostgresDecodable {
  /// Reads a range that includes its lower bound and not its upper one, such as every `int4range`.
  public init(decoding value: PostgresValue) throws {
    let range = try PostgresRange<Bound>(decoding: value)
    guard !range.isEmpty, let lower = range.lower, let upper = range.upper, lower.isInclusive,
      !upper.isInclusive, lower.value <= upper.value
    else { throw value.mismatch(Range.self) }
    self = lower.value..<upper.value
  }
}

extension ClosedRange: PostgresEncodable where Bound: PostgresEncodable {
  /// Appends a range with both bounds.
  public func encode(into text: inout ParameterText) {
    PostgresRange(
      lower: .init(lowerBound, isInclusive: true), upper: .init(upperBound, isInclusive: true)
    ).encode(into: &text)
  }
}

extension ClosedRange: PostgresDecodable where Bound: PostgresDecodable {
  /// Reads a range that includes both bounds, or one of whole numbers.
  public init(decoding value: PostgresValue) throws {
    let range = try PostgresRange<Bound>(decoding: value)
    guard !range.isEmpty, let lower = range.lower, lower.isInclusive,
      let end = range.upper, let upper = Self.last(end), lower.value <= upper
    else { throw value.mismatch(ClosedRange.self) }
    self = lower.value...upper
  }

  /// The last value before the end of a range.
  private static func last(_ end: PostgresRange<Bound>.End) -> Bound? {
    guard !end.isInclusive else { return end.value }
    guard let number = end.value as? any FixedWidthInteger else { return nil }
    return predecessor(of: number) as? Bound
  }
}

private func predecessor<Number: FixedWidthInteger>(of number: Number) -> Number? {
  let (value, overflow) = number.subtractingReportingOverflow(1)
  return overflow ? nil : value
}

/// Reads the text form of a range (8.17.5 "Range Input/Output").
private struct RangeLiteral {
  var lower: [UInt8]?
  var upper: [UInt8]?
  var includesLower = false
  var includesUpper = false
  var isEmpty = false

  init?(_ text: String) {
    let bytes = Array(text.utf8)
    guard bytes != Array("empty".utf8) else {
      isEmpty = true
      return
    }
    guard let first = bytes.first, let last = bytes.last, bytes.count >= 3 else { return nil }
    includesLower = first == UInt8(ascii: "[")
    includesUpper = last == UInt8(ascii: "]")
    guard includesLower || first == UInt8(ascii: "("), includesUpper || last == UInt8(ascii: ")")
    else { return nil }
    var index = 1
    lower = Self.bound(bytes, &index)
    guard index < bytes.count, bytes[index] == UInt8(ascii: ",") else { return nil }
    index += 1
    upper = Self.bound(bytes, &index)
    guard index == bytes.count - 1 else { return nil }
  }

  /// One bound, up to the sign that ends it; nil if there is none.
  private static func bound(_ bytes: [UInt8], _ index: inout Int) -> [UInt8]? {
    var bound: [UInt8] = []
    var isQuoted = false
    let start = index
    while index < bytes.count - 1 {
      let byte = bytes[index]
      if !isQuoted, byte == UInt8(ascii: ",") { break }
      index += 1
      switch byte {
      case UInt8(ascii: "\"") where isQuoted && bytes[index] == byte:
        bound.append(byte)
        index += 1
      case UInt8(ascii: "\""): isQuoted.toggle()
      case UInt8(ascii: "\\"):
        bound.append(bytes[index])
        index += 1
      default: bound.append(byte)
      }
    }
    return index == start ? nil : bound
  }
}
