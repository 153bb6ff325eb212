internal import Synchronization

/// Everything that is measured, by the names that Prometheus knows it by.
///
/// Whoever measures gets a cell once, and keeps it; nothing is looked up, locked or allocated when something is counted.
/// How many series there may be of one name is bounded: clients choose some of what labels tell.
package final class MetricsRegistry: Sendable {
  /// A label and its value.
  package struct Label: Hashable, Sendable {
    package let name: String
    package let value: String

    package init(_ name: String, _ value: String) {
      self.name = name
      self.value = value
    }
  }

  private enum Cells {
    case counters([CounterCell])
    case gauges([GaugeCell])
    case histograms([HistogramCell])
  }

  private struct Family {
    var help: String
    var kind: MetricFamily.Kind
    var series: [[Label]: Cells] = [:]
  }

  /// How many series a name may have. What is beyond counts for one more, all of whose labels are `other`.
  package static let seriesLimit = 500

  private let families = Mutex<[String: Family]>([:])
  private let descriptions = Mutex<[String: String]>([:])

  package init() {}

  // MARK: Cells

  /// A counter of its own for a series, which tells the sum of all of them. `name` is without `_total`.
  package func counter(_ name: String, _ help: String, _ labels: [Label] = []) -> CounterCell {
    let cell = CounterCell()
    add(.counters([cell]), .counter, name, help, labels)
    return cell
  }

  /// A gauge of its own for a series, which tells the sum of all of them.
  package func gauge(_ name: String, _ help: String, _ labels: [Label] = []) -> GaugeCell {
    let cell = GaugeCell()
    add(.gauges([cell]), .gauge, name, help, labels)
    return cell
  }

  /// A histogram of its own for a series, which tells the sum of all of them.
  package func histogram(
    _ name: String, _ help: String, _ labels: [Label] = [],
    _ buckets: HistogramCell.Buckets = .latency
  ) -> HistogramCell {
    let cell = HistogramCell(buckets)
    add(.histograms([cell]), .histogram, name, help, labels)
    return cell
  }

  /// A cell beside those that a series has; without effect on the page if the name means something else already.
  private func add(
    _ cells: Cells, _ kind: MetricFamily.Kind, _ name: String, _ help: String, _ labels: [Label]
  ) {
    families.withLock { families in
      var family = families[name] ?? Family(help: help, kind: kind)
      guard family.kind == kind else { return }
      let labels = Self.bounded(labels, family)
      switch (family.series[labels], cells) {
      case (.counters(let old), .counters(let new)): family.series[labels] = .counters(old + new)
      case (.gauges(let old), .gauges(let new)): family.series[labels] = .gauges(old + new)
      case (.histograms(let old), .histograms(let new)):
        family.series[labels] = .histograms(old + new)
      case (_, _): family.series[labels] = cells
      }
      families[name] = family
    }
  }

  private static func bounded(_ labels: [Label], _ family: Family) -> [Label] {
    guard family.series[labels] == nil, family.series.count >= seriesLimit else { return labels }
    return labels.map { Label($0.name, "other") }
  }

  // MARK: Cells that all share

  // For swift-metrics, where whoever makes a handle twice means the same.

  func sharedCounter(_ name: String, _ labels: [Label]) -> CounterCell {
    existing(name, labels) { if case .counters(let cells) = $0 { cells.first } else { nil } }
      ?? counter(name, help(name), labels)
  }

  func sharedGauge(_ name: String, _ labels: [Label]) -> GaugeCell {
    existing(name, labels) { if case .gauges(let cells) = $0 { cells.first } else { nil } }
      ?? gauge(name, help(name), labels)
  }

  func sharedHistogram(
    _ name: String, _ labels: [Label], _ buckets: HistogramCell.Buckets
  ) -> HistogramCell {
    existing(name, labels) { if case .histograms(let cells) = $0 { cells.first } else { nil } }
      ?? histogram(name, help(name), labels, buckets)
  }

  private func existing<Cell: Sendable>(
    _ name: String, _ labels: [Label], _ pick: (Cells) -> Cell?
  ) -> Cell? {
    let family = families.withLock { $0[name] }
    return family.flatMap { $0.series[Self.bounded(labels, $0)].flatMap(pick) }
  }

  /// Says what a metric of swift-metrics is, which has no words for that; before it is made.
  package func describe(_ name: String, _ help: String) {
    descriptions.withLock { $0[name] = help }
  }

  private func help(_ name: String) -> String {
    descriptions.withLock { $0[name] } ?? "\(name), of swift-metrics."
  }

  // MARK: Reading

  /// What all cells have now, sorted by name.
  package func snapshot() -> [MetricFamily] {
    let families = families.withLock { $0 }
    return families.map { name, family in
      var metric = MetricFamily(name, family.kind, family.help)
      for (labels, cells) in family.series { metric.add(labels, Self.value(of: cells)) }
      return metric
    }
  }

  private static func value(of cells: Cells) -> MetricFamily.Value {
    switch cells {
    case .counters(let cells): .count(cells.reduce(0) { $0 &+ $1.value })
    case .gauges(let cells): .number(cells.reduce(0) { $0 + $1.value })
    case .histograms(let cells):
      .histogram(
        cells.reduce(into: HistogramSample(cells.first?.buckets ?? .latency)) { $1.add(to: &$0) })
    }
  }
}
