/// Hexadecimal digits, as of bytea in PostgreSQL's hex format: `\x` and two for each octet (manual, 8.4.1).
enum Hexadecimal {
  /// Appends octets as a bytea's text.
  static func append(_ octets: [UInt8], to text: inout [UInt8]) {
    text.reserveCapacity(text.count + 2 + octets.count * 2)
    text.append(copying: #"\x"#)
    for octet in octets {
      text.append(digit(octet >> 4))
      text.append(digit(octet & 15))
    }
  }

  /// Appends the 16 digits of a number.
  static func append(_ number: UInt64, to text: inout [UInt8]) {
    for shift in stride(from: 60, through: 0, by: -4) {
      text.append(digit(UInt8(truncatingIfNeeded: number >> shift) & 15))
    }
  }

  /// Appends the octets of a bytea's text; false if it is none of these.
  static func decode(_ text: [UInt8], into octets: inout [UInt8]) -> Bool {
    guard text.count % 2 == 0, text.starts(with: #"\x"#.utf8) else { return false }
    octets.reserveCapacity(octets.count + text.count / 2)
    for index in stride(from: 2, to: text.count, by: 2) {
      guard let high = value(text[index]), let low = value(text[index + 1]) else { return false }
      octets.append(high << 4 | low)
    }
    return true
  }

  private static func digit(_ value: UInt8) -> UInt8 {
    value < 10 ? UInt8(ascii: "0") + value : UInt8(ascii: "a") - 10 + value
  }

  private static func value(_ digit: UInt8) -> UInt8? {
    switch digit {
    case UInt8(ascii: "0")...UInt8(ascii: "9"): digit - UInt8(ascii: "0")
    case UInt8(ascii: "a")...UInt8(ascii: "f"): digit - UInt8(ascii: "a") + 10
    default: nil
    }
  }
}
