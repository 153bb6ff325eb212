internal import TransomEventLoop

/// Who sends a request: a key that is configured, or whom a token tells of.
package final class Caller: Sendable {
  /// For the log, and to tell the Idempotency-Keys of several callers apart.
  package let name: String
  package let rights: Rights
  private let limiter: RateLimiter?
  private let session: CallerSession?
  /// The role that its token gives it.
  var role: String? { session?.role }

  package init(name: String, rights: Rights, limits: RateLimiter.Limits = .init()) {
    self.name = name
    self.rights = rights
    limiter = limits.isUnlimited ? nil : RateLimiter(limits)
    session = nil
  }

  /// Somebody of whom a token tells.
  init(name: String, rights: Rights, limiter: RateLimiter?, session: CallerSession) {
    self.name = name
    self.rights = rights
    self.limiter = limiter
    self.session = session
  }

  /// Makes a request one that the caller may make, with what each of its transactions has.
  ///
  /// - Throws: `ServiceError.forbidden` with the place of what it may not.
  func constrain(
    _ request: inout TransactionRequest, isNamed: Bool = false
  ) throws(ServiceError) {
    try rights.constrain(&request, isNamed: isNamed)
    try session?.apply(to: &request, isNamed: isNamed)
  }

  /// Lets a request in, until `leave`.
  ///
  /// - Throws: `ServiceError.tooManyRequests`.
  func enter() throws(ServiceError) {
    guard let limiter else { return }
    try limiter.enter(at: .now)
  }

  /// A request that was let in has its answer.
  func leave() { limiter?.leave() }
}
