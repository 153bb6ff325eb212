/// A secret of Standard Webhooks: 24 to 64 bytes, written as `whsec_` and their Base64.
package struct SigningSecret: Equatable, Sendable {
  package let bytes: [UInt8]

  package static let prefix = "whsec_"
  package static let sizes = 24...64

  /// Takes the bytes; nil if they are too few or too many.
  package init?(bytes: [UInt8]) {
    guard Self.sizes ~= bytes.count else { return nil }
    self.bytes = bytes
  }

  /// Parses a secret as it is written; nil if it is none.
  package init?(_ text: String) {
    guard text.hasPrefix(Self.prefix),
      let bytes = Base64.decode(text.dropFirst(Self.prefix.count))
    else { return nil }
    self.init(bytes: bytes)
  }

  /// The secret as it is written.
  package var text: String { Self.prefix + Base64.encode(bytes) }
}

/// What of a message is signed (Standard Webhooks, "Signature scheme").
package enum SignedContent {
  /// The id, the time of the attempt in seconds since 1970, and the body, joined by dots.
  package static func bytes(id: String, timestamp: Int, body: [UInt8]) -> [UInt8] {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(id.utf8.count + body.count + 24)
    bytes += id.utf8
    bytes.append(UInt8(ascii: "."))
    bytes += String(timestamp).utf8
    bytes.append(UInt8(ascii: "."))
    bytes += body
    return bytes
  }
}
