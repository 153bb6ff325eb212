internal import Synchronization
internal import TransomMetrics

/// Spans on their way from the event loops to the exporter. What does not fit is dropped, and counted: nobody waits.
final class SpanBuffer: Sendable {
  /// How many spans wait at most: about 2 MiB.
  static let limit = 2048
  /// How many are sent at once.
  static let batch = 512

  private struct State {
    var spans: [TraceSpan] = []
    /// Whether the exporter was told that there is a batch.
    var isAnnounced = false
  }

  private let state = Mutex(State())
  private let exportedCount: CounterCell
  private let droppedCount: CounterCell

  init(in registry: MetricsRegistry) {
    let help = "Spans by what became of them: sent to the collector, or dropped."
    exportedCount = registry.counter("transom_tracing_spans", help, [.init("result", "exported")])
    droppedCount = registry.counter("transom_tracing_spans", help, [.init("result", "dropped")])
  }

  /// Takes spans; true if there is a batch now, for the first time since the last was taken.
  func append(_ spans: [TraceSpan]) -> Bool {
    let (dropped, isDue) = state.withLock { state in
      let room = Self.limit - state.spans.count
      state.spans += spans.prefix(room)
      let isDue = state.spans.count >= Self.batch && !state.isAnnounced
      if isDue { state.isAnnounced = true }
      return (max(0, spans.count - room), isDue)
    }
    if dropped > 0 { self.dropped(dropped) }
    return isDue
  }

  /// The oldest spans, up to a batch.
  func take() -> [TraceSpan] {
    state.withLock { state in
      let taken = Array(state.spans.prefix(Self.batch))
      state.spans.removeFirst(taken.count)
      state.isAnnounced = false
      return taken
    }
  }

  func exported(_ count: Int) { exportedCount.increment(by: UInt64(max(0, count))) }

  func dropped(_ count: Int) { droppedCount.increment(by: UInt64(max(0, count))) }
}
