/// A number that is the same for texts that are, within this process, and most likely another one for others.
///
/// It takes a quarter of what Swift's own hash of the same bytes does, and can be fooled by who knows it: for tables that are
/// bounded, and that compare the texts themselves.
package struct TextDigest: Hashable, Sendable {
  private let value: Int

  private static let seed = UInt64.random(in: 0 ... .max)
  /// 2^64 divided by the golden ratio, which is odd: to multiply by it loses nothing.
  private static let factor: UInt64 = 0x9E37_79B9_7F4A_7C15

  /// The digest of a text. Safe: reads within its bounds only.
  package init(_ text: UnsafeBufferPointer<UInt8>) {
    let octets = UnsafeRawBufferPointer(text)
    var hash = Self.seed ^ UInt64(truncatingIfNeeded: octets.count)
    var offset = 0
    while offset + 8 <= octets.count {
      unsafe Self.mix(octets.loadUnaligned(fromByteOffset: offset, as: UInt64.self), into: &hash)
      offset += 8
    }
    var rest: UInt64 = 0
    while offset < octets.count {
      rest = unsafe rest << 8 | UInt64(octets[offset])
      offset += 1
    }
    Self.mix(rest, into: &hash)
    value = Int(truncatingIfNeeded: hash)
  }

  /// The lower bits, by which a table is entered, depend on all that was taken.
  @inline(__always)
  private static func mix(_ word: UInt64, into hash: inout UInt64) {
    hash = (hash ^ word) &* factor
    hash ^= hash >> 32
  }

  package func hash(into hasher: inout Hasher) { hasher.combine(value) }

  /// It is a hash already.
  package func _rawHashValue(seed: Int) -> Int { value ^ seed }
}
