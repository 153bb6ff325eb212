/// Which tokens let somebody in, once their signature is known to be right, and who that is.
package struct TokenPolicy: Equatable, Sendable {
  /// What tokens are signed by: one algorithm, that of the configuration, whatever a token says of itself
  /// (RFC 8725, section 3.1).
  package enum Algorithm: String, CaseIterable, Sendable {
    case hs256 = "HS256"
    case rs256 = "RS256"
    case es256 = "ES256"
  }

  package var algorithm: Algorithm
  /// What `iss` may be; none: it does not matter.
  package var issuers: [String] = []
  /// One of these has to be in `aud`; none: a token that is for somebody else, by having any, is refused.
  package var audiences: [String] = []
  /// How far clocks may differ, in seconds.
  package var leeway = 30
  /// Where the role stands among the claims; nil: tokens name none.
  package var roleClaim: [String]?
  /// The roles that a token may name.
  package var roles = Names.these([])
  /// The role of a token that names none; nil: it may do nothing.
  package var defaultRole: String?
  /// The transaction's setting that holds the claims.
  package var claimsSetting = "request.jwt.claims"

  package init(algorithm: Algorithm) { self.algorithm = algorithm }
}

/// Whom a token tells of.
package struct TokenClaims: Equatable, Sendable {
  /// All of them, as they stand in the token.
  package let json: String
  /// `sub`.
  package let subject: String?
  /// `iss`.
  package let issuer: String?
  /// The claims that a token of the same client has again when it is renewed, as JSON: without the times and the number.
  let lasting: [UInt8]
  package let role: Role
  /// From when on the token is valid, and until when, in seconds since 1970.
  package let notBefore: Double
  package let expiry: Double

  package enum Role: Equatable, Sendable {
    /// That of the database's user.
    case unchanged
    case role(String)
    /// The token names none, or one that is not allowed.
    case missing
    case forbidden(String)
  }

  /// Reads the payload of a token whose signature is right.
  ///
  /// - Throws: `TokenFlaw`.
  package init(
    _ payload: [UInt8], under policy: TokenPolicy, with json: inout JSONReader
  ) throws(TokenFlaw) {
    guard (try? json.read(payload.span, depth: 64)) != nil, json.kind(of: json.root) == .object
    else { throw .malformed }
    let claims = try Self.claims(json)
    self.json = String(decoding: payload, as: UTF8.self)
    lasting = Self.lasting(json)
    subject = try Self.text(claims["sub"], json)
    let issuer = try Self.text(claims["iss"], json)
    guard policy.issuers.isEmpty || policy.issuers.contains(where: { $0.hasSameBytes(as: issuer) })
    else { throw .issuer }
    self.issuer = issuer
    try Self.check(claims["aud"], policy.audiences, json)
    role = Self.role(policy, json)
    guard let expiry = try Self.time(claims["exp"], json) else { throw .noExpiry }
    self.expiry = expiry
    notBefore = max(
      try Self.time(claims["nbf"], json) ?? -.infinity,
      try Self.time(claims["iat"], json) ?? -.infinity)
  }

  /// - Throws: `TokenFlaw` if the token is not valid now, in seconds since 1970.
  package func check(at now: Double, leeway: Int) throws(TokenFlaw) {
    guard now < expiry + Double(leeway), notBefore <= expiry else { throw .expired }
    guard now >= notBefore - Double(leeway) else { throw .notValidYet }
  }

  /// By name. One that occurs twice means one thing to one reader and another to the next.
  private static func claims(
    _ json: borrowing JSONReader
  ) throws(TokenFlaw) -> [String: JSONNode] {
    var claims: [String: JSONNode] = [:]
    var children = json.children(of: json.root)
    while let key = json.next(&children), let value = json.next(&children) {
      guard claims.updateValue(value, forKey: json.string(key)) == nil else { throw .malformed }
    }
    return claims
  }

  private static func lasting(_ json: borrowing JSONReader) -> [UInt8] {
    var writer = JSONWriter()
    var children = json.children(of: json.root)
    while let key = json.next(&children), let value = json.next(&children) {
      guard !json.text(of: key, isOneOf: ["exp", "nbf", "iat", "jti"]) else { continue }
      writer.json(key, json)
      writer.json(value, json)
      writer.bytes.append(UInt8(ascii: "\n"))
    }
    return writer.bytes
  }

  private static func text(
    _ node: JSONNode?, _ json: borrowing JSONReader
  ) throws(TokenFlaw) -> String? {
    guard let node else { return nil }
    guard json.kind(of: node) == .string else { throw .malformed }
    return json.string(node)
  }

  /// A number of seconds, with a fraction perhaps (RFC 7519, section 2, "NumericDate").
  private static func time(
    _ node: JSONNode?, _ json: borrowing JSONReader
  ) throws(TokenFlaw) -> Double? {
    guard let node else { return nil }
    guard json.kind(of: node) == .number, let time = Double(json.string(node)), time.isFinite else {
      throw .malformed
    }
    return time
  }

  /// A string or several (RFC 7519, section 4.1.3).
  private static func check(
    _ node: JSONNode?, _ allowed: [String], _ json: borrowing JSONReader
  ) throws(TokenFlaw) {
    guard let node else {
      guard allowed.isEmpty else { throw .audience }
      return
    }
    var isFound = false
    switch json.kind(of: node) {
    case .string: isFound = json.text(of: node, isOneOf: allowed)
    case .array:
      var children = json.children(of: node)
      while let element = json.next(&children) {
        guard json.kind(of: element) == .string else { throw .malformed }
        if json.text(of: element, isOneOf: allowed) { isFound = true }
      }
    default: throw .malformed
    }
    guard isFound else { throw .audience }
  }

  private static func role(_ policy: TokenPolicy, _ json: borrowing JSONReader) -> Role {
    guard let path = policy.roleClaim else { return .unchanged }
    var node: JSONNode? = json.root
    for name in path { node = node.flatMap { json.member(name, of: $0) } }
    guard let node, json.kind(of: node) == .string else {
      return policy.defaultRole.map { .role($0) } ?? .missing
    }
    let role = json.string(node)
    // `none` would be the role of the database's user again (PostgreSQL manual, SET ROLE).
    guard policy.roles.contains(role), role != "none", !json.holdsNUL(node), !role.isEmpty else {
      return .forbidden(role)
    }
    return .role(role)
  }
}

extension JSONReader {
  /// Whether a string is one of these, byte by byte.
  fileprivate func text(of node: JSONNode, isOneOf texts: [String]) -> Bool {
    texts.contains { text(of: node, equals: $0) }
  }

  /// The value of an object's member; nil if it is no object, or has none of the name.
  func member(_ name: String, of object: JSONNode) -> JSONNode? {
    guard kind(of: object) == .object else { return nil }
    var found: JSONNode?
    var children = children(of: object)
    // Of two the last, as PostgreSQL's jsonb takes it.
    while let key = next(&children), let value = next(&children) {
      if text(of: key, equals: name) { found = value }
    }
    return found
  }
}
