/// All series of one name, as they are at one moment.
package struct MetricFamily: Sendable {
  package enum Kind: String, Sendable {
    case counter
    case gauge
    case histogram
  }

  package enum Value: Sendable {
    case count(UInt64)
    case number(Double)
    case histogram(HistogramSample)
  }

  /// Without `_total`.
  package let name: String
  package let kind: Kind
  package let help: String
  private(set) var series: [(labels: [MetricsRegistry.Label], value: Value)] = []

  package init(_ name: String, _ kind: Kind, _ help: String) {
    self.name = name
    self.kind = kind
    self.help = help
  }

  /// Adds a series.
  package mutating func add(_ labels: [MetricsRegistry.Label] = [], _ value: Value) {
    series.append((labels, value))
  }

  /// Adds a series.
  package mutating func add(_ labels: [MetricsRegistry.Label] = [], _ value: Double) {
    add(labels, .number(value))
  }

  /// Adds a series.
  package mutating func add(_ labels: [MetricsRegistry.Label] = [], _ value: Int) {
    add(labels, .number(Double(value)))
  }
}

/// What the cells of a histogram have counted.
package struct HistogramSample: Sendable {
  let buckets: HistogramCell.Buckets
  /// One for each range.
  var counts: [UInt64]
  var exemplars: [HistogramCell.Exemplar?]
  var sum: UInt64 = 0

  init(_ buckets: HistogramCell.Buckets) {
    self.buckets = buckets
    counts = Array(repeating: 0, count: buckets.bounds.count + 1)
    exemplars = Array(repeating: nil, count: buckets.bounds.count + 1)
  }
}
