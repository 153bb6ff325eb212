internal import Crypto

/// Seals secrets that are stored, with AES-256-GCM, if there is a key to do it with.
///
/// What is stored begins with a byte that tells how: 0 as it is, 1 sealed.
package struct SecretSeal: Sendable {
  /// The first one seals; all of them open.
  private let keys: [SymmetricKey]

  /// A key has 32 bytes. Without any, secrets are stored as they are.
  package init?(keys: [[UInt8]]) {
    guard keys.allSatisfy({ $0.count == 32 }) else { return nil }
    self.keys = keys.map { SymmetricKey(data: $0) }
  }

  package var keyCount: Int { keys.count }

  /// No key.
  package init() { keys = [] }

  package func seal(_ secret: SigningSecret) -> [UInt8] {
    guard let key = keys.first, let box = try? AES.GCM.seal(secret.bytes, using: key),
      let combined = box.combined
    else { return [0] + secret.bytes }
    return [1] + combined
  }

  /// The secret; nil if none of the keys opens it.
  package func open(_ stored: [UInt8]) -> SigningSecret? {
    switch stored.first {
    case 0: return SigningSecret(bytes: Array(stored.dropFirst()))
    case 1:
      guard let box = try? AES.GCM.SealedBox(combined: stored.dropFirst()) else { return nil }
      for key in keys {
        if let bytes = try? AES.GCM.open(box, using: key) {
          return SigningSecret(bytes: Array(bytes))
        }
      }
      return nil
    default: return nil
    }
  }
}

extension SecretSeal: CustomStringConvertible, CustomReflectable {
  /// Without the keys: configurations are logged.
  package var description: String { keys.isEmpty ? "none" : "\(keys.count) keys" }
  package var customMirror: Mirror { Mirror(self, children: []) }
}
