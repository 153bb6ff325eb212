import CoreMetrics
import Testing

@testable import TransomMetrics

struct MetricsPageTests {
  private func text(
    _ registry: MetricsRegistry, _ format: MetricsPage.Format = .prometheus
  ) -> String {
    String(decoding: MetricsPage.bytes(of: registry.snapshot(), format), as: UTF8.self)
  }

  @Test func `a page is sorted, and tells what each metric is`() {
    let registry = MetricsRegistry()
    registry.gauge("b", "Two.").set(1.5)
    registry.counter("a", "One.", [.init("x", "2")]).increment()
    registry.counter("a", "One.", [.init("x", "1")]).increment(by: 41)
    #expect(
      text(registry) == """
        # HELP a_total One.
        # TYPE a_total counter
        a_total{x="1"} 41
        a_total{x="2"} 1
        # HELP b Two.
        # TYPE b gauge
        b 1.5

        """)
    #expect(
      text(registry, .openMetrics) == """
        # HELP a One.
        # TYPE a counter
        a_total{x="1"} 41
        a_total{x="2"} 1
        # HELP b Two.
        # TYPE b gauge
        b 1.5
        # EOF

        """)
  }

  @Test func `a histogram counts what is up to a bound, the bound included`() {
    let registry = MetricsRegistry()
    let buckets = HistogramCell.Buckets(bounds: [1000, 2000], unit: 1000)
    let histogram = registry.histogram("h", "H.", [.init("l", "v")], buckets)
    for value: UInt64 in [0, 1000, 1001, 2000, 2001, 5_000_000] { histogram.observe(value) }
    #expect(
      text(registry) == """
        # HELP h H.
        # TYPE h histogram
        h_bucket{l="v",le="1"} 2
        h_bucket{l="v",le="2"} 4
        h_bucket{l="v",le="+Inf"} 6
        h_sum{l="v"} 5006.002
        h_count{l="v"} 6

        """)
  }

  @Test func `an exemplar stands behind its range, the last of each, in OpenMetrics alone`() {
    let registry = MetricsRegistry()
    let buckets = HistogramCell.Buckets(bounds: [1000], unit: 1000)
    let cells = (0..<2).map { _ in registry.histogram("h", "H.", [], buckets) }
    cells[0].observe(500, traceID: "aa", at: 10)
    cells[0].observe(700, traceID: "bb", at: 20.5)
    cells[1].observe(900, traceID: "cc", at: 15)
    #expect(!text(registry).contains("trace_id"))
    let lines = text(registry, .openMetrics).split(separator: "\n")
    #expect(lines.contains(#"h_bucket{le="1"} 3 # {trace_id="bb"} 0.7 20.5"#), "\(lines)")
    #expect(lines.contains(#"h_bucket{le="+Inf"} 3"#))
  }

  @Test func `a series is the sum of its cells, whichever threads count`() async {
    let registry = MetricsRegistry()
    await withTaskGroup { group in
      for _ in 0..<8 {
        group.addTask {
          let counter = registry.counter("c", "C.")
          let gauge = registry.gauge("g", "G.")
          let shared = registry.sharedGauge("s", [])
          let histogram = registry.histogram("h", "H.")
          for index in 0..<1000 {
            counter.increment()
            gauge.add(0.5)
            shared.add(index.isMultiple(of: 2) ? 3 : -1)
            histogram.observe(UInt64(index) * 1_000_000)
          }
        }
      }
    }
    let lines = text(registry).split(separator: "\n")
    for line in ["c_total 8000", "g 4000", "s 8000", "h_count 8000", "h_sum 3996"] {
      #expect(lines.contains(Substring(line)), "\(line) in \(lines)")
    }
  }

  @Test func `what a name may hold of series is bounded, and nothing is lost`() {
    let registry = MetricsRegistry()
    for index in 0..<MetricsRegistry.seriesLimit + 100 {
      registry.counter("c", "C.", [.init("a", "\(index)"), .init("b", "x")]).increment()
      registry.makeCounter(label: "d", dimensions: [("a", "\(index)")]).increment(by: 2)
    }
    let lines = text(registry).split(separator: "\n")
    #expect(lines.count { $0.hasPrefix("c_total{") } == MetricsRegistry.seriesLimit + 1)
    #expect(lines.contains(#"c_total{a="other",b="other"} 100"#))
    #expect(lines.contains(#"d_total{a="other"} 200"#))
  }

  @Test func `one name means one kind of metric`() {
    let registry = MetricsRegistry()
    registry.counter("c", "C.").increment()
    registry.gauge("c", "C.").set(7)
    #expect(text(registry).contains("c_total 1\n") && !text(registry).contains("gauge"))
  }

  @Test func `texts and numbers are written as the format wants them`() {
    let registry = MetricsRegistry()
    registry.gauge("a", "Back\\slash\nand line.", [.init("l", "\"quoted\" \\ \n é")]).set(.infinity)
    registry.gauge("b", "B.").set(-.infinity)
    registry.gauge("c", "C.").set(.nan)
    registry.gauge("d", "D.").set(1_764_000_000.25)
    registry.gauge("e", "E.").set(5e-05)
    let text = text(registry)
    #expect(text.contains(#"# HELP a Back\\slash\nand line."#))
    #expect(text.contains(#"a{l="\"quoted\" \\ \n é"} +Inf"#))
    for line in ["b -Inf", "c NaN", "d 1764000000.25", "e 5e-05"] {
      #expect(text.contains("\n\(line)\n"), "\(text)")
    }
  }
}

struct SwiftMetricsTests {
  private func lines(_ registry: MetricsRegistry) -> [Substring] {
    String(decoding: MetricsPage.bytes(of: registry.snapshot(), .prometheus), as: UTF8.self)
      .split(separator: "\n")
  }

  @Test func `what libraries tell swift-metrics is on the page, under names that Prometheus takes`()
  {
    let registry = MetricsRegistry()
    registry.describe("a_b_c", "What it is.")
    let counter = Counter(label: "a.b-c", dimensions: [("x.y", "z")], factory: registry)
    counter.increment(by: 3)
    // Made twice, it is the same.
    Counter(label: "a.b-c", dimensions: [("x.y", "z")], factory: registry).increment()
    Gauge(label: "gauge", factory: registry).record(2.5)
    let meter = Meter(label: "0meter", factory: registry)
    meter.set(5)
    meter.decrement(by: 1)
    Timer(label: "wait", factory: registry).recordMilliseconds(20)
    Recorder(label: "sizes", factory: registry).record(150)
    Recorder(label: "sizes", factory: registry).record(-1)
    FloatingPointCounter(label: "f", factory: registry).increment(by: 2)
    let lines = lines(registry)
    for line in [
      "# HELP a_b_c_total What it is.", #"a_b_c_total{x_y="z"} 4"#, "gauge 2.5", "_meter 4",
      #"wait_seconds_bucket{le="0.01"} 0"#, #"wait_seconds_bucket{le="0.025"} 1"#,
      "wait_seconds_sum 0.02", #"sizes_bucket{le="100"} 1"#, #"sizes_bucket{le="1000"} 2"#,
      "sizes_sum 150", "f_total 2",
    ] {
      #expect(lines.contains(Substring(line)), "\(line) in \(lines)")
    }
    counter.reset()
    #expect(self.lines(registry).contains(#"a_b_c_total{x_y="z"} 0"#))
  }
}

struct ProcessMetricsTests {
  private func value(_ name: String) -> Double? {
    ProcessMetrics.read().first { $0.name == name }.flatMap {
      if case .number(let number)? = $0.series.first?.value { number } else { nil }
    }
  }

  @Test func `the process is described as the kernel knows it`() throws {
    let before = try #require(value("process_cpu_seconds"))
    var after = before
    // Until the kernel's clock, of hundredths of a second, has counted something.
    while after == before { after = try #require(value("process_cpu_seconds")) }
    #expect(after > before)
    let memory = try #require(value("process_resident_memory_bytes"))
    #expect(memory > 1e6 && memory < 1e11)
    #expect(try #require(value("process_virtual_memory_bytes")) > memory)
    #expect(try #require(value("process_threads")) >= 1)
    let open = try #require(value("process_open_fds"))
    let limit = try #require(value("process_max_fds"))
    #expect(open >= 3 && open <= limit)
    let start = try #require(value("process_start_time_seconds"))
    #expect(start > 1_500_000_000 && start < 5_000_000_000)
  }
}
