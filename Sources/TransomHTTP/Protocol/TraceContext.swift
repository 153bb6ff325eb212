/// The trace that a request belongs to (W3C Trace Context, section 3.2 "Traceparent Header").
package struct TraceContext: Equatable, Sendable {
  /// 16 octets, in hexadecimal digits.
  package let traceIDText: String
  /// The caller's own part of it: 8 octets, in hexadecimal digits.
  package let parentIDText: String
  /// Whether the caller keeps the trace.
  package let isSampled: Bool

  /// Reads the header field; nil if there is none, or it is malformed, which is to be taken for none (section 4.3).
  package init?(_ request: borrowing Request) {
    guard let field = request.field("traceparent"), request.fieldCount("traceparent") == 1 else {
      return nil
    }
    self.init(field)
  }

  /// Reads `version-traceID-parentID-flags`. Versions to come may have more behind that (section 4.3).
  package init?(_ field: Span<UInt8>) {
    let dash = UInt8(ascii: "-")
    guard field.count >= 55, field[2] == dash, field[35] == dash, field[52] == dash,
      let version = Self.octet(field, at: 0), version != 0xff,
      version == 0 ? field.count == 55 : field.count == 55 || field[55] == dash,
      let traceID = Self.digits(field, 3..<35), let parentID = Self.digits(field, 36..<52),
      let flags = Self.octet(field, at: 53)
    else { return nil }
    traceIDText = traceID
    parentIDText = parentID
    isSampled = flags & 1 == 1
  }

  /// Lower-case hexadecimal digits, not all of them zeros.
  private static func digits(_ field: Span<UInt8>, _ range: Range<Int>) -> String? {
    var digits: [UInt8] = []
    var isZero = true
    for index in range {
      guard value(of: field[index]) != nil else { return nil }
      if field[index] != UInt8(ascii: "0") { isZero = false }
      digits.append(field[index])
    }
    return isZero ? nil : String(decoding: digits, as: UTF8.self)
  }

  private static func octet(_ field: Span<UInt8>, at index: Int) -> UInt8? {
    guard let high = value(of: field[index]), let low = value(of: field[index + 1]) else {
      return nil
    }
    return high << 4 | low
  }

  private static func value(of digit: UInt8) -> UInt8? {
    switch digit {
    case 0x30...0x39: digit - 0x30
    case 0x61...0x66: digit - 0x61 + 10
    default: nil
    }
  }
}
