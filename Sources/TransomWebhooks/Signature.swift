internal import Crypto

/// The field `webhook-signature`: `v1,` and the Base64 of an HMAC-SHA-256, one for each secret.
package enum Signature {
  /// Signs a message with every secret that is valid now.
  package static func header(
    id: String, timestamp: Int, body: [UInt8], secrets: [SigningSecret]
  ) -> String {
    let content = SignedContent.bytes(id: id, timestamp: timestamp, body: body)
    return secrets.map { secret in
      let key = SymmetricKey(data: secret.bytes)
      return "v1," + Base64.encode(HMAC<SHA256>.authenticationCode(for: content, using: key))
    }.joined(separator: " ")
  }
}

extension SigningSecret {
  /// A new secret.
  package static func random() -> SigningSecret {
    // The system's generator is one for keys (getrandom(2)).
    let bytes = (0..<32).map { _ in UInt8.random(in: .min ... .max) }
    guard let secret = SigningSecret(bytes: bytes) else { preconditionFailure("32 bytes are one") }
    return secret
  }
}
