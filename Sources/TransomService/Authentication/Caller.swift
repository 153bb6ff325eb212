internal import TransomEventLoop

/// Who sends a request: a key that is configured, or whom a token tells of.
package final class Caller: Sendable {
  /// For the log, and to tell the Idempotency-Keys of several callers apart.
  package let name: String
  package let rights: Rights
  private let limiter: RateLimiter?

  package init(name: String, rights: Rights, limits: RateLimiter.Limits = .init()) {
    self.name = name
    self.rights = rights
    limiter = limits.isUnlimited ? nil : RateLimiter(limits)
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
