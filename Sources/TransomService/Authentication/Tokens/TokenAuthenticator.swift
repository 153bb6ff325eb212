internal import FoundationEssentials
internal import Synchronization

/// Knows who has sent a token.
///
/// A token is verified once: what is known of it is kept by its hash until others push it out, so that the next request with it
/// costs a look at the clock.
package final class TokenAuthenticator: Sendable {
  /// A token that was verified.
  private struct Known: Sendable {
    let claims: TokenClaims
    let caller: Caller
    /// Why it may do nothing, although it is good.
    let refusal: String?
  }

  private struct State {
    var tokens = RecentValues<KeyHash, Known>(capacity: 2048)
    /// Limits hold for all tokens of a subject together.
    var limiters = RecentValues<String, RateLimiter>(capacity: 8192)
  }

  private let policy: TokenPolicy
  private let keys: TokenKeys
  private let rights: Rights
  private let limits: RateLimiter.Limits
  private let state = Mutex(State())

  /// - Throws: `KeySetDocument.Flaw` for a key that is none.
  package init(_ configuration: TokenConfiguration) async throws {
    policy = configuration.policy
    keys = try await TokenKeys(configuration.material, for: configuration.policy.algorithm)
    rights = configuration.rights
    limits = configuration.limits
  }

  /// Whether it may be a token: everything else is a key.
  static func isToken(_ text: [UInt8]) -> Bool {
    text.count { $0 == UInt8(ascii: ".") } == 2
  }

  /// Who has sent a token.
  ///
  /// - Throws: `ServiceError.unauthenticated`, or `.forbidden` if the token is good but its role is not allowed.
  package func caller(_ token: [UInt8], hash: KeyHash) throws(ServiceError) -> Caller {
    let known: Known
    do throws(TokenFlaw) {
      known = try self.known(token, hash)
    } catch {
      throw .unauthenticated(detail: error.detail)
    }
    if let refusal = known.refusal { throw .forbidden(pointer: nil, detail: refusal) }
    return known.caller
  }

  private func known(_ token: [UInt8], _ hash: KeyHash) throws(TokenFlaw) -> Known {
    let now = Date().timeIntervalSince1970
    if let known = state.withLock({ $0.tokens[hash] }) {
      try known.claims.check(at: now, leeway: policy.leeway)
      return known
    }
    var json = JSONReader()
    let compact = try CompactToken(token, with: &json)
    try keys.verify(compact)
    let claims = try TokenClaims(compact.payload, under: policy, with: &json)
    try claims.check(at: now, leeway: policy.leeway)
    return state.withLock { state in
      let known = Self.known(claims, self, &state)
      state.tokens[hash] = known
      return known
    }
  }

  private static func known(
    _ claims: TokenClaims, _ tokens: TokenAuthenticator, _ state: inout State
  ) -> Known {
    let name = identity(claims)
    var limiter: RateLimiter?
    if !tokens.limits.isUnlimited {
      limiter = state.limiters[name] ?? RateLimiter(tokens.limits)
      state.limiters[name] = limiter
    }
    var session = CallerSession(
      role: nil, claims: .init(name: tokens.policy.claimsSetting, value: claims.json))
    var refusal: String?
    switch claims.role {
    case .unchanged: break
    case .role(let role): session.role = role
    case .missing: refusal = "The token names no role."
    case .forbidden(let role): refusal = "The token's role \"\(role)\" is not allowed."
    }
    let caller = Caller(name: name, rights: tokens.rights, limiter: limiter, session: session)
    return Known(claims: claims, caller: caller, refusal: refusal)
  }

  /// The issuer and its subject, in a form that has always the same length; without a subject all that a token has again
  /// when it is renewed: who sends a request again with a new token must find the answer to the first.
  private static func identity(_ claims: TokenClaims) -> String {
    guard let subject = claims.subject else {
      return "jwt:\(KeyHash(of: [0] + claims.lasting).hexadecimal)"
    }
    let text = "\((claims.issuer ?? "").utf8.count):\(claims.issuer ?? "")\(subject)"
    return "jwt:\(KeyHash(of: Array(text.utf8)).hexadecimal)"
  }
}
