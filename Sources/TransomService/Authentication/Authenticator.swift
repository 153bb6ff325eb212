internal import Synchronization
package import TransomHTTP

// How an endpoint learns who calls. A service without keys has no gate: then every caller is nil, and may do everything.
//
//     switch gate.authenticator.admit(request, as: .transactions) {
//     case .admitted(let caller): …                    // and `caller.leave()` when the answer is given
//     case .refused(let error):                        // 401, 403 or 429
//       await gate.refused(request, exchange, error)   // notes a 401, and holds it back
//     }
//
// Where the key does not come by `Authorization`: `caller(named:password:)`, then `admit(caller, as:)`. Before a decoded
// request runs: `try caller.constrain(&request)`; `TransactionExecutor.execute(_: Request, …, as:)` does it by itself.

/// Knows the keys and the tokens, and what each of them may do.
package final class Authenticator: Sendable {
  /// A key, by its hash, and who has it.
  package struct Key: Sendable {
    package let hash: KeyHash
    package let caller: Caller

    package init(hash: KeyHash, caller: Caller) {
      self.hash = hash
      self.caller = caller
    }
  }

  /// What an endpoint is for.
  package enum Purpose: Sendable {
    /// Whatever takes SQL.
    case transactions
    case named(String)
    case webhooks
    case monitoring
  }

  package enum Admission {
    /// `leave` is to be called when the answer is given.
    case admitted(Caller)
    case refused(ServiceError)
  }

  private let keys: [KeyHash: Caller]
  private let tokens: TokenAuthenticator?

  package init(_ keys: [Key], tokens: TokenAuthenticator? = nil) {
    self.tokens = tokens
    self.keys = Dictionary(keys.map { ($0.hash, $0.caller) }) { first, _ in first }
  }

  /// Lets a request in that brings a key, or a token, by `Authorization: Bearer` (RFC 6750, section 2.1), if that allows it.
  package func admit(_ request: Request, as purpose: Purpose) -> Admission {
    do {
      return admit(try caller(of: request), as: purpose)
    } catch {
      return .refused(error)
    }
  }

  /// Whether a request will be refused, however many others there are.
  func refuses(_ request: Request, as purpose: Purpose) -> Bool {
    guard let caller = try? caller(of: request) else { return true }
    return caller.rights.refusal(of: purpose) != nil
  }

  /// Who sends a request.
  ///
  /// - Throws: `ServiceError.unauthenticated`, or `.forbidden` if it is somebody who may do nothing.
  func caller(of request: Request) throws(ServiceError) -> Caller {
    guard let token = Self.bearerToken(request) else {
      throw .unauthenticated(
        detail: request.field("authorization") == nil
          ? "The request needs a key: Authorization: Bearer KEY."
          : "The Authorization of the request is not one Bearer and a key.")
    }
    let hash = KeyHash(of: token)
    if let caller = keys[hash] { return caller }
    guard let tokens, TokenAuthenticator.isToken(token) else {
      throw .unauthenticated(detail: "The key is unknown.")
    }
    return try tokens.caller(token, hash: hash)
  }

  /// Who has the key of this name; nil if it is another one.
  package func caller(named name: String, password: String) -> Caller? {
    guard let caller = keys[KeyHash(of: Array(password.utf8))], caller.name.hasSameBytes(as: name)
    else { return nil }
    return caller
  }

  /// Lets somebody in who is known.
  package func admit(_ caller: Caller, as purpose: Purpose) -> Admission {
    if let refusal = caller.rights.refusal(of: purpose) {
      return .refused(.forbidden(pointer: nil, detail: refusal))
    }
    do {
      try caller.enter()
      return .admitted(caller)
    } catch {
      return .refused(error)
    }
  }

  private static func bearerToken(_ request: Request) -> [UInt8]? {
    guard let value = request.field("authorization") else { return nil }
    let scheme = "bearer ".utf8.span
    guard value.count > scheme.count else { return nil }
    // Letters to lower case; the scheme holds nothing else that this would change.
    for index in scheme.indices where value[index] | 0x20 != scheme[index] { return nil }
    guard request.fieldCount("authorization") == 1 else { return nil }
    var token: [UInt8] = []
    token.append(copying: value.extracting(scheme.count..<value.count))
    return token
  }
}
