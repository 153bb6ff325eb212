internal import Synchronization

// What counts, without a lock: one atomic number each. A series may have several of these, such as one for each event
// loop, so that no core takes a counter from another; the page of all metrics tells their sum.

/// A number that only grows.
package final class CounterCell: Sendable {
  private let count = Atomic<UInt64>(0)

  init() {}

  package func increment(by amount: UInt64 = 1) { count.wrappingAdd(amount, ordering: .relaxed) }

  /// Only for who resets a counter of swift-metrics.
  func reset() { count.store(0, ordering: .relaxed) }

  var value: UInt64 { count.load(ordering: .relaxed) }
}

/// A number that goes up and down.
package final class GaugeCell: Sendable {
  private let bits = Atomic<UInt64>(0)

  init() {}

  package func set(_ value: Double) { bits.store(value.bitPattern, ordering: .relaxed) }

  package func add(_ amount: Double) {
    var old = bits.load(ordering: .relaxed)
    while true {
      let new = (Double(bitPattern: old) + amount).bitPattern
      let (exchanged, original) = bits.weakCompareExchange(
        expected: old, desired: new, ordering: .relaxed)
      if exchanged { return }
      old = original
    }
  }

  package var value: Double { Double(bitPattern: bits.load(ordering: .relaxed)) }
}

/// How often a number was in which range, and the sum of all.
///
/// The ranges are fixed when it is made. Numbers are whole, such as nanoseconds; the page divides them.
package final class HistogramCell: Sendable {
  /// The ranges: each ends with its bound, the last one never.
  package struct Buckets: Sendable {
    let bounds: [UInt64]
    /// What one of the page's units is: 1,000,000,000 for seconds, counted in nanoseconds.
    let unit: UInt64

    /// Takes at most `HistogramCell.maximumBounds` bounds, in rising order.
    init(bounds: [UInt64], unit: UInt64) {
      precondition(bounds.count <= HistogramCell.maximumBounds && bounds == bounds.sorted())
      self.bounds = bounds
      self.unit = unit
    }

    /// From half a millisecond to half a minute.
    package static let latency = Buckets(
      bounds: [500, 1000, 2500, 5000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000]
        .map { $0 * 1000 }
        + [1, 2, 5, 10, 30].map { $0 * 1_000_000_000 },
      unit: 1_000_000_000)
    /// Of numbers that mean anything: a bound for each power of ten.
    static let powers = Buckets(
      bounds: (0...9).map { exponent in (0..<exponent).reduce(1000) { number, _ in number * 10 } },
      unit: 1000)
  }

  /// One of the numbers, and the trace that it belongs to (OpenMetrics 1.0, section "Exemplars").
  package struct Exemplar: Sendable {
    var value: UInt64
    var traceID: String
    /// Seconds since 1970.
    var time: Double
  }

  static let maximumBounds = 15

  let buckets: Buckets
  private let counts = InlineArray<16, Atomic<UInt64>> { _ in Atomic(0) }
  private let sum = Atomic<UInt64>(0)
  /// The last one of each range. Only requests that are traced come here.
  private let exemplars = Mutex<[Exemplar?]>(Array(repeating: nil, count: maximumBounds + 1))

  init(_ buckets: Buckets) { self.buckets = buckets }

  package func observe(_ value: UInt64) {
    counts[bucket(of: value)].wrappingAdd(1, ordering: .relaxed)
    sum.wrappingAdd(value, ordering: .relaxed)
  }

  /// The same for what belongs to a trace; `time` is in seconds since 1970.
  package func observe(_ value: UInt64, traceID: String, at time: Double) {
    observe(value)
    let bucket = bucket(of: value)
    exemplars.withLock {
      $0[bucket] = Exemplar(value: value, traceID: traceID, time: time)
    }
  }

  private func bucket(of value: UInt64) -> Int {
    var index = 0
    while index < buckets.bounds.count, buckets.bounds[index] < value { index += 1 }
    return index
  }

  /// Adds what was counted to what other cells of the series have.
  func add(to sample: inout HistogramSample) {
    let exemplars = exemplars.withLock { $0 }
    for index in 0...buckets.bounds.count {
      sample.counts[index] += counts[index].load(ordering: .relaxed)
      if let exemplar = exemplars[index],
        sample.exemplars[index].map({ $0.time < exemplar.time }) ?? true
      {
        sample.exemplars[index] = exemplar
      }
    }
    sample.sum &+= sum.load(ordering: .relaxed)
  }
}
