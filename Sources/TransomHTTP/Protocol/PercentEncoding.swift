/// Percent-encoded text (RFC 3986, section 2.1).
package enum PercentEncoding {
  /// The text that the bytes stand for; nil if it is not UTF-8 or holds a control character.
  ///
  /// The bytes are part of a target or of another URL; "+" is a space in a query that an HTML form made.
  package static func decode(_ bytes: Span<UInt8>, plusIsSpace: Bool) -> String? {
    var decoded: [UInt8] = []
    decoded.reserveCapacity(bytes.count)
    var index = 0
    while index < bytes.count {
      var byte = bytes[index]
      if byte == UInt8(ascii: "%") {
        guard index + 2 < bytes.count, let high = ByteClass.hexDigit(bytes[index + 1]),
          let low = ByteClass.hexDigit(bytes[index + 2])
        else { return nil }
        byte = high << 4 | low
        index += 2
      } else if plusIsSpace, byte == UInt8(ascii: "+") {
        byte = ByteClass.space
      }
      guard byte >= 0x20, byte != 0x7F else { return nil }
      decoded.append(byte)
      index += 1
    }
    return String(validating: decoded, as: UTF8.self)
  }
}

extension Span<UInt8> {
  /// The ranges between separators; one more than there are separators.
  func split(at separator: UInt8) -> [Range<Int>] {
    var parts: [Range<Int>] = []
    var start = 0
    for index in indices where self[index] == separator {
      parts.append(start..<index)
      start = index + 1
    }
    parts.append(start..<count)
    return parts
  }
}
