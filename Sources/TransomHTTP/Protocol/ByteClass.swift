/// What a byte may be part of: a table of 256 entries, one bit for each class.
///
/// | bit | class | source |
/// | --- | --- | --- |
/// | 1 | `tchar`, of which methods and field names consist | RFC 9110, section 5.6.2 |
/// | 2 | field content: VCHAR, obs-text, SP, HTAB | RFC 9110, section 5.5 |
/// | 4 | request-target: the characters of a URI without "#" | RFC 3986, section 2 |
/// | 8 | `uri-host` and port; without ",", which would join two hosts | RFC 3986, section 3.2.2 |
enum ByteClass {
  static let token: UInt8 = 1
  static let content: UInt8 = 2
  static let target: UInt8 = 4
  static let host: UInt8 = 8

  static let carriageReturn: UInt8 = 0x0D
  static let lineFeed: UInt8 = 0x0A
  static let space: UInt8 = 0x20
  static let tab: UInt8 = 0x09

  // swift-format-ignore: the rows are the high, the columns the low four bits of a byte.
  private static let table: InlineArray<256, UInt8> = [
    0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    2, 15, 2, 3, 15, 15, 15, 15, 14, 14, 15, 15, 6, 15, 15, 6,
    15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 14, 14, 2, 14, 2, 6,
    6, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15,
    15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 14, 2, 14, 3, 15,
    3, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15,
    15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 2, 3, 2, 15, 0,
    2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2,
    2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2,
    2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2,
    2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2,
    2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2,
    2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2,
    2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2,
    2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2,
  ]

  @inline(__always)
  static func isToken(_ byte: UInt8) -> Bool { table[Int(byte)] & token != 0 }

  @inline(__always)
  static func isContent(_ byte: UInt8) -> Bool { table[Int(byte)] & content != 0 }

  @inline(__always)
  static func isTarget(_ byte: UInt8) -> Bool { table[Int(byte)] & target != 0 }

  @inline(__always)
  static func isHost(_ byte: UInt8) -> Bool { table[Int(byte)] & host != 0 }

  @inline(__always)
  static func isSpaceOrTab(_ byte: UInt8) -> Bool { byte == space || byte == tab }

  /// The value of a decimal digit.
  @inline(__always)
  static func digit(_ byte: UInt8) -> Int? {
    0x30...0x39 ~= byte ? Int(byte &- 0x30) : nil
  }

  /// The value of a hexadecimal digit of either case.
  @inline(__always)
  static func hexDigit(_ byte: UInt8) -> UInt8? {
    switch byte {
    case 0x30...0x39: byte &- 0x30
    case 0x41...0x46: byte &- 0x37
    case 0x61...0x66: byte &- 0x57
    default: nil
    }
  }

  /// Maps A–Z to a–z and leaves every other byte alone.
  @inline(__always)
  static func lowercased(_ byte: UInt8) -> UInt8 {
    0x41...0x5A ~= byte ? byte | 0x20 : byte
  }

  /// Whether bytes are `name`, which is in lower case, in any case.
  static func matches(_ bytes: Span<UInt8>, _ name: String) -> Bool {
    matches(bytes, name.utf8.span)
  }

  /// The same for a name whose bytes are at hand.
  static func matches(_ bytes: Span<UInt8>, _ expected: Span<UInt8>) -> Bool {
    guard bytes.count == expected.count else { return false }
    for index in expected.indices where lowercased(bytes[index]) != expected[index] {
      return false
    }
    return true
  }
}
