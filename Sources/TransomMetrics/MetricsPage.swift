/// Metrics as text: in Prometheus's own format, version 0.0.4
/// (https://prometheus.io/docs/instrumenting/exposition_formats), or in that of OpenMetrics 1.0, which has exemplars.
package struct MetricsPage {
  package enum Format: Sendable {
    case prometheus
    case openMetrics

    package var contentType: String {
      switch self {
      case .prometheus: "text/plain; version=0.0.4; charset=utf-8"
      case .openMetrics: "application/openmetrics-text; version=1.0.0; charset=utf-8"
      }
    }
  }

  private let format: Format
  private var text = ""

  /// The bytes of a page with these metrics, in the order of their names.
  package static func bytes(of families: [MetricFamily], _ format: Format) -> [UInt8] {
    var page = MetricsPage(format: format)
    for family in families.sorted(by: { $0.name < $1.name }) where !family.series.isEmpty {
      page.append(family)
    }
    if format == .openMetrics { page.text += "# EOF\n" }
    return Array(page.text.utf8)
  }

  private init(format: Format) { self.format = format }

  private mutating func append(_ family: MetricFamily) {
    // In OpenMetrics, the family of a counter has the name without `_total`.
    let sample = family.kind == .counter ? family.name + "_total" : family.name
    let name = format == .openMetrics ? family.name : sample
    text += "# HELP \(name) \(Self.escaped(family.help, quotes: format == .openMetrics))\n"
    text += "# TYPE \(name) \(family.kind.rawValue)\n"
    let series = family.series.map { (labels: Self.text(of: $0.labels), value: $0.value) }
    for (labels, value) in series.sorted(by: { $0.labels < $1.labels }) {
      switch value {
      case .count(let count): line(sample, labels, "\(count)")
      case .number(let number): line(sample, labels, Self.text(of: number))
      case .histogram(let histogram): append(histogram, sample, labels)
      }
    }
  }

  private mutating func append(_ histogram: HistogramSample, _ name: String, _ labels: String) {
    var count: UInt64 = 0
    let unit = Double(histogram.buckets.unit)
    for (index, own) in histogram.counts.enumerated() {
      count += own
      let bounds = histogram.buckets.bounds
      let bound = index < bounds.count ? Self.text(of: Double(bounds[index]) / unit) : "+Inf"
      let separator = labels.isEmpty ? "" : ","
      var value = "\(count)"
      if format == .openMetrics, let exemplar = histogram.exemplars[index] {
        value += " # {trace_id=\"\(exemplar.traceID)\"} "
        value += Self.text(of: Double(exemplar.value) / unit) + " " + Self.text(of: exemplar.time)
      }
      line(name + "_bucket", "\(labels)\(separator)le=\"\(bound)\"", value)
    }
    line(name + "_sum", labels, Self.text(of: Double(histogram.sum) / unit))
    line(name + "_count", labels, "\(count)")
  }

  private mutating func line(_ name: String, _ labels: String, _ value: String) {
    text += labels.isEmpty ? "\(name) \(value)\n" : "\(name){\(labels)} \(value)\n"
  }

  private static func text(of labels: [MetricsRegistry.Label]) -> String {
    labels.map { "\($0.name)=\"\(escaped($0.value, quotes: true))\"" }.joined(separator: ",")
  }

  private static func text(of number: Double) -> String {
    if number.isNaN { return "NaN" }
    if number.isInfinite { return number < 0 ? "-Inf" : "+Inf" }
    // As it is read most easily; 1e9 is what a start time is about.
    if let whole = Int(exactly: number), whole.magnitude < 1 << 53 { return "\(whole)" }
    return "\(number)"
  }

  private static func escaped(_ text: String, quotes: Bool) -> String {
    var escaped = ""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\\": escaped += #"\\"#
      case "\n": escaped += #"\n"#
      case "\"" where quotes: escaped += #"\""#
      default: escaped.unicodeScalars.append(scalar)
      }
    }
    return escaped
  }
}
