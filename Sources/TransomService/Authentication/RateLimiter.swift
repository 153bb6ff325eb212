internal import Synchronization
package import TransomEventLoop

/// Bounds the requests of one caller, over all event loops: so many a second, and so many at a time.
package final class RateLimiter: Sendable {
  package struct Limits: Equatable, Sendable {
    /// Requests a second in the long run; nil: any number.
    package var rate: Int?
    /// Requests at once after a rest; nil: as many as in a second.
    package var burst: Int?
    /// Requests at a time; nil: any number.
    package var concurrency: Int?

    package init(rate: Int? = nil, burst: Int? = nil, concurrency: Int? = nil) {
      self.rate = rate
      self.burst = burst
      self.concurrency = concurrency
    }

    var isUnlimited: Bool { rate == nil && concurrency == nil }
  }

  /// A token bucket, which holds time instead of tokens (GCRA): when the bucket will be full again.
  private struct State {
    var fullAt: MonotonicInstant?
    var active = 0
  }

  private let limits: Limits
  private let state = Mutex(State())

  package init(_ limits: Limits) { self.limits = limits }

  /// Lets a request in, until `leave`.
  ///
  /// - Throws: `ServiceError.tooManyRequests` with the time until another one would be let in.
  package func enter(at now: MonotonicInstant) throws(ServiceError) {
    let refusal: ServiceError? = state.withLock { state in
      if let concurrency = limits.concurrency, state.active >= concurrency {
        return .tooManyRequests(
          detail: "The key may have \(concurrency) requests at a time.", seconds: 1)
      }
      if let rate = limits.rate {
        let interval = Duration.seconds(1) / rate
        let fullAt = max(state.fullAt ?? now, now) + interval
        let wait = now + interval * (limits.burst ?? rate)
        guard fullAt <= wait else {
          return .tooManyRequests(
            detail: "The key may send \(rate) requests a second.",
            seconds: max(1, Self.seconds(fullAt - wait)))
        }
        state.fullAt = fullAt
      }
      state.active += 1
      return nil
    }
    if let refusal { throw refusal }
  }

  /// A request that was let in has its answer.
  package func leave() { state.withLock { $0.active -= 1 } }

  /// Rounded up.
  private static func seconds(_ duration: Duration) -> Int {
    let (seconds, attoseconds) = duration.components
    return Int(seconds) + (attoseconds > 0 ? 1 : 0)
  }
}
