internal import TransomWebhooks

/// The keys of a JSON Web Key Set (RFC 7517, section 5) that an algorithm can verify by. Others are passed over, as sets hold the
/// keys for everything that an issuer does.
package struct KeySetDocument: Equatable, Sendable {
  package struct Key: Equatable, Sendable {
    /// `kid`.
    package let id: String?
    /// The key as it stands in the set.
    package let json: String
  }

  package struct Flaw: Error, Equatable, CustomStringConvertible {
    package let description: String
  }

  /// Tokens without a `kid` are tried with each of them.
  package static let maximumCount = 64

  package let keys: [Key]

  /// - Throws: `Flaw` if the text is no key set, or holds no such key.
  package init(_ text: [UInt8], for algorithm: TokenPolicy.Algorithm) throws(Flaw) {
    var json = JSONReader()
    do {
      try json.read(text.span, depth: 16)
    } catch {
      throw Flaw(description: "it is not JSON: \(error.message)")
    }
    guard let list = json.member("keys", of: json.root), json.kind(of: list) == .array else {
      throw Flaw(description: #"it is no JSON Web Key Set: {"keys": […]}"#)
    }
    var keys: [Key] = []
    var children = json.children(of: list)
    while let node = json.next(&children) {
      guard Self.isUsable(node, for: algorithm, json) else { continue }
      let id = Self.text("kid", of: node, json)
      guard id == nil || !keys.contains(where: { $0.id == id }) else {
        throw Flaw(description: "two keys have the kid \"\(id ?? "")\"")
      }
      keys.append(Key(id: id, json: json.string(node)))
    }
    guard !keys.isEmpty else {
      throw Flaw(description: "it holds no key for \(algorithm.rawValue)")
    }
    guard keys.count <= Self.maximumCount else {
      throw Flaw(description: "it holds more than \(Self.maximumCount) keys")
    }
    self.keys = keys
  }

  private static func isUsable(
    _ key: JSONNode, for algorithm: TokenPolicy.Algorithm, _ json: borrowing JSONReader
  ) -> Bool {
    guard [nil, "sig"].contains(text("use", of: key, json)),
      [nil, algorithm.rawValue].contains(text("alg", of: key, json))
    else { return false }
    switch (algorithm, text("kty", of: key, json)) {
    case (.rs256, "RSA"):
      // 2048 bits at least (RFC 7518, section 3.3).
      let modulus = octets("n", of: key, json).map { $0.drop { $0 == 0 } }
      return modulus.map { $0.count >= 256 } == true && octets("e", of: key, json) != nil
    case (.es256, "EC"):
      return text("crv", of: key, json) == "P-256" && octets("x", of: key, json)?.count == 32
        && octets("y", of: key, json)?.count == 32
    default: return false
    }
  }

  private static func octets(
    _ name: String, of key: JSONNode, _ json: borrowing JSONReader
  ) -> [UInt8]? {
    text(name, of: key, json).flatMap { Base64.decode(url: $0) }
  }

  private static func text(
    _ name: String, of key: JSONNode, _ json: borrowing JSONReader
  ) -> String? {
    guard let node = json.member(name, of: key), json.kind(of: node) == .string else { return nil }
    return json.string(node)
  }
}
