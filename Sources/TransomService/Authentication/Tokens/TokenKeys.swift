internal import FoundationEssentials
// Nothing else knows this library.
internal import JWTKit

/// The keys that tokens are verified by, all of them for one algorithm.
struct TokenKeys: Sendable {
  private struct Key: Sendable {
    let id: String?
    let verifier: any JWTAlgorithm
  }

  private let algorithm: TokenPolicy.Algorithm
  private let keys: [Key]

  /// Makes the keys of what is configured.
  ///
  /// - Throws: `KeySetDocument.Flaw` for a key that is none.
  init(
    _ material: TokenConfiguration.Material, for algorithm: TokenPolicy.Algorithm
  ) async throws {
    self.algorithm = algorithm
    switch material {
    case .secret(let secret):
      let collection = JWTKeyCollection()
      await collection.add(hmac: HMACKey(from: secret), digestAlgorithm: .sha256)
      keys = [Key(id: nil, verifier: try await collection.getKey())]
    case .set(let document):
      var keys: [Key] = []
      for key in document.keys {
        keys.append(Key(id: key.id, verifier: try await Self.verifier(key, algorithm)))
      }
      self.keys = keys
    }
    guard keys.allSatisfy({ $0.verifier.name == algorithm.rawValue }) else {
      throw KeySetDocument.Flaw(description: "a key is not for \(algorithm.rawValue)")
    }
  }

  private static func verifier(
    _ key: KeySetDocument.Key, _ algorithm: TokenPolicy.Algorithm
  ) async throws -> any JWTAlgorithm {
    do {
      var jwk = try JSONDecoder().decode(JWK.self, from: Data(key.json.utf8))
      // The collection takes none without.
      jwk.keyIdentifier = JWKIdentifier(string: key.id ?? "")
      // Of a private key only the public part is wanted.
      jwk.privateExponent = nil
      let collection = JWTKeyCollection()
      try await collection.add(jwk: jwk)
      return try await collection.getKey(for: jwk.keyIdentifier, alg: algorithm.rawValue)
    } catch {
      throw KeySetDocument.Flaw(
        description: "the key \(key.id.map { "\"\($0)\"" } ?? "without kid") is none: \(error)")
    }
  }

  /// - Throws: `TokenFlaw` unless the token is signed by one of the keys.
  func verify(_ token: CompactToken) throws(TokenFlaw) {
    // Not by whichever algorithm the token wants: with a public key for an HMAC's secret, anybody could sign.
    guard token.algorithm == algorithm.rawValue else { throw .algorithm }
    var candidates = keys
    if let id = token.keyID {
      candidates = keys.filter { id.hasSameBytes(as: $0.id) }
      // A key without a name may have any.
      if candidates.isEmpty { candidates = keys.filter { $0.id == nil } }
    }
    guard !candidates.isEmpty else { throw .unknownKey }
    for key in candidates {
      // What is no signature at all is an error of the library's.
      if (try? key.verifier.verify(token.signature, signs: token.signed)) == true { return }
    }
    throw .signature
  }
}
