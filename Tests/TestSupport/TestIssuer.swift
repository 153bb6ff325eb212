import Crypto
import CryptoExtras
import FoundationEssentials

/// Makes JSON Web Tokens as an issuer does, by other code than the service verifies them with.
package struct TestIssuer: Sendable {
  private enum Key: Sendable {
    case hmac([UInt8])
    case rsa(_RSA.Signing.PrivateKey)
    case ec(P256.Signing.PrivateKey)
  }

  /// `HS256`, `RS256` or `ES256`.
  package let algorithm: String
  /// What `kid` of its tokens is.
  package let keyID: String
  private let key: Key

  /// An issuer with a key of its own.
  package init(_ algorithm: String, keyID: String = "k1") throws {
    self.algorithm = algorithm
    self.keyID = keyID
    key =
      switch algorithm {
      case "RS256": .rsa(try _RSA.Signing.PrivateKey(keySize: .bits2048))
      case "ES256": .ec(P256.Signing.PrivateKey())
      default: .hmac((0..<48).map { _ in UInt8.random(in: 0x21...0x7e) })
      }
  }

  /// One that signs by what `text` is.
  package init(secret text: some Sequence<UInt8>, keyID: String = "k1") {
    algorithm = "HS256"
    self.keyID = keyID
    key = .hmac(Array(text))
  }

  package var secret: String {
    guard case .hmac(let octets) = key else { return "" }
    return String(decoding: octets, as: UTF8.self)
  }

  /// Its public key as PEM, which everybody has.
  package var pem: String {
    switch key {
    case .hmac: ""
    case .rsa(let key): key.publicKey.pemRepresentation
    case .ec(let key): key.publicKey.pemRepresentation
    }
  }

  /// Its public key as a JSON Web Key.
  package var jwk: String {
    get throws {
      switch key {
      case .hmac: return "{}"
      case .rsa(let key):
        let numbers = try key.publicKey.getKeyPrimitives()
        let (n, e) = (Self.base64(numbers.modulus), Self.base64(numbers.publicExponent))
        return #"{"kty": "RSA", "kid": "\#(keyID)", "n": "\#(n)", "e": "\#(e)"}"#
      case .ec(let key):
        let raw = key.publicKey.rawRepresentation
        let (x, y) = (Self.base64(raw.prefix(32)), Self.base64(raw.suffix(32)))
        return #"{"kty": "EC", "crv": "P-256", "kid": "\#(keyID)", "x": "\#(x)", "y": "\#(y)"}"#
      }
    }
  }

  /// A token with these claims, as JSON. `header` is another one than the usual.
  package func token(_ claims: String, header: String? = nil) throws -> String {
    let header = header ?? #"{"alg": "\#(algorithm)", "typ": "JWT", "kid": "\#(keyID)"}"#
    let signed = "\(Self.base64(header.utf8)).\(Self.base64(claims.utf8))"
    return "\(signed).\(Self.base64(try signature(of: Data(signed.utf8))))"
  }

  private func signature(of data: Data) throws -> Data {
    switch key {
    case .hmac(let octets):
      Data(HMAC<SHA256>.authenticationCode(for: data, using: SymmetricKey(data: octets)))
    case .rsa(let key):
      try key.signature(for: SHA256.hash(data: data), padding: .insecurePKCS1v1_5)
        .rawRepresentation
    case .ec(let key): try key.signature(for: data).rawRepresentation
    }
  }

  /// Claims of somebody, valid for an hour, and others.
  package static func claims(
    _ subject: String, _ others: String = "", validFor seconds: Double = 3600
  )
    -> String
  {
    let expiry = Int(Date().timeIntervalSince1970 + seconds)
    return #"{"sub": "\#(subject)", "exp": \#(expiry)\#(others.isEmpty ? "" : ", ")\#(others)}"#
  }

  package static func base64(_ octets: some Sequence<UInt8>) -> String {
    Data(octets).base64EncodedString().replacing("+", with: "-").replacing("/", with: "_")
      .replacing("=", with: "")
  }
}
