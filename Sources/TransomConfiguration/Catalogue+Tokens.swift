internal import FoundationEssentials
internal import TransomService

extension Catalogue {
  /// Tokens that let somebody in besides the keys: what they are signed by, and what whoever has one may do.
  static let tokens: [Setting<Settings>] =
    signatures + claims
    + key.filter { $0.path != ["sha256"] && $0.path != ["roles"] }.map {
      $0.below("jwt", \.tokens.key)
    } + [
      .flag(
        ["jwt", "allow_sql"], \.tokens.allowsSQL,
        "Whether tokens may send SQL, which can take any role and set any claims, and not only run named transactions."
      )
    ]

  private static let signatures: [Setting<Settings>] = [
    .text(
      ["jwt", "algorithm"], "NAME",
      "What tokens are signed by: HS256, RS256 or ES256. Without it no token is taken."
    ) {
      guard let algorithm = TokenPolicy.Algorithm(rawValue: $1) else {
        throw Allowed(TokenPolicy.Algorithm.allCases.map(\.rawValue).joined(separator: ", "))
      }
      $0.tokens.policy.algorithm = algorithm
      $0.tokens.hasAlgorithm = true
    } show: {
      $0.tokens.hasAlgorithm ? $0.tokens.policy.algorithm.rawValue : nil
    },
    .text(["jwt", "secret"], "TEXT", "Of HS256: 32 bytes at least.") {
      $0.tokens.secret = try secret(Array($1.utf8))
    } show: {
      $0.tokens.secret.map { _ in Mask.secret }
    }.secret,
    .text(
      ["jwt", "secret_file"], "FILE", "A file that holds it; a line break at its end is none of it."
    ) {
      var octets = try file($1)
      while octets.last == 0x0a || octets.last == 0x0d { octets.removeLast() }
      $0.tokens.fileSecret = try secret(octets)
      $0.tokens.secretFile = $1
    } show: {
      $0.tokens.secretFile
    }.naming { $0.tokens.fileSecret.map { [$0] } ?? [] },
    .text(
      ["jwt", "jwks_file"], "FILE",
      "Of RS256 and ES256: a file with the JSON Web Key Set of the issuer's public keys."
    ) {
      $0.tokens.keySet = try file($1)
      $0.tokens.keySetFile = $1
    } show: {
      $0.tokens.keySetFile
    }.naming { $0.tokens.keySet.map { [$0] } ?? [] },
  ]

  private static let claims: [Setting<Settings>] = [
    .list(
      ["jwt", "issuer"], "NAME", "What iss of a token may be; without any, it does not matter."
    ) {
      guard $1.allSatisfy({ !$0.isEmpty }) else { throw Allowed("names") }
      $0.tokens.policy.issuers = $1
    } show: {
      $0.tokens.policy.issuers
    },
    .list(
      ["jwt", "audience"], "NAME",
      "One of these must be in aud of a token; without any, a token with an aud is refused."
    ) {
      guard $1.allSatisfy({ !$0.isEmpty }) else { throw Allowed("names") }
      $0.tokens.policy.audiences = $1
    } show: {
      $0.tokens.policy.audiences
    },
    .text(
      ["jwt", "leeway"], "TIME", "How far the clocks may differ by which exp and nbf are told."
    ) {
      $0.tokens.policy.leeway = try Read.seconds($1, in: 0...600)
    } show: {
      Read.text(of: .seconds($0.tokens.policy.leeway))
    },
    .text(
      ["jwt", "role_claim"], "NAME",
      "The claim that names the role of each transaction, or a JSON Pointer to it, such as /app/role."
    ) {
      let path = $1.hasPrefix("/") ? JSONPointer.tokens(of: $1) : [$1]
      guard let path, !$1.isEmpty else { throw Allowed("a name, or a JSON Pointer") }
      $0.tokens.policy.roleClaim = path
    } show: {
      $0.tokens.policy.roleClaim.map { path in
        path.count == 1 && path[0].first != "/"
          ? path[0] : path.reduce(JSONPointer()) { $0.appending($1) }.description
      }
    },
    .list(
      ["jwt", "roles"], "ROLE", "The roles that it may name; app_* is all that begin so."
    ) {
      guard $1.allSatisfy({ !$0.isEmpty && $0 != "none" }) else { throw Allowed("names of roles") }
      $0.tokens.policy.roles = Names($1)
    } show: {
      $0.tokens.policy.roles.texts
    },
    .text(["jwt", "default_role"], "ROLE", "The role of a token that names none.") {
      guard !$1.isEmpty, $1 != "none" else { throw Allowed("the name of a role") }
      $0.tokens.policy.defaultRole = $1
    } show: {
      $0.tokens.policy.defaultRole
    },
    .text(
      ["jwt", "claims_setting"], "NAME",
      "The setting of each transaction that holds the claims, for current_setting('…')::jsonb."
    ) {
      guard $1.wholeMatch(of: #/[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)+/#) != nil else {
        throw Allowed("a name with a dot, such as request.jwt.claims")
      }
      $0.tokens.policy.claimsSetting = $1
    } show: {
      $0.tokens.policy.claimsSetting
    },
  ]

  private static func secret(_ octets: [UInt8]) throws(Allowed) -> [UInt8] {
    let minimum = TokenConfiguration.minimumSecret
    guard octets.count >= minimum else {
      throw Allowed(
        "a secret of \(minimum) bytes or more, such as \"openssl rand -base64 32\" makes")
    }
    return octets
  }

  static func file(_ path: String) throws(Allowed) -> [UInt8] {
    do {
      return Array(try Data(contentsOf: URL(filePath: path)))
    } catch {
      throw Allowed("a file that can be read")
    }
  }
}

extension Setting {
  /// The same setting as a part of something larger.
  fileprivate func below<Outer>(
    _ part: String, _ place: any WritableKeyPath<Outer, Root> & Sendable
  ) -> Setting<Outer> {
    Setting<Outer>(
      [part] + path, shape, placeholder, help, isSecret: isSecret, hasFlag: hasFlag,
      read: { [read] in try read(&$0[keyPath: place], $1) },
      show: { [show] in show($0[keyPath: place]) }
    ).naming { [content] in content($0[keyPath: place]) }
  }
}
