/// Why a token lets nobody in: told to the client, and to the log. It holds nothing of the token.
package enum TokenFlaw: Error, Equatable, Sendable {
  case malformed
  /// It is signed by another algorithm than the configured one, or not at all.
  case algorithm
  /// It has header fields that must be understood (RFC 7515, section 4.1.11), and are not.
  case criticalHeader
  case unknownKey
  case signature
  case noExpiry
  case expired
  case notValidYet
  case issuer
  case audience

  package var detail: String {
    switch self {
    case .malformed: "The token is malformed."
    case .algorithm: "The token is not signed by the algorithm that is configured."
    case .criticalHeader: "The token has critical header fields that are not known."
    case .unknownKey: "The token is signed by a key that is not known."
    case .signature: "The token's signature is wrong."
    case .noExpiry: "The token has no exp, so that it would never expire."
    case .expired: "The token has expired."
    case .notValidYet: "The token is not valid yet."
    case .issuer: "The token's iss is not one that is configured."
    case .audience: "The token's aud is not this service."
    }
  }
}
