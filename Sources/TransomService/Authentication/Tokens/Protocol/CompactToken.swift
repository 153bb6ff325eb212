internal import TransomWebhooks

/// A JSON Web Token in its parts, none of which is believed yet (RFC 7515, section 7.1 "JWS Compact Serialization").
package struct CompactToken {
  /// `alg`, which says what the token claims to be signed by.
  package let algorithm: String
  /// `kid`: which key, if there are several.
  package let keyID: String?
  /// What the signature is of.
  package let signed: ArraySlice<UInt8>
  package let payload: [UInt8]
  package let signature: [UInt8]

  /// - Throws: `TokenFlaw`.
  package init(_ token: [UInt8], with json: inout JSONReader) throws(TokenFlaw) {
    let dot = UInt8(ascii: ".")
    let parts = token.split(separator: dot, omittingEmptySubsequences: false)
    guard parts.count == 3, let header = Self.decode(parts[0]),
      let payload = Self.decode(parts[1]), let signature = Self.decode(parts[2])
    else { throw .malformed }
    self.payload = payload
    self.signature = signature
    signed = token[..<parts[1].endIndex]
    (algorithm, keyID) = try Self.read(header, &json)
  }

  private static func read(
    _ header: [UInt8], _ json: inout JSONReader
  ) throws(TokenFlaw) -> (algorithm: String, keyID: String?) {
    guard (try? json.read(header.span, depth: 8)) != nil, json.kind(of: json.root) == .object
    else { throw .malformed }
    var algorithm: String?
    var keyID: String?
    var children = json.children(of: json.root)
    while let key = json.next(&children), let value = json.next(&children) {
      switch json.string(key) {
      case "alg":
        guard algorithm == nil, json.kind(of: value) == .string else { throw .malformed }
        algorithm = json.string(value)
      case "kid":
        guard keyID == nil, json.kind(of: value) == .string else { throw .malformed }
        keyID = json.string(value)
      case "crit": throw .criticalHeader
      default: continue
      }
    }
    guard let algorithm else { throw .malformed }
    return (algorithm, keyID)
  }

  /// Base64 for URLs without padding (RFC 7515, section 2).
  private static func decode(_ text: ArraySlice<UInt8>) -> [UInt8]? {
    Base64.decode(url: String(decoding: text, as: UTF8.self))
  }
}

extension Base64 {
  /// The bytes of a text in the alphabet for URLs without padding (RFC 4648, section 5); nil if it is none.
  package static func decode(url text: String) -> [UInt8]? {
    guard !text.utf8.contains(where: { "+/=".utf8.contains($0) }) else { return nil }
    let standard = text.replacing("-", with: "+").replacing("_", with: "/")
    let padding = (4 - standard.utf8.count % 4) % 4
    return padding == 3 ? nil : decode(standard + String(repeating: "=", count: padding))
  }
}
