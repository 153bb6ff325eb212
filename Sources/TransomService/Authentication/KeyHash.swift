internal import Crypto

/// SHA-256 of a key: what is configured and kept in its place, so that nobody can read keys out of a configuration.
///
/// A fast hash is right here, unlike for passwords: a key has 256 random bits, which nobody finds by trying
/// (NIST SP 800-63B, section 5.1.2: look-up secrets of 112 bits and more need no slow hash).
package struct KeyHash: Hashable, Sendable {
  /// The digest, eight octets each.
  private let words: SIMD4<UInt64>

  /// Hashes a key.
  package init(of key: [UInt8]) {
    var words = SIMD4<UInt64>()
    for (index, octet) in SHA256.hash(data: key).enumerated() {
      words[index / 8] = words[index / 8] << 8 | UInt64(octet)
    }
    self.words = words
  }

  /// Reads a hash as 64 hexadecimal digits; nil if it is none.
  package init?(hexadecimal text: String) {
    var octets: [UInt8] = []
    guard text.utf8.count == 64,
      Hexadecimal.decode(Array((#"\x"# + text.lowercased()).utf8), into: &octets)
    else { return nil }
    var words = SIMD4<UInt64>()
    for (index, octet) in octets.enumerated() {
      words[index / 8] = words[index / 8] << 8 | UInt64(octet)
    }
    self.words = words
  }

  /// In constant time: how far two hashes agree is not to be seen.
  package static func == (a: KeyHash, b: KeyHash) -> Bool {
    let difference = a.words ^ b.words
    return difference[0] | difference[1] | difference[2] | difference[3] == 0
  }

  package func hash(into hasher: inout Hasher) { hasher.combine(words[0]) }

  /// As 64 hexadecimal digits.
  package var hexadecimal: String {
    (0..<4).map { index in
      let digits = String(words[index], radix: 16)
      return String(repeating: "0", count: 16 - digits.count) + digits
    }.joined()
  }
}

/// A new key.
package struct NewKey: Sendable {
  /// The key itself, for the client: `transom_` and 256 random bits in base64url (RFC 4648, section 5). The prefix lets
  /// scanners for leaked secrets find it.
  package let text: String
  package let hash: KeyHash

  /// Draws a key from the system's random numbers.
  package init() {
    var lots = SystemRandomNumberGenerator()
    let octets = (0..<32).map { _ in UInt8.random(in: .min ... .max, using: &lots) }
    text = Self.prefix + Self.base64url(octets)
    hash = KeyHash(of: Array(text.utf8))
  }

  package static let prefix = "transom_"

  private static func base64url(_ octets: [UInt8]) -> String {
    let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".utf8)
    var text: [UInt8] = []
    for start in stride(from: 0, to: octets.count, by: 3) {
      let group = octets[start..<min(start + 3, octets.count)]
      var bits = group.reduce(0) { $0 << 8 | Int($1) } << (8 * (3 - group.count))
      var digits: [UInt8] = []
      for _ in 0..<4 {
        digits.append(alphabet[bits & 63])
        bits >>= 6
      }
      text += digits.reversed().prefix(group.count + 1)
    }
    return String(decoding: text, as: UTF8.self)
  }
}
