import Crypto
import FoundationEssentials
import TransomService
import TransomWebhooks

/// The same bytes as a token that nobody has signed, as the claims of one that is signed, and as a set of keys.
enum TokenFuzz {
  private static let secret = Array("a secret of more than thirty-two bytes".utf8)
  private static let header = #"{"alg":"HS256","typ":"JWT"}"#

  private static let policy = {
    var policy = TokenPolicy(algorithm: .hs256)
    policy.issuers = ["https://issuer.example/"]
    policy.roleClaim = ["app", "role"]
    policy.roles = Names(["reader", "app_*"])
    policy.defaultRole = "guest"
    return policy
  }()

  private static let tokens = waiting {
    try await TokenAuthenticator(
      TokenConfiguration(
        policy: policy, material: .secret(secret), rights: Rights(), limits: .init()))
  }

  static func run(_ input: [UInt8]) {
    checkUnsigned(input)
    checkClaims(input)
    for algorithm in TokenPolicy.Algorithm.allCases { checkKeySet(input, algorithm) }
  }

  /// Nobody gets in by a text that the secret's owner has not made.
  private static func checkUnsigned(_ input: [UInt8]) {
    let error = refusal(of: input)
    guard case .unauthenticated? = error else {
      return check(false, "let in without a signature: \(String(describing: error))")
    }
    var json = JSONReader()
    guard let token = try? CompactToken(input, with: &json) else { return }
    let dot = UInt8(ascii: ".")
    check(
      Array(token.signed) + [dot] + Array(encode(token.signature).utf8) == input,
      "another text of a signature")
    check(
      token.signed.split(separator: dot, omittingEmptySubsequences: false).last.map(Array.init)
        == Array(encode(token.payload).utf8), "another text of the claims")
  }

  /// A token with these claims is taken if they are good, and as what they say.
  private static func checkClaims(_ input: [UInt8]) {
    var json = JSONReader()
    let claims = try? TokenClaims(input, under: policy, with: &json)
    let signed = "\(encode(Array(header.utf8))).\(encode(input))"
    let signature = HMAC<SHA256>.authenticationCode(
      for: Data(signed.utf8), using: SymmetricKey(data: secret))
    let error = refusal(of: Array("\(signed).\(encode(Array(signature)))".utf8))
    guard let claims else {
      guard case .unauthenticated? = error else { return check(false, "claims that are none") }
      return
    }
    check(Array(claims.json.utf8) == input, "other claims than the token's")
    check(claims.issuer == "https://issuer.example/", "an issuer that is not configured")
    check(claims.expiry.isFinite, "no end")
    let isValid = (try? claims.check(at: Date().timeIntervalSince1970, leeway: 30)) != nil
    switch (claims.role, error) {
    // The second may have passed meanwhile.
    case (_, .unauthenticated?): check(!isValid || claims.expiry < 4e9, "good claims are refused")
    case (.forbidden, .forbidden?): break
    case (.role(let role), nil):
      check(
        role == "guest" || role == "reader" || role.hasPrefix("app_"), "the role \"\(role)\"")
    default: check(false, "\(claims.role) was \(String(describing: error))")
    }
  }

  private static func checkKeySet(_ input: [UInt8], _ algorithm: TokenPolicy.Algorithm) {
    guard let set = try? KeySetDocument(input, for: algorithm) else { return }
    check(algorithm != .hs256, "a public key for an HMAC")
    check(1...KeySetDocument.maximumCount ~= set.keys.count, "\(set.keys.count) keys")
    for key in set.keys {
      var json = JSONReader()
      check((try? json.read(key.json.utf8.span, depth: 16)) != nil, "a key that is no JSON")
    }
  }

  private static func refusal(of token: [UInt8]) -> ServiceError? {
    do {
      _ = try tokens.caller(token, hash: KeyHash(of: token))
      return nil
    } catch {
      return error
    }
  }

  private static func encode(_ bytes: [UInt8]) -> String {
    Base64.encode(bytes).replacing("+", with: "-").replacing("/", with: "_")
      .replacing("=", with: "")
  }
}
