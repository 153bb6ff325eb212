/// JSON Web Tokens (RFC 7519) that let somebody in, as keys do.
package struct TokenConfiguration: Sendable {
  /// What they are verified by.
  package enum Material: Sendable {
    /// Of HS256: 32 octets at least (RFC 7518, section 3.2).
    case secret([UInt8])
    case set(KeySetDocument)
  }

  package static let minimumSecret = 32

  package var policy: TokenPolicy
  package var material: Material
  /// What everybody may do who has a token. Its role comes from the token, and not from the request.
  package var rights: Rights
  /// Of each subject.
  package var limits: RateLimiter.Limits

  package init(
    policy: TokenPolicy, material: Material, rights: Rights, limits: RateLimiter.Limits
  ) {
    self.policy = policy
    self.material = material
    self.rights = rights
    self.limits = limits
    self.rights.roles = .these([])
  }
}
