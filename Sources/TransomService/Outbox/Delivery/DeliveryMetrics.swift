internal import Metrics
internal import TransomEventLoop
internal import TransomWebhooks

/// What the dispatcher tells swift-metrics.
struct DeliveryMetrics: Sendable {
  private let depth = Gauge(label: "transom.webhooks.pending")
  private let age = Gauge(label: "transom.webhooks.oldest.seconds")
  private let duration = Metrics.Timer(label: "transom.webhooks.attempt.duration")
  private let delivered = Self.counter("delivered")
  private let retried = Self.counter("retry")
  private let dead = Self.counter("dead")
  private let gone = Self.counter("gone")

  private static func counter(_ result: String) -> Counter {
    Counter(label: "transom.webhooks.attempts", dimensions: [("result", result)])
  }

  /// How many deliveries are pending, and how long the oldest has been due.
  func backlog(_ count: Int, age oldest: Duration) {
    depth.record(count)
    age.record(Double(oldest.milliseconds) / 1000)
  }

  /// An attempt has ended; nil: it was cut off.
  func attempt(_ verdict: AttemptVerdict?, _ took: Duration) {
    switch verdict {
    case .delivered: delivered.increment()
    case .retry: retried.increment()
    case .dead: dead.increment()
    case .gone: gone.increment()
    case nil: return
    }
    duration.recordMilliseconds(took.milliseconds)
  }
}
