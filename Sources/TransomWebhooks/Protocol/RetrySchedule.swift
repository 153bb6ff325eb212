/// When a delivery that failed is tried again.
package struct RetrySchedule: Equatable, Sendable {
  /// The pauses before the second attempt, the third, and so on; after the last one the delivery is dead.
  package var delays: [Duration]

  package init(_ delays: [Duration]) { self.delays = delays }

  /// What Standard Webhooks recommends: about three days in all.
  package static let standard = RetrySchedule([
    .seconds(5), .seconds(300), .seconds(1800), .seconds(7200), .seconds(18_000), .seconds(36_000),
    .seconds(50_400), .seconds(72_000), .seconds(86_400),
  ])

  /// How much a pause may be longer or shorter, so that what failed together does not come back together.
  private static let jitterShare = 0.1
  /// The longest time that a receiver may ask for.
  private static let longestRetryAfter = Duration.seconds(86_400)

  /// The pause after so many failures; nil if it is not tried again.
  ///
  /// `jitter` is from 0 to 1. A receiver's `retryAfter` makes the pause longer, never shorter.
  package func pause(
    afterFailures failures: Int, jitter: Double, retryAfter: Duration? = nil
  ) -> Duration? {
    guard failures >= 1, failures <= delays.count else { return nil }
    let pause = delays[failures - 1] * (1 + Self.jitterShare * (2 * jitter - 1))
    return max(pause, min(retryAfter ?? .zero, Self.longestRetryAfter))
  }
}

/// What becomes of a delivery after an attempt.
package enum AttemptVerdict: Equatable, Sendable {
  case delivered
  /// The receiver is gone for good, and its webhook is to be disabled.
  case gone
  case retry(after: Duration)
  case dead

  /// Judges an attempt. `status` is nil if there was no answer; `failures` are those before this attempt.
  package init(
    status: Int?, retryAfter: Duration?, failures: Int, schedule: RetrySchedule, jitter: Double
  ) {
    switch status {
    case let status? where 200...299 ~= status: self = .delivered
    case 410: self = .gone
    default:
      let wait = status == 429 || status == 503 ? retryAfter : nil
      let pause = schedule.pause(afterFailures: failures + 1, jitter: jitter, retryAfter: wait)
      self = pause.map { .retry(after: $0) } ?? .dead
    }
  }
}
