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

  /// If no key is usable, of so many is said why.
  private static let toldFlaws = 5

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
    var flaws: [String] = []
    var count = 0
    var children = json.children(of: list)
    while let node = json.next(&children) {
      let id = Self.text("kid", of: node, json)
      count += 1
      if let flaw = Self.flaw(of: node, for: algorithm, json) {
        flaws.append("the key \(id.map { "\"\($0.prefix(64))\"" } ?? "\(count)") \(flaw)")
        continue
      }
      if let id, keys.contains(where: { id.hasSameBytes(as: $0.id) }) {
        throw Flaw(description: "two keys have the kid \"\(id)\"")
      }
      keys.append(Key(id: id, json: json.string(node)))
    }
    guard !keys.isEmpty else {
      let reasons = flaws.prefix(Self.toldFlaws).map { "; \($0)" }.joined()
      throw Flaw(description: "it holds no key for \(algorithm.rawValue)\(reasons)")
    }
    guard keys.count <= Self.maximumCount else {
      throw Flaw(description: "it holds more than \(Self.maximumCount) keys")
    }
    self.keys = keys
  }

  /// Why a key cannot verify by an algorithm; nil if it can.
  private static func flaw(
    of key: JSONNode, for algorithm: TokenPolicy.Algorithm, _ json: borrowing JSONReader
  ) -> String? {
    guard json.kind(of: key) == .object else { return "is no object" }
    if let use = text("use", of: key, json), use != "sig" { return "is for the use \"\(use)\"" }
    if let other = text("alg", of: key, json), other != algorithm.rawValue {
      return "is for \(other)"
    }
    let kind = text("kty", of: key, json)
    switch algorithm {
    case .rs256:
      guard kind == "RSA" else { return "has not the kty RSA" }
      // 2048 bits at least (RFC 7518, section 3.3).
      let modulus = octets("n", of: key, json).map { $0.drop { $0 == 0 } }
      guard let modulus, modulus.count >= 256 else { return "has no n of 2048 bits or more" }
      return octets("e", of: key, json) == nil ? "has no e" : nil
    case .es256:
      guard kind == "EC" else { return "has not the kty EC" }
      guard text("crv", of: key, json) == "P-256" else { return "has not the crv P-256" }
      let hasPoint = ["x", "y"].allSatisfy { octets($0, of: key, json)?.count == 32 }
      return hasPoint ? nil : "has no x and y of 32 bytes"
    case .hs256: return "is a public one"
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
