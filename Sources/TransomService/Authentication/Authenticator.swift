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
// request runs: `try caller.rights.constrain(&request)`; `TransactionExecutor.execute(_: Request, …, as:)` does it by itself.

/// Knows the keys, and what each of them may do.
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

  package init(_ keys: [Key]) {
    self.keys = Dictionary(keys.map { ($0.hash, $0.caller) }) { first, _ in first }
  }

  /// Lets a request in that brings a key by `Authorization: Bearer` (RFC 6750, section 2.1), if the key allows that.
  package func admit(_ request: Request, as purpose: Purpose) -> Admission {
    guard let token = Self.bearerToken(request) else {
      return .refused(
        .unauthenticated(
          detail: request.field("authorization") == nil
            ? "The request needs a key: Authorization: Bearer KEY."
            : "The Authorization of the request is not one Bearer and a key."))
    }
    guard let caller = keys[KeyHash(of: token)] else {
      return .refused(.unauthenticated(detail: "The key is unknown."))
    }
    return admit(caller, as: purpose)
  }

  /// Who has the key of this name; nil if it is another one.
  package func caller(named name: String, password: String) -> Caller? {
    guard let caller = keys[KeyHash(of: Array(password.utf8))], caller.name == name else {
      return nil
    }
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
