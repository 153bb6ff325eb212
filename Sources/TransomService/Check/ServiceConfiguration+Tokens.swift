extension ServiceConfiguration {
  /// Makes the keys of tokens, as the start does, and tells whom they let in; nil: no token is taken.
  func checkTokens() async -> CheckReport.Section? {
    guard let tokens else { return nil }
    var section = CheckReport.Section("Tokens")
    do {
      _ = try await TokenAuthenticator(tokens)
    } catch {
      section.add(.problem, "jwt.jwks_file: \(error)")
      return section
    }
    let policy = tokens.policy
    section.add(.fine, "\(policy.algorithm.rawValue), verified by \(Self.words(tokens.material))")
    let issuers = policy.issuers.isEmpty ? "any" : policy.issuers.joined(separator: ", ")
    let audiences =
      policy.audiences.isEmpty
      ? "none: a token with an aud is refused" : policy.audiences.joined(separator: ", ")
    section.add(.fine, "issuers: \(issuers); audiences: \(audiences)")
    section.add(.fine, Self.roles(policy))
    section.add(.fine, Self.words(tokens.rights, tokens.limits))
    if tokens.rights.sendsSQL {
      section.add(
        .warning,
        "whoever has a token may send SQL, which can take any role and set any claims: see jwt.allow_sql"
      )
    }
    return section
  }

  private static func words(_ material: TokenConfiguration.Material) -> String {
    switch material {
    case .secret(let secret): return "a secret of \(secret.count) bytes"
    case .set(let set):
      let names = set.keys.map { $0.id ?? "without kid" }.joined(separator: ", ")
      return set.keys.count == 1 ? "the key \(names)" : "\(set.keys.count) keys: \(names)"
    }
  }

  private static func roles(_ policy: TokenPolicy) -> String {
    guard let claim = policy.roleClaim else { return "role: that of the database's user" }
    let others = policy.defaultRole.map { "; without one: \($0)" } ?? ""
    return
      "role: by the claim \(claim.joined(separator: "/")), of \(policy.roles.texts.joined(separator: ", "))"
      + others
  }
}
