/// An IP address of either version. One of IPv4 is the same as the IPv6 address that stands for it
/// (`::ffff:192.0.2.1`, RFC 4291, section 2.5.5.2), because dual-stack sockets tell the latter.
package struct IPAddress: Equatable, Sendable {
  fileprivate let bits: UInt128
  private static let mapped: UInt128 = 0xffff << 32

  /// Reads an address as RFC 4291, section 2.2, and RFC 1123, section 2.1, write it; nil for any other text, also one
  /// with a port or a zone.
  package init?(parsing text: some StringProtocol) {
    guard text.utf8.allSatisfy({ $0 < 0x80 }) else { return nil }
    if text.contains(":") {
      guard let bits = Self.version6(String(text)) else { return nil }
      self.bits = bits
    } else {
      guard let bits = Self.version4(text) else { return nil }
      self.bits = Self.mapped | UInt128(bits)
    }
  }

  fileprivate var isVersion4: Bool { bits >> 32 == Self.mapped >> 32 }

  /// Four decimal numbers without leading zeros, which some would take for octal.
  private static func version4(_ text: some StringProtocol) -> UInt32? {
    let parts = text.split(separator: ".", omittingEmptySubsequences: false)
    guard parts.count == 4 else { return nil }
    var bits: UInt32 = 0
    for part in parts {
      guard part.utf8.allSatisfy({ 0x30...0x39 ~= $0 }), let number = UInt8(part),
        part.utf8.count == 1 || part.utf8.first != UInt8(ascii: "0")
      else { return nil }
      bits = bits << 8 | UInt32(number)
    }
    return bits
  }

  private static func version6(_ text: String) -> UInt128? {
    var text = text
    // The last 32 bits may be written as IPv4.
    if text.contains(".") {
      guard let colon = text.lastIndex(of: ":"),
        let last = version4(text[text.index(after: colon)...])
      else { return nil }
      text =
        text[...colon] + String(last >> 16, radix: 16) + ":" + String(last & 0xffff, radix: 16)
    }
    guard let gap = text.firstRange(of: "::") else {
      guard let groups = groups(text), groups.count == 8 else { return nil }
      return value(groups)
    }
    guard let before = groups(text[..<gap.lowerBound]),
      let after = groups(text[gap.upperBound...]), before.count + after.count < 8
    else { return nil }
    return value(
      before + Array(repeating: 0, count: 8 - before.count - after.count) + after)
  }

  private static func groups(_ text: some StringProtocol) -> [UInt16]? {
    guard !text.isEmpty else { return [] }
    var groups: [UInt16] = []
    for part in text.split(separator: ":", omittingEmptySubsequences: false) {
      guard 1...4 ~= part.utf8.count, part.utf8.allSatisfy({ ByteClass.hexDigit($0) != nil }),
        let group = UInt16(part, radix: 16)
      else { return nil }
      groups.append(group)
    }
    return groups
  }

  private static func value(_ groups: [UInt16]) -> UInt128 {
    groups.reduce(0) { $0 << 16 | UInt128($1) }
  }
}

/// A network of IP addresses in CIDR notation (RFC 4632, RFC 4291), such as `10.0.0.0/8`.
package struct IPNetwork: Equatable, Sendable {
  private let prefix: UInt128
  private let mask: UInt128

  /// Reads a network; an address alone is a network of one. Nil for any other text, also where bits are set outside of
  /// the network: whoever wrote that meant another network.
  package init?(parsing text: String) {
    let parts = text.split(separator: "/", omittingEmptySubsequences: false)
    guard parts.count <= 2, let address = IPAddress(parsing: parts[0]) else { return nil }
    let width = parts[0].contains(":") ? 128 : 32
    var length = width
    if parts.count == 2 {
      guard parts[1].utf8.allSatisfy({ 0x30...0x39 ~= $0 }), let number = Int(parts[1]),
        0...width ~= number
      else { return nil }
      length = number
    }
    let hostBits = width - length
    mask = hostBits == 128 ? 0 : UInt128.max << UInt128(hostBits)
    prefix = address.bits
    guard prefix & ~mask == 0 else { return nil }
  }

  package func contains(_ address: IPAddress) -> Bool { address.bits & mask == prefix }
}
