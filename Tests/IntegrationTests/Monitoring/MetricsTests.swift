import FoundationEssentials
import TestSupport
import Testing
import TransomCluster

/// GET /metrics of the running service, read by Prometheus's own parser for Python.
@Suite(.timeLimit(.minutes(2))) struct MetricsTests {
  private static let parser = """
    import json, sys
    from prometheus_client import parser
    from prometheus_client.openmetrics import parser as openmetrics
    text = sys.stdin.read() if len(sys.argv) < 3 else open(sys.argv[2]).read()
    parse = {"prometheus": parser, "openmetrics": openmetrics}[sys.argv[1]].text_string_to_metric_families
    print(json.dumps([[s.name, s.labels, str(s.value), s.exemplar.labels if s.exemplar else None]
      for family in parse(text) for s in family.samples]))
    """

  private struct NoList: Error {
    var text: String
  }

  /// What Prometheus reads of the page: samples by their names, labels and values.
  struct Page {
    let samples: [JSON]

    /// The value of the one sample with this name, and with these labels among its own.
    func value(_ name: String, _ labels: [String: String] = [:]) -> Double? {
      let found = samples.filter { sample in
        sample[0].text == name && labels.allSatisfy { sample[1][$0.key].text == $0.value }
      }
      return found.count == 1 ? found[0][2].text.flatMap { Double($0) } : nil
    }

    var names: Set<String> { Set(samples.compactMap { $0[0].text }) }
  }

  static func page(
    _ service: Service, _ format: String = "prometheus",
    headers: [(name: String, value: String)] = []
  ) async throws -> Page {
    let accept =
      format == "openmetrics"
      ? [(name: "Accept", value: "application/openmetrics-text;version=1.0.0,text/plain;q=0.5")]
      : []
    let answer = try await service.request("GET", "/metrics", headers: headers + accept)
    #expect(answer.status == 200)
    return try await parse(answer.response.text, format)
  }

  private static func parse(_ text: String, _ format: String) async throws -> Page {
    let file = "/tmp/transom-metrics-\(UInt64.random(in: 0...UInt64.max))"
    try text.write(toFile: file, atomically: true, encoding: .utf8)
    defer { try? FileManager.default.removeItem(atPath: file) }
    let output = try await Command("/usr/bin/python3", ["-c", parser, format, file]).runChecked()
      .output
    guard case .array(let samples) = try JSON(parsing: Array(output.utf8)) else {
      throw NoList(text: output)
    }
    return Page(samples: samples)
  }

  @Test func `requests and transactions are counted by what came of them`() async throws {
    try await withDatabase { db in
      try await db.query("create table t (a int unique)")
      try await withService(for: db.connectionString, ["--loops", "2"]) { service in
        for _ in 0..<3 {
          _ = try await service.post(#"{"statements": [{"sql": "insert into t values (1)"}]}"#)
        }
        _ = try await service.post(#"{"statements": [{"sql": "selec"}]}"#)
        _ = try await service.post("{")
        _ = try await service.post(
          #"{"statements": [{"sql": "do $$ begin raise exception using errcode = 'ZZ001'; end $$"}]}"#
        )
        _ = try await service.post(#"{"dry_run": true, "statements": []}"#)
        _ = try await service.stream(#"{"statements": [{"sql": "select 1"}]}"#)
        _ = try await service.request("GET", "/nothing")
        _ = try await service.request("BREW", "/livez")
        let page = try await Self.page(service)
        let requests = "transom_http_requests_total"
        for (labels, count) in [
          (["route": "/transactions", "method": "POST", "status": "2xx"], 3.0),
          (["route": "/transactions", "method": "POST", "status": "4xx"], 5),
          (["route": "/transactions", "method": "POST", "status": "5xx"], 0),
          (["route": "other", "method": "GET", "status": "4xx"], 1),
          (["route": "other", "method": "other", "status": "4xx"], 1),
        ] {
          #expect(page.value(requests, labels) == count, "\(labels)")
        }
        #expect(
          page.value("transom_http_request_duration_seconds_count", ["route": "/transactions"]) == 8
        )
        let transactions = "transom_transactions_total"
        for (outcome, sqlStateClass, count) in [
          ("committed", "", 2.0), ("rolled_back", "", 1), ("rolled_back", "23", 2),
          ("rolled_back", "42", 1), ("rolled_back", "other", 1), ("unknown", "", 0),
        ] {
          let labels = [
            "database": "default", "outcome": outcome, "sqlstate_class": sqlStateClass,
          ]
          #expect(page.value(transactions, labels) == count, "\(labels)")
        }
        let queue = "transom_transaction_queue_seconds_count"
        #expect(page.value(queue, ["database": "default"]) == 7)
        #expect(page.value("transom_pool_size", ["database": "default"]) == 16)
        #expect(page.value("transom_http_connections", ["loop": "0"]) != nil)
        #expect(page.value("transom_http_connections", ["loop": "2"]) == nil)
        #expect(try #require(page.value("process_resident_memory_bytes")) > 1e6)
        #expect(page.value("transom_build_info") == 1)
      }
    }
  }

  @Test func `replays, waits and loops are measured`() async throws {
    try await withDatabase { db in
      try await db.query("create table go ()")
      let arguments = ["--pool-size", "1", "--loops", "1", "--pool-wait-ms", "1000"]
      try await withService(for: db.connectionString, arguments) { service in
        async let holder = db.query(
          """
          begin; select pg_advisory_xact_lock(1);
          do $$ begin
            while not exists (select from go) loop perform pg_sleep(0.01); end loop;
          end $$;
          commit
          """)
        try await eventually("the lock is held") { try await db.running("from go") == 1 }
        async let slow = service.post(
          #"{"statements": [{"sql": "select pg_advisory_xact_lock(1)"}]}"#)
        try await eventually("it runs") {
          try await db.value(
            "select count(*) from pg_stat_activity where wait_event = 'advisory' and datname = current_database()"
          ) == "1"
        }
        let refused = try await service.post(#"{"statements": [{"sql": "select 2"}]}"#)
        #expect(refused.status == 503 && refused.code == "pool-timeout")
        try await db.query("insert into go default values")
        _ = try await holder
        #expect(try await slow.status == 200)
        let page = try await Self.page(service)
        #expect(page.value("transom_pool_timeouts_total") == 1)
        #expect(
          page.value("transom_transactions_total", ["outcome": "not_started"]) == 1)
        #expect(try #require(page.value("transom_transaction_queue_seconds_sum")) >= 1)
        #expect(page.value("transom_transaction_execution_seconds_count") == 1)
        #expect(try #require(page.value("transom_transaction_execution_seconds_sum")) > 0)
        try await eventually("the loop's lag was measured") {
          let page = try await Self.page(service)
          return (page.value("transom_loop_lag_seconds_count", ["loop": "0"]) ?? 0) > 0
        }
      }
    }
  }

  @Test func `a traced request is an exemplar of OpenMetrics, and names of clients are no labels`()
    async throws
  {
    try await withDatabase { db in
      try await withService(for: db.connectionString) { service in
        let trace = "0af7651916cd43dd8448eb211c80319c"
        for index in 0..<30 {
          _ = try await service.request(
            "POST", "/transactions/\(index)",
            headers: [("traceparent", "00-\(trace)-b7ad6b7169203331-01")], body: "{}")
        }
        _ = try await service.request(
          "POST", "/transactions", headers: [("traceparent", "00-\(trace)-b7ad6b7169203331-01")],
          body: #"{"statements": [{"sql": "select 1"}]}"#)
        let page = try await Self.page(service, "openmetrics")
        let exemplars = page.samples.filter { $0[3] != .null }
        #expect(!exemplars.isEmpty && exemplars.allSatisfy { $0[3]["trace_id"].text == trace })
        let plain = try await Self.page(service)
        let routes = plain.samples.filter { $0[0].text == "transom_http_requests_total" }
        #expect(routes.count < 12)
        let size = try await service.request("GET", "/metrics").response.body.count
        #expect(size < 40_000)
      }
    }
  }

  @Test func `webhooks are measured`() async throws {
    try await withDatabase { db in
      let arguments = [
        "--webhooks-allow-networks", "127.0.0.0/8", "--webhooks-retry-schedule", "1h",
      ]
      try await withService(for: db.connectionString, arguments) { service in
        let hook = try await service.request(
          "POST", "/webhooks",
          body: #"{"url": "http://127.0.0.1:\#(service.port)/livez", "events": ["a"]}"#)
        #expect(hook.status == 201)
        _ = try await service.post(
          #"{"statements": [], "on_commit": [{"event": "a", "data": {}}]}"#)
        // POST is not allowed there, so that the attempt is to be repeated.
        try await eventually("an attempt is counted") {
          let page = try await Self.page(service)
          return page.value("transom_webhooks_attempts_total", ["result": "retry"]) == 1
        }
        try await eventually("the queue is counted", within: .seconds(60)) {
          try await Self.page(service).value("transom_webhooks_pending") == 1
        }
        let page = try await Self.page(service)
        #expect(page.value("transom_webhooks_attempt_duration_seconds_count") == 1)
        let health = try await service.request("GET", "/health")
        #expect(health.body["databases"]["default"]["webhooks"]["pending"] == 1)
      }
    }
  }

  @Test func `each metric of the dashboard and of the alert rules is one of the page`() async throws
  {
    let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent().deletingLastPathComponent()
    let script = """
      import json, sys, yaml
      rules = [rule["expr"] for group in yaml.safe_load(open(sys.argv[2]))["groups"] for rule in group["rules"]]
      board = json.load(open(sys.argv[1]))
      panels = [target["expr"] for panel in board["panels"] for target in panel["targets"]]
      variables = [v["query"] for v in board["templating"]["list"]]
      print(json.dumps(rules + panels + variables))
      """
    let files = ["deploy/grafana/transom.json", "deploy/prometheus/transom.rules.yaml"]
    let output = try await Command(
      "/usr/bin/python3", ["-c", script] + files.map { root.appending(path: $0).path }
    ).runChecked().output
    guard case .array(let expressions) = try JSON(parsing: Array(output.utf8)) else {
      throw NoList(text: output)
    }
    #expect(expressions.count > 30)
    try await withDatabase { db in
      try await withService(for: db.connectionString) { service in
        _ = try await service.request("GET", "/livez")
        // That of the webhooks is there when the schema is.
        var names: Set<String> = []
        try await eventually("all metrics") {
          names = try await Self.page(service).names
          return names.contains("transom_webhooks_pending")
        }
        for expression in expressions.compactMap(\.text) {
          let metrics = expression.matches(of: #/(?:transom|process)_[a-z_]+/#).map {
            String($0.output)
          }
          for metric in metrics where metric != "transom" {
            #expect(names.contains(metric), "\(metric) of \(expression)")
          }
        }
      }
    }
  }
}
