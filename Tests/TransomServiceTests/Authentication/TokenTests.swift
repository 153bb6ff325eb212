import FoundationEssentials
import TestSupport
import Testing

@testable import TransomService

/// Which JSON Web Tokens let somebody in, and which do not.
@Suite struct TokenTests {
  private static let issuers: [String: TestIssuer] = {
    let issuers = ["HS256", "RS256", "ES256"].compactMap { try? TestIssuer($0) }
    return Dictionary(uniqueKeysWithValues: issuers.map { ($0.algorithm, $0) })
  }()

  private static func issuer(_ algorithm: String) throws -> TestIssuer {
    try #require(issuers[algorithm])
  }

  private static func authenticator(
    _ algorithm: String, keys: [TestIssuer]? = nil, limits: RateLimiter.Limits = .init(),
    _ change: (inout TokenPolicy) -> Void = { _ in }
  ) async throws -> TokenAuthenticator {
    let chosen = try #require(TokenPolicy.Algorithm(rawValue: algorithm))
    var policy = TokenPolicy(algorithm: chosen)
    change(&policy)
    let material: TokenConfiguration.Material
    let keys = try keys ?? [issuer(algorithm)]
    if chosen == .hs256 {
      material = .secret(Array(keys[0].secret.utf8))
    } else {
      let set = #"{"keys": [\#(try keys.map { try $0.jwk }.joined(separator: ", "))]}"#
      material = .set(try KeySetDocument(Array(set.utf8), for: chosen))
    }
    return try await TokenAuthenticator(
      TokenConfiguration(policy: policy, material: material, rights: Rights(), limits: limits))
  }

  private static func caller(_ token: String, _ tokens: TokenAuthenticator) throws -> Caller {
    let octets = Array(token.utf8)
    return try tokens.caller(octets, hash: KeyHash(of: octets))
  }

  /// Why a token lets nobody in.
  private static func refusal(_ token: String, _ tokens: TokenAuthenticator) -> String {
    do {
      _ = try caller(token, tokens)
      return "let in"
    } catch ServiceError.unauthenticated(let detail) {
      return detail
    } catch {
      return "\(error)"
    }
  }

  private static func now(_ offset: Double) -> Int { Int(Date().timeIntervalSince1970 + offset) }

  @Test(arguments: ["HS256", "RS256", "ES256"])
  func `a token that is signed by the configured algorithm and key lets its subject in`(
    _ algorithm: String
  ) async throws {
    let tokens = try await Self.authenticator(algorithm)
    let issuer = try Self.issuer(algorithm)
    let ada = try Self.caller(try issuer.token(TestIssuer.claims("ada")), tokens)
    let again = try Self.caller(
      try issuer.token(TestIssuer.claims("ada", #""jti": "2""#)), tokens)
    let bob = try Self.caller(try issuer.token(TestIssuer.claims("bob")), tokens)
    #expect(ada.name == again.name && ada.name != bob.name && ada.name.hasPrefix("jwt:"))
    let same = try issuer.token(TestIssuer.claims("ada"))
    #expect(try Self.caller(same, tokens) === Self.caller(same, tokens), "verified once")
    let header = #"{"alg": "\#(algorithm)"}"#
    _ = try Self.caller(try issuer.token(TestIssuer.claims("ada"), header: header), tokens)
  }

  @Test func `a client without a subject is the same with its next token`() async throws {
    let tokens = try await Self.authenticator("ES256")
    let issuer = try Self.issuer("ES256")
    func name(_ claims: String) throws -> String {
      try Self.caller(try issuer.token("{\(claims)}"), tokens).name
    }
    let first = try name(
      #""client_id": "a", "exp": \#(Self.now(60)), "iat": \#(Self.now(-9)), "jti": "1""#)
    let next = try name(
      #""client_id": "a", "exp": \#(Self.now(90)), "iat": \#(Self.now(-1)), "jti": "2""#)
    let other = try name(
      #""client_id": "b", "exp": \#(Self.now(60)), "iat": \#(Self.now(-9)), "jti": "1""#)
    #expect(first == next && first != other && first.hasPrefix("jwt:"))
  }

  @Test func `no other algorithm is taken, whatever a token says`() async throws {
    for algorithm in ["HS256", "RS256", "ES256"] {
      let tokens = try await Self.authenticator(algorithm)
      let issuer = try Self.issuer(algorithm)
      let claims = TestIssuer.claims("ada")
      let others = [
        "none", "None", "nOnE", "NONE", "", "hs256", "HS384", "HS512", "RS512", "PS256",
        "EdDSA", "HS256 ", "HS256", "RS256", "ES256",
      ]
      for other in others where other != algorithm {
        let header = #"{"alg": "\#(other)", "kid": "k1"}"#
        let signed = try issuer.token(claims, header: header)
        let unsigned = signed.split(separator: ".").prefix(2).joined(separator: ".") + "."
        for token in [signed, unsigned] {
          let refusal = Self.refusal(token, tokens)
          #expect(refusal == TokenFlaw.algorithm.detail, "\(algorithm) \(other)")
        }
      }
      // The public key, which everybody has, as the secret of an HMAC.
      for text in [issuer.pem, try issuer.jwk, issuer.pem + "\n"] where algorithm != "HS256" {
        let forger = TestIssuer(secret: Array(text.utf8))
        #expect(
          Self.refusal(try forger.token(claims), tokens) == TokenFlaw.algorithm.detail)
        let header = #"{"alg": "\#(algorithm)", "kid": "k1"}"#
        #expect(
          Self.refusal(try forger.token(claims, header: header), tokens)
            == TokenFlaw.signature.detail)
      }
    }
  }

  @Test func `an issuer, an audience or a role of other bytes is another one`() async throws {
    let tokens = try await Self.authenticator("HS256") {
      $0.issuers = ["caf\u{e9}"]
      $0.audiences = ["\u{c5}"]
      $0.roleClaim = ["role"]
      $0.roles = Names(["caf\u{e9}"])
    }
    let issuer = try Self.issuer("HS256")
    func token(_ iss: String, _ aud: String, _ role: String) throws -> String {
      try issuer.token(
        TestIssuer.claims("ada", #""iss": "\#(iss)", "aud": \#(aud), "role": "\#(role)""#))
    }
    _ = try Self.caller(try token("caf\u{e9}", #""\u00c5""#, "caf\u{e9}"), tokens)
    for (iss, aud, role, reason) in [
      ("cafe\u{301}", #""\u00c5""#, "caf\u{e9}", TokenFlaw.issuer.detail),
      ("caf\u{e9}", #""A\u030a""#, "caf\u{e9}", TokenFlaw.audience.detail),
      ("caf\u{e9}", #"["x", "\u212b"]"#, "caf\u{e9}", TokenFlaw.audience.detail),
    ] {
      #expect(Self.refusal(try token(iss, aud, role), tokens) == reason)
    }
    #expect(throws: ServiceError.self) {
      try Self.caller(try token("caf\u{e9}", #""\u00c5""#, "cafe\u{301}"), tokens)
    }
  }

  @Test(arguments: ["HS256", "RS256", "ES256"])
  func `a token that was changed, or signed by another key, is refused`(_ algorithm: String)
    async throws
  {
    let tokens = try await Self.authenticator(algorithm)
    let issuer = try Self.issuer(algorithm)
    let token = try issuer.token(TestIssuer.claims("ada"))
    let parts = token.split(separator: ".").map(String.init)
    let other = TestIssuer.base64(TestIssuer.claims("bob").utf8)
    let stranger = try TestIssuer(algorithm).token(TestIssuer.claims("ada"))
    let signature = TokenFlaw.signature.detail
    let malformed = TokenFlaw.malformed.detail
    var forged = [
      ("\(parts[0]).\(other).\(parts[2])", signature), (stranger, signature),
      ("\(parts[0]).\(parts[1]).", signature), ("\(parts[0]).\(parts[1]).AAAA", signature),
      (token + "AAAA", signature), ("\(parts[0]).\(parts[1])", malformed), ("..", malformed),
      (token + ".", malformed), (token + "=", malformed), (".\(parts[1]).\(parts[2])", malformed),
      (" \(token)", malformed), ("\(parts[0]).\(parts[1]).\(parts[2])!", malformed),
      ("\(parts[0])..\(parts[2])", signature), (parts.joined(separator: ".."), malformed),
      (token.replacing(".", with: ".A"), signature),
    ]
    for index in [0, 5, 20] {
      var octets = Array(parts[2].utf8)
      octets[index] = octets[index] == UInt8(ascii: "A") ? UInt8(ascii: "B") : UInt8(ascii: "A")
      forged.append(
        ("\(parts[0]).\(parts[1]).\(String(decoding: octets, as: UTF8.self))", signature))
    }
    for (text, expected) in forged {
      let refusal = Self.refusal(text, tokens)
      #expect(
        refusal == expected || refusal == signature || refusal == malformed, "\(text): \(refusal)")
      #expect(refusal != "let in")
    }
    #expect(Self.refusal(token, tokens) == "let in")
    for header in [
      #"{"alg": "\#(algorithm)", "kid": "k2"}"#
    ] where algorithm != "HS256" {
      let text = try issuer.token(TestIssuer.claims("ada"), header: header)
      #expect(Self.refusal(text, tokens) == TokenFlaw.unknownKey.detail)
    }
    for (header, expected) in [
      (#"{"alg": "\#(algorithm)", "crit": ["exp"], "exp": 1}"#, TokenFlaw.criticalHeader),
      (#"{"alg": "\#(algorithm)", "b64": false, "crit": ["b64"]}"#, .criticalHeader),
      (#"{"typ": "JWT"}"#, .malformed), (#"{"alg": null}"#, .malformed), ("[]", .malformed),
      (#"{"alg": "none", "alg": "\#(algorithm)"}"#, .malformed), ("{", .malformed),
      (#"{"alg": "\#(algorithm)", "kid": 1}"#, .malformed),
    ] {
      let text = try issuer.token(TestIssuer.claims("ada"), header: header)
      #expect(Self.refusal(text, tokens) == expected.detail, "\(header)")
    }
  }

  @Test func `exp, nbf, iat, iss and aud are checked, with some patience for clocks`() async throws
  {
    let issuer = try Self.issuer("HS256")
    let tokens = try await Self.authenticator("HS256") {
      $0.issuers = ["https://a.example/", "b"]
      $0.audiences = ["transom", "other"]
    }
    let good = #""iss": "b", "aud": "transom""#
    let rows: [(String, TokenFlaw?)] = [
      (#""exp": \#(Self.now(60)), \#(good)"#, nil), (#""exp": \#(Self.now(-10)), \#(good)"#, nil),
      (#""exp": \#(Self.now(60)).25, \#(good)"#, nil), (#""exp": 1e10, \#(good)"#, nil),
      (#""exp": \#(Self.now(-40)), \#(good)"#, .expired), (#""exp": 0, \#(good)"#, .expired),
      (#""exp": -1e300, \#(good)"#, .expired), (good, .noExpiry),
      (#""exp": "\#(Self.now(60))", \#(good)"#, .malformed),
      (#""exp": null, \#(good)"#, .malformed),
      (#""exp": 1e999, \#(good)"#, .malformed), (#""exp": [1], \#(good)"#, .malformed),
      (#""exp": \#(Self.now(60)), "nbf": \#(Self.now(10)), \#(good)"#, nil),
      (#""exp": \#(Self.now(60)), "nbf": \#(Self.now(50)), \#(good)"#, .notValidYet),
      (#""exp": \#(Self.now(60)), "iat": \#(Self.now(50)), \#(good)"#, .notValidYet),
      (#""exp": \#(Self.now(10)), "nbf": \#(Self.now(20)), \#(good)"#, .expired),
      (#""exp": \#(Self.now(60)), "nbf": "x", \#(good)"#, .malformed),
      (#""exp": \#(Self.now(60)), "aud": "transom""#, .issuer),
      (#""exp": \#(Self.now(60)), "iss": "c", "aud": "transom""#, .issuer),
      (#""exp": \#(Self.now(60)), "iss": ["b"], "aud": "transom""#, .malformed),
      (#""exp": \#(Self.now(60)), "iss": "b""#, .audience),
      (#""exp": \#(Self.now(60)), "iss": "b", "aud": "Transom""#, .audience),
      (#""exp": \#(Self.now(60)), "iss": "b", "aud": []"#, .audience),
      (#""exp": \#(Self.now(60)), "iss": "b", "aud": ["x", "other"]"#, nil),
      (#""exp": \#(Self.now(60)), "iss": "b", "aud": ["transom", 1]"#, .malformed),
      (#""exp": \#(Self.now(60)), "exp": 1, \#(good)"#, .malformed),
      (#""exp": \#(Self.now(60)), "\u0065xp": 1, \#(good)"#, .malformed),
      (#""exp": \#(Self.now(60)), "sub": 7, \#(good)"#, .malformed),
    ]
    for (claims, flaw) in rows {
      let refusal = Self.refusal(try issuer.token("{\(claims)}"), tokens)
      #expect(refusal == flaw?.detail ?? "let in", "\(claims)")
    }
    for payload in ["", "[]", "1", "\"x\"", "{", "{} {}"] {
      #expect(Self.refusal(try issuer.token(payload), tokens) == TokenFlaw.malformed.detail)
    }
    let open = try await Self.authenticator("HS256")
    let meant = try issuer.token(TestIssuer.claims("ada", #""aud": "somebody else""#))
    #expect(Self.refusal(meant, open) == TokenFlaw.audience.detail)
  }

  @Test func `what is known of a token does not outlive it`() async throws {
    let issuer = try Self.issuer("HS256")
    let tokens = try await Self.authenticator("HS256") { $0.leeway = 0 }
    let token = try issuer.token(TestIssuer.claims("ada", validFor: 2))
    #expect(Self.refusal(token, tokens) == "let in")
    try await eventually("it expires") {
      Self.refusal(token, tokens) == TokenFlaw.expired.detail
    }
  }

  @Test func `of several keys the one that kid names counts, or without it each`() async throws {
    let issuers = try ["a", "b"].map { try TestIssuer("ES256", keyID: $0) }
    let tokens = try await Self.authenticator("ES256", keys: issuers)
    for issuer in issuers {
      #expect(Self.refusal(try issuer.token(TestIssuer.claims("ada")), tokens) == "let in")
      let nameless = try issuer.token(TestIssuer.claims("ada"), header: #"{"alg": "ES256"}"#)
      #expect(Self.refusal(nameless, tokens) == "let in")
    }
    let crossed = try issuers[0].token(
      TestIssuer.claims("ada"), header: #"{"alg": "ES256", "kid": "b"}"#)
    #expect(Self.refusal(crossed, tokens) == TokenFlaw.signature.detail)
  }

  @Test func `the role is one that the configuration allows, or the default one`() async throws {
    let issuer = try Self.issuer("HS256")
    let tokens = try await Self.authenticator("HS256") {
      $0.roleClaim = ["app", "role"]
      $0.roles = Names(["web_*", "teller"])
    }
    let withDefault = try await Self.authenticator("HS256") {
      $0.roleClaim = ["role"]
      $0.roles = Names(["web_*"])
      $0.defaultRole = "anon"
    }
    func role(_ claims: String, _ tokens: TokenAuthenticator) -> String {
      do {
        let caller = try Self.caller(try issuer.token(TestIssuer.claims("ada", claims)), tokens)
        var request = TransactionRequest()
        try caller.constrain(&request)
        return request.role ?? "-"
      } catch ServiceError.forbidden {
        return "403"
      } catch {
        return "\(error)"
      }
    }
    #expect(role(#""app": {"role": "web_1"}"#, tokens) == "web_1")
    #expect(role(#""app": {"role": "teller"}"#, tokens) == "teller")
    for claims in [
      #""app": {"role": "postgres"}"#, #""app": {"role": "none"}"#, #""app": {"role": ""}"#,
      #""app": {"role": ["teller"]}"#, #""app": "teller""#, #""role": "teller""#, "",
      #""app": {"role": "TELLER"}"#, #""app": {"role": "web_\u0000"}"#, #""app": {"role": null}"#,
    ] {
      #expect(role(claims, tokens) == "403", "\(claims)")
    }
    #expect(role("", withDefault) == "anon")
    #expect(role(#""role": "postgres""#, withDefault) == "403")
    #expect(role(#""role": "web_2""#, withDefault) == "web_2")
    let unchanged = try await Self.authenticator("HS256")
    #expect(role(#""role": "postgres""#, unchanged) == "-")
  }

  @Test func `claims and role become parts of the transaction, in its one pipeline`() async throws {
    let issuer = try Self.issuer("HS256")
    let tokens = try await Self.authenticator("HS256") {
      $0.roleClaim = ["role"]
      $0.roles = Names(["teller"])
    }
    let claims = TestIssuer.claims("ada", #""role": "teller", "x": "\u00e9""#)
    let caller = try Self.caller(try issuer.token(claims), tokens)
    var request = try decode(
      #"{"settings": {"app.a": "1"}, "statements": [{"sql": "select 1"}, {"sql": "select 2"}]}"#)
    try caller.constrain(&request)
    #expect(request.role == "teller")
    #expect(
      request.settings == [
        .init(name: "app.a", value: "1"), .init(name: "request.jwt.claims", value: claims),
      ])
    let plan = TransactionPlan(request)
    #expect(plan.pipeline(from: 0) == 0..<plan.steps.count, "one round trip")

    for fields in [
      #""role": "teller""#, #""role": "postgres""#, #""settings": {"request.jwt.claims": "{}"}"#,
      #""settings": {"REQUEST.jwt.Claims": "{}"}"#, #""settings": {"role": "postgres"}"#,
      #""settings": {"session_authorization": "postgres"}"#,
    ] {
      var request = try decode(#"{\#(fields), "statements": []}"#)
      #expect(throws: ServiceError.self, "\(fields)") { try caller.constrain(&request) }
    }
    // A definition's own are the operator's, but for the claims.
    var named = try decode(
      #"{"role": "clerk", "settings": {"Request.JWT.claims": "{}", "role": "x"}, "statements": []}"#
    )
    try caller.constrain(&named, isNamed: true)
    #expect(named.role == "clerk")
    #expect(named.settings.map(\.name) == ["role", "request.jwt.claims"])
  }

  @Test func `limits hold for all tokens of a subject together`() async throws {
    let issuer = try Self.issuer("HS256")
    let tokens = try await Self.authenticator("HS256", limits: .init(concurrency: 1))
    let first = try Self.caller(try issuer.token(TestIssuer.claims("ada")), tokens)
    let second = try Self.caller(
      try issuer.token(TestIssuer.claims("ada", #""jti": "2""#)), tokens)
    let other = try Self.caller(try issuer.token(TestIssuer.claims("bob")), tokens)
    try first.enter()
    #expect(throws: ServiceError.self) { try second.enter() }
    try other.enter()
    first.leave()
    try second.enter()
  }

  @Test(arguments: [
    ("RS256", "", "it is not JSON"), ("RS256", "[]", "it is no JSON Web Key Set"),
    ("RS256", #"{"keys": {}}"#, "it is no JSON Web Key Set"),
    ("RS256", #"{"keys": []}"#, "it holds no key for RS256"),
    (
      "ES256",
      #"{"keys": [{"kid": "a", "kty": "RSA"}, {"kty": "EC", "crv": "P-384"}, {"kid": "b", "use": "enc"}]}"#,
      #"no key for ES256; the key "a" has not the kty EC; the key 2 has not the crv P-256; the key "b" is for the use "enc""#
    ),
    (
      "ES256", #"{"keys": [{"kty": "EC", "crv": "P-384", "x": "AA", "y": "AA"}]}"#,
      "no key for ES256"
    ),
    ("RS256", #"{"keys": [{"kty": "RSA", "n": "AQAB", "e": "AQAB"}]}"#, "no key for RS256"),
    ("RS256", #"{"keys": [{"kty": "oct", "k": "AAAA"}]}"#, "no key for RS256"),
    ("ES256", #"{"keys": ["EC", 7, null, {}]}"#, "no key for ES256"),
  ]) func `a key set without a key for the algorithm is refused`(
    _ algorithm: String, _ text: String, _ expected: String
  ) throws {
    let chosen = try #require(TokenPolicy.Algorithm(rawValue: algorithm))
    let flaw = #expect(throws: KeySetDocument.Flaw.self) {
      try KeySetDocument(Array(text.utf8), for: chosen)
    }
    #expect(flaw?.description.contains(expected) == true, "\(flaw as Any)")
  }

  @Test func `keys for other purposes are passed over, and a name is had by one`() throws {
    let key = try TestIssuer("ES256").jwk.dropLast()
    func set(_ keys: String...) throws -> Int {
      let text = #"{"keys": [\#(keys.joined(separator: ", "))]}"#
      return try KeySetDocument(Array(text.utf8), for: .es256).keys.count
    }
    #expect(try set("\(key)}") == 1)
    #expect(try set(#"\#(key), "use": "sig", "alg": "ES256"}"#) == 1)
    #expect(throws: KeySetDocument.Flaw.self) { try set(#"\#(key), "use": "enc"}"#) }
    #expect(throws: KeySetDocument.Flaw.self) { try set(#"\#(key), "alg": "ES384"}"#) }
    #expect(throws: KeySetDocument.Flaw.self) { try set("\(key)}", "\(key)}") }
  }

  @Test func `recent values are kept, and never more than there is room for`() {
    var values = RecentValues<Int, Int>(capacity: 100)
    for key in 0..<1000 {
      values[key] = key
      #expect(values[key] == key && values.count <= 100)
      #expect(values[7] == (key < 7 ? nil : 7), "used again and again")
    }
    #expect(values[1] == nil && values[999] == 999)
  }
}
