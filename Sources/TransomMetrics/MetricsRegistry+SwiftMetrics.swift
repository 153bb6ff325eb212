package import CoreMetrics

// A backend of swift-metrics: what libraries tell that, the page shows. `transom.webhooks.attempts` with a dimension
// is `transom_webhooks_attempts_total{…}` there, and a timer's name ends in `_seconds`.
extension MetricsRegistry: MetricsFactory {
  package func makeCounter(
    label: String, dimensions: [(String, String)]
  ) -> any CounterHandler {
    CounterOfLibrary(sharedCounter(Self.name(label), Self.labels(dimensions)))
  }

  package func makeRecorder(
    label: String, dimensions: [(String, String)], aggregate: Bool
  ) -> any RecorderHandler {
    let (name, labels) = (Self.name(label), Self.labels(dimensions))
    return aggregate
      ? RecorderOfLibrary(sharedHistogram(name, labels, .powers))
      : GaugeOfLibrary(sharedGauge(name, labels))
  }

  package func makeMeter(label: String, dimensions: [(String, String)]) -> any MeterHandler {
    GaugeOfLibrary(sharedGauge(Self.name(label), Self.labels(dimensions)))
  }

  package func makeTimer(label: String, dimensions: [(String, String)]) -> any TimerHandler {
    TimerOfLibrary(
      sharedHistogram(Self.name(label) + "_seconds", Self.labels(dimensions), .latency))
  }

  // Series stay: Prometheus takes one that comes again with a lower number for a restart.
  package func destroyCounter(_ handler: any CounterHandler) {}
  package func destroyRecorder(_ handler: any RecorderHandler) {}
  package func destroyMeter(_ handler: any MeterHandler) {}
  package func destroyTimer(_ handler: any TimerHandler) {}

  /// As Prometheus takes names: ASCII letters, digits and `_`, no digit first.
  private static func name(_ label: String) -> String {
    var name = ""
    for scalar in label.unicodeScalars {
      let isPlain = scalar.isASCII && scalar.properties.isAlphabetic || scalar == "_"
      let isDigit = "0"..."9" ~= scalar && !name.isEmpty
      name.unicodeScalars.append(isPlain || isDigit ? scalar : "_")
    }
    return name
  }

  private static func labels(_ dimensions: [(String, String)]) -> [Label] {
    dimensions.map { Label(name($0.0), $0.1) }
  }
}

private final class CounterOfLibrary: CounterHandler {
  private let cell: CounterCell
  init(_ cell: CounterCell) { self.cell = cell }

  func increment(by amount: Int64) {
    if let amount = UInt64(exactly: amount) { cell.increment(by: amount) }
  }
  func reset() { cell.reset() }
}

private final class GaugeOfLibrary: RecorderHandler, MeterHandler {
  private let cell: GaugeCell
  init(_ cell: GaugeCell) { self.cell = cell }

  func record(_ value: Int64) { cell.set(Double(value)) }
  func record(_ value: Double) { cell.set(value) }
  func set(_ value: Int64) { cell.set(Double(value)) }
  func set(_ value: Double) { cell.set(value) }
  func increment(by amount: Double) { cell.add(amount) }
  func decrement(by amount: Double) { cell.add(-amount) }
}

private final class RecorderOfLibrary: RecorderHandler {
  private let cell: HistogramCell
  init(_ cell: HistogramCell) { self.cell = cell }

  func record(_ value: Int64) { record(Double(value)) }
  /// A histogram of numbers that may be negative has no sum that only grows: they count as zero.
  func record(_ value: Double) {
    let units = (value * Double(cell.buckets.unit)).rounded()
    cell.observe(units > 0 ? UInt64(min(units, 1e18)) : 0)
  }
}

private final class TimerOfLibrary: TimerHandler {
  private let cell: HistogramCell
  init(_ cell: HistogramCell) { self.cell = cell }

  func recordNanoseconds(_ duration: Int64) { cell.observe(UInt64(max(0, duration))) }
}
