internal import TransomService

/// What is configured of tokens, while it is read.
struct TokenDraft {
  var policy = TokenPolicy(algorithm: .hs256)
  /// Whether the algorithm was chosen: there is no default for it.
  var hasAlgorithm = false
  var secret: [UInt8]?
  var secretFile: String?
  var fileSecret: [UInt8]?
  var keySet: [UInt8]?
  var keySetFile: String?
  var allowsSQL = false
  var key: KeyDraft

  init() {
    key = KeyDraft()
    key.rights.sendsSQL = false
  }

  /// Nil: no token is taken.
  ///
  /// - Throws: `SettingError` for settings that do not belong together.
  func configuration() throws(SettingError) -> TokenConfiguration? {
    guard hasAlgorithm else {
      let isEmpty = secret == nil && secretFile == nil && keySet == nil
      let unset = TokenDraft()
      guard isEmpty, policy == unset.policy, !allowsSQL, key.rights == unset.key.rights,
        key.limits == unset.key.limits
      else {
        throw SettingError("jwt.algorithm is missing: HS256, RS256 or ES256")
      }
      return nil
    }
    if policy.roleClaim == nil, policy.roles != .these([]) || policy.defaultRole != nil {
      throw SettingError("jwt.role_claim is missing, which names the claim that jwt.roles are for")
    }
    if policy.roleClaim != nil, policy.roles == .these([]), policy.defaultRole == nil {
      throw SettingError("jwt.roles is missing: the roles that the claim jwt.role_claim may name")
    }
    if key.limits.burst != nil, key.limits.rate == nil {
      throw SettingError("jwt.burst is set; allowed is one beside a \"rate\"")
    }
    var rights = key.rights
    rights.sendsSQL = allowsSQL
    return TokenConfiguration(
      policy: policy, material: try material(), rights: rights, limits: key.limits)
  }

  private func material() throws(SettingError) -> TokenConfiguration.Material {
    switch policy.algorithm {
    case .hs256:
      guard keySet == nil else {
        throw SettingError("jwt.jwks_file is set; HS256 takes jwt.secret or jwt.secret_file")
      }
      switch (secret, fileSecret) {
      case (let secret?, nil), (nil, let secret?): return .secret(secret)
      case (nil, nil): throw SettingError("jwt.secret is missing, or jwt.secret_file")
      case (_?, _?): throw SettingError("jwt.secret_file is set, and jwt.secret, too")
      }
    case .rs256, .es256:
      guard secret == nil, fileSecret == nil else {
        throw SettingError(
          "jwt.secret\(secret == nil ? "_file" : "") is set; \(policy.algorithm.rawValue) takes jwt.jwks_file"
        )
      }
      guard let keySet, let keySetFile else { throw SettingError("jwt.jwks_file is missing") }
      do {
        return .set(try KeySetDocument(keySet, for: policy.algorithm))
      } catch {
        throw SettingError("jwt.jwks_file is \"\(keySetFile)\"; \(error)")
      }
    }
  }
}
