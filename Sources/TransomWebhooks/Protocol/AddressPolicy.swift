/// An IP address: 4 or 16 bytes in network order.
package struct IPAddress: Hashable, Sendable, CustomStringConvertible {
  package let bytes: [UInt8]

  /// Takes 4 or 16 bytes; nil for another number.
  package init?(_ bytes: [UInt8]) {
    guard bytes.count == 4 || bytes.count == 16 else { return nil }
    self.bytes = bytes
  }

  /// The IPv4 address that an IPv4-mapped IPv6 address holds (RFC 4291, section 2.5.5.2); nil of others.
  var mappedIPv4: IPAddress? {
    guard bytes.count == 16, bytes.prefix(10).allSatisfy({ $0 == 0 }),
      bytes[10] == 0xff, bytes[11] == 0xff
    else { return nil }
    return IPAddress(Array(bytes.suffix(4)))
  }

  package var description: String {
    if bytes.count == 4 { return bytes.map(String.init).joined(separator: ".") }
    return stride(from: 0, to: 16, by: 2).map {
      String(UInt16(bytes[$0]) << 8 | UInt16(bytes[$0 + 1]), radix: 16)
    }.joined(separator: ":")
  }
}

/// A network: the addresses that begin with the same bits, such as `10.0.0.0/8`.
package struct IPNetwork: Hashable, Sendable, CustomStringConvertible {
  let bytes: [UInt8]
  let prefixLength: Int

  /// Parses `ADDRESS/LENGTH`, or an address that is a network by itself; nil if it is neither.
  package init?(_ text: String) {
    let parts = text.split(separator: "/", omittingEmptySubsequences: false)
    guard 1...2 ~= parts.count, let bytes = Self.bytes(of: parts[0]) else { return nil }
    var length = bytes.count * 8
    if parts.count == 2 {
      guard let given = Int(parts[1]), String(given) == parts[1], 0...length ~= given else {
        return nil
      }
      length = given
    }
    self.bytes = bytes
    prefixLength = length
  }

  package func contains(_ address: IPAddress) -> Bool {
    guard address.bytes.count == bytes.count else { return false }
    for index in 0..<(prefixLength + 7) / 8 {
      let bits = min(8, prefixLength - index * 8)
      let mask = UInt8(truncatingIfNeeded: 0xff00 >> bits)
      guard address.bytes[index] & mask == bytes[index] & mask else { return false }
    }
    return true
  }

  package var description: String {
    (IPAddress(bytes)?.description ?? "") + "/\(prefixLength)"
  }

  private static func bytes(of text: Substring) -> [UInt8]? {
    text.contains(":") ? ipv6(text) : ipv4(text)
  }

  private static func ipv4(_ text: Substring) -> [UInt8]? {
    let parts = text.split(separator: ".", omittingEmptySubsequences: false)
    guard parts.count == 4 else { return nil }
    var bytes: [UInt8] = []
    for part in parts {
      // No leading zeros, which some read as octal.
      guard let byte = UInt8(part), String(byte) == part else { return nil }
      bytes.append(byte)
    }
    return bytes
  }

  /// RFC 4291, section 2.2, without a dotted end.
  private static func ipv6(_ text: Substring) -> [UInt8]? {
    let halves = text.components(separatedBy: "::")
    guard halves.count <= 2 else { return nil }
    var sides: [[UInt8]] = []
    for half in halves {
      var bytes: [UInt8] = []
      if !half.isEmpty {
        for group in half.split(separator: ":", omittingEmptySubsequences: false) {
          guard 1...4 ~= group.utf8.count, let value = UInt16(group, radix: 16), group.first != "+"
          else { return nil }
          bytes += [UInt8(value >> 8), UInt8(value & 0xff)]
        }
      }
      sides.append(bytes)
    }
    let count = sides.reduce(0) { $0 + $1.count }
    guard halves.count == 2 else { return count == 16 ? sides[0] : nil }
    guard count <= 14 else { return nil }
    return sides[0] + Array(repeating: 0, count: 16 - count) + sides[1]
  }
}

extension Substring {
  fileprivate func components(separatedBy separator: String) -> [Substring] {
    split(separator: separator, omittingEmptySubsequences: false)
  }
}

/// Which addresses webhooks may be delivered to: public ones, and those of networks that were configured.
///
/// It is asked at connect time, with the very address that is connected to, so that what a name leads to later, or
/// for somebody else, does not matter.
package struct AddressPolicy: Sendable {
  /// Networks whose addresses are allowed whatever they are.
  package var allowedNetworks: [IPNetwork]

  package init(allowedNetworks: [IPNetwork] = []) { self.allowedNetworks = allowedNetworks }

  /// Whether an address may be connected to.
  package func allows(_ address: IPAddress) -> Bool {
    if allowedNetworks.contains(where: { $0.contains(address) }) { return true }
    if let inner = address.mappedIPv4 {
      return allowedNetworks.contains { $0.contains(inner) }
    }
    if address.bytes.count == 4 { return !Self.specialIPv4.contains { $0.contains(address) } }
    return Self.publicIPv6.contains { $0.contains(address) }
      && !Self.specialIPv6.contains { $0.contains(address) }
  }

  /// IANA's registry of special-purpose IPv4 addresses, multicast, and what is reserved.
  private static let specialIPv4 = networks([
    "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12",
    "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15",
    "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
  ])
  /// The only addresses that are routed everywhere: so neither IPv4-mapped ones nor NAT64's (RFC 6052).
  private static let publicIPv6 = networks(["2000::/3"])
  /// Of those, what leads elsewhere: Teredo and its like, documentation, 6to4.
  private static let specialIPv6 = networks([
    "2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20",
  ])

  private static func networks(_ texts: [String]) -> [IPNetwork] {
    texts.map { text in
      guard let network = IPNetwork(text) else { preconditionFailure("\(text) is no network") }
      return network
    }
  }
}
