internal import TransomEventLoop
internal import TransomMetrics

/// Measures how long an event loop keeps what is due waiting: how much later than it should a timer fires.
///
/// Timers are due by whole milliseconds, so that up to one of them is no lag.
actor LoopLag: EventLoopActor {
  nonisolated let loop: EventLoop
  nonisolated var unownedExecutor: UnownedSerialExecutor { loop.executor }

  private static let interval = Duration.milliseconds(250)

  private let lag: HistogramCell
  private var timer: EventLoop.TimerID?
  private var isStopped = false

  init(of loop: EventLoop, index: Int, in registry: MetricsRegistry) {
    self.loop = loop
    lag = registry.histogram(
      "transom_loop_lag_seconds",
      "How much later than it was due a timer of an event loop fired; up to 0.001 is no lag.",
      [.init("loop", String(index))])
  }

  /// Measures from now on.
  func start() {
    guard !isStopped else { return }
    let due = loop.now + Self.interval
    timer = loop.schedule(at: due) { [weak self] in self?.onLoop { $0.fired(due: due) } }
  }

  private func fired(due: MonotonicInstant) {
    lag.observe(UInt64(max(0, (.now - due).nanoseconds)))
    start()
  }

  /// Leaves nothing behind on the loop.
  func stop() {
    isStopped = true
    if let timer { loop.cancel(timer) }
    timer = nil
  }
}
