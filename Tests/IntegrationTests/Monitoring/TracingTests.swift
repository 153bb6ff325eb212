import TestSupport
import Testing

/// Spans of requests, as a collector gets them.
@Suite(.timeLimit(.minutes(10))) struct TracingTests {
  private static let trace = "0af7651916cd43dd8448eb211c80319c"
  private static let parent = "b7ad6b7169203331"
  private static let select = #"{"statements": [{"sql": "select 1"}]}"#

  private static func traceparent(
    _ trace: String = trace, sampled: Bool = true
  ) -> [(name: String, value: String)] {
    [("traceparent", "00-\(trace)-\(parent)-0\(sampled ? 1 : 0)")]
  }

  private static func withTracing(
    _ arguments: [String] = [], kind: String = "", environment: [String: String] = [:],
    _ body: (TestDatabase, Service, TraceCollector) async throws -> Void
  ) async throws {
    try await TraceCollector.with { collector in
      try await withDatabase { db in
        let all = ["--tracing-endpoint", collector.endpoint(kind)] + arguments
        try await withService(for: db.connectionString, all, environment: environment) {
          try await body(db, $0, collector)
        }
      }
    }
  }

  private static func counts(_ service: Service) async throws -> [String: Double] {
    let page = try await MetricsTests.page(service)
    var counts: [String: Double] = [:]
    for result in ["exported", "dropped"] {
      counts[result] = page.value("transom_tracing_spans_total", ["result": result])
    }
    return counts
  }

  private static func time(_ span: JSON, _ end: String) -> Int {
    span["\(end)TimeUnixNano"].text.flatMap { Int($0) } ?? -1
  }

  @Test func `a request of a sampled trace has a span, with the caller's as its parent`()
    async throws
  {
    let environment = [
      "TRANSOM_TRACING_HEADERS": "authorization=Bearer t0ken,x-tenant=a b",
      "TRANSOM_TRACING_SERVICE_NAME": "orders",
    ]
    try await Self.withTracing(environment: environment) { db, service, collector in
      let answer = try await service.request(
        "POST", "/transactions?secret=s3cr3t",
        headers: Self.traceparent() + [("X-Request-Id", "r-1")],
        body: #"{"statements": [{"sql": "select 's3cr3t', $1::text", "params": ["s3cr3t"]}]}"#)
      #expect(answer.status == 200)
      let spans = try await collector.spans(3, of: Self.trace)
      let server = try #require(spans.first { $0["name"].text == "POST /transactions" })
      let id = try #require(server["spanId"].text)
      #expect(id.wholeMatch(of: #/[0-9a-f]{16}/#) != nil && id != Self.parent)
      #expect(server["parentSpanId"].text == Self.parent)
      #expect(server["kind"] == 2 && server["flags"] == 0x301 && server["status"] == .absent)
      let expected = [
        "http.request.method": "POST", "http.route": "/transactions", "url.path": "/transactions",
        "url.scheme": "http", "server.address": "localhost",
        "network.protocol.version": "1.1", "http.response.status_code": "200",
        "transom.outcome": "committed", "transom.attempts": "1", "transom.request_id": "r-1",
      ]
      #expect(server.attributes == expected)

      let wait = try #require(spans.first { $0["name"].text == "wait for connection" })
      let transaction = try #require(spans.first { $0["name"].text == "TRANSACTION" })
      #expect(wait["parentSpanId"].text == id && transaction["parentSpanId"].text == id)
      #expect(wait["kind"] == 1 && transaction["kind"] == 3)
      #expect(transaction.attributes["db.system.name"] == "postgresql")
      #expect(transaction.attributes["db.namespace"] == db.name)
      #expect(transaction.attributes["transom.database"] == "default")
      #expect(Set(spans.compactMap { $0["spanId"].text }).count == 3)
      let moments = [
        Self.time(server, "start"), Self.time(wait, "start"), Self.time(wait, "end"),
        Self.time(transaction, "start"), Self.time(transaction, "end"), Self.time(server, "end"),
      ]
      #expect(moments == moments.sorted() && moments[0] > 1_500_000_000_000_000_000)

      let request = try #require(try collector.requests().first)
      #expect(request["path"].text == "/v1/traces")
      #expect(request["headers"]["content-type"].text == "application/json")
      #expect(request["headers"]["authorization"].text == "Bearer t0ken")
      #expect(request["headers"]["x-tenant"].text == "a b")
      let resource = request["body"]["resourceSpans"][0]["resource"].attributes
      #expect(resource["service.name"] == "orders" && resource["service.version"] != nil)
      #expect(!(try collector.requests().contains { $0["text"].text?.contains("s3cr3t") != false }))
    }
  }

  @Test func `whoever sends a traceparent decides, and chance where there is none`() async throws {
    try await Self.withTracing(["--tracing-sample", "0"]) { _, service, collector in
      let unsampled = Self.traceparent(String(repeating: "1", count: 32), sampled: false)
      _ = try await service.request("POST", "/transactions", headers: unsampled, body: Self.select)
      _ = try await service.post(Self.select)
      _ = try await service.request(
        "POST", "/transactions", headers: Self.traceparent(), body: Self.select)
      // Neither other paths nor other methods have spans.
      _ = try await service.request("GET", "/livez", headers: Self.traceparent())
      _ = try await service.request("GET", "/transactions", headers: Self.traceparent())
      #expect(try await collector.spans(3).allSatisfy { $0["traceId"].text == Self.trace })
      try await eventually("the spans are counted") {
        try await Self.counts(service) == ["exported": 3, "dropped": 0]
      }
    }
    try await Self.withTracing { _, service, collector in
      let unsampled = Self.traceparent(String(repeating: "1", count: 32), sampled: false)
      _ = try await service.request("POST", "/transactions", headers: unsampled, body: Self.select)
      _ = try await service.post(Self.select)
      _ = try await service.request(
        "POST", "/transactions", headers: [("traceparent", "00-x-y-01")], body: Self.select)
      let servers = try await collector.spans(6).filter { $0["kind"] == 2 }
      #expect(servers.count == 2 && servers.allSatisfy { $0["parentSpanId"] == .absent })
      #expect(Set(servers.compactMap { $0["traceId"].text }).count == 2)
    }
  }

  @Test func `what failed is told by its code, and never by its message`() async throws {
    try await Self.withTracing(["--loops", "1", "--pool-size", "1", "--pool-wait-ms", "1000"]) {
      db, service, collector in
      try await db.query("create table t (a text unique); insert into t values ('s3cr3t')")
      let conflict = try await service.request(
        "POST", "/transactions", headers: Self.traceparent(),
        body: #"{"statements": [{"sql": "insert into t values ($1)", "params": ["s3cr3t"]}]}"#)
      #expect(conflict.status == 409)
      let spans = try await collector.spans(3, of: Self.trace)
      let server = try #require(spans.first { $0["kind"] == 2 })
      // What the client has done is no error of the service's.
      #expect(server["status"] == .absent && server.attributes["error.type"] == nil)
      #expect(server.attributes["transom.outcome"] == "rolled_back")
      #expect(server.attributes["http.response.status_code"] == "409")
      let transaction = try #require(spans.first { $0["kind"] == 3 })
      #expect(transaction["status"] == ["code": 2])
      #expect(transaction.attributes["db.response.status_code"] == "23505")
      #expect(transaction.attributes["error.type"] == "23505")

      async let holder = service.post(#"{"statements": [{"sql": "select pg_sleep(3)"}]}"#)
      try await eventually("it runs") { try await db.running("pg_sleep") == 1 }
      let other = String(repeating: "2", count: 32)
      let refused = try await service.request(
        "POST", "/transactions", headers: Self.traceparent(other), body: Self.select)
      #expect(refused.status == 503)
      _ = try await holder
      let waits = try await collector.spans(2, of: other)
      let failed = try #require(waits.first { $0["kind"] == 2 })
      #expect(failed["status"] == ["code": 2])
      #expect(failed.attributes["error.type"] == "pool-timeout")
      #expect(failed.attributes["transom.outcome"] == "not_started")
      let wait = try #require(waits.first { $0["kind"] == 1 })
      #expect(wait.attributes["error.type"] == "pool-timeout")
      #expect(Self.time(wait, "end") - Self.time(wait, "start") >= 50_000_000)
      #expect(!(try collector.requests().contains { $0["text"].text?.contains("s3cr3t") != false }))
    }
  }

  @Test func `named transactions, streams and POST /sql have spans, too`() async throws {
    try await withFolder(["look.yaml": "statements: [{sql: select 1}]"]) { folder in
      try await Self.withTracing(["--transactions-folder", folder]) { _, service, collector in
        let neon = [(name: "Neon-Connection-String", value: "postgres://a:b@c.example/default")]
        let stream = [(name: "Accept", value: "application/x-ndjson")]
        for (number, path, headers, body) in [
          (1, "/transactions/look", [], "{}"), (2, "/transactions/nothing", [], "{}"),
          (3, "/sql", neon, #"{"query": "select 1"}"#), (4, "/transactions", stream, Self.select),
        ] {
          let trace = String(repeating: "\(number)", count: 32)
          _ = try await service.request(
            "POST", path, headers: Self.traceparent(trace) + headers, body: body)
        }
        for (number, route, transaction, outcome, count) in [
          (1, "/transactions/{transaction}", "look", "committed", 3),
          (2, "/transactions/{transaction}", nil, "not_started", 1),
          (3, "/sql", nil, "committed", 3), (4, "/transactions", nil, "committed", 3),
        ] {
          let spans = try await collector.spans(
            count, of: String(repeating: "\(number)", count: 32))
          #expect(spans.count == count, "\(route)")
          let server = try #require(spans.first { $0["kind"] == 2 })
          #expect(server["name"].text == "POST \(route)")
          #expect(server.attributes["http.route"] == route)
          #expect(server.attributes["transom.transaction"] == transaction)
          #expect(server.attributes["transom.outcome"] == outcome, "\(route)")
        }
      }
    }
  }

  @Test func `a collector that is busy is asked again, and one that refuses is not`()
    async throws
  {
    for (kind, expected, requests) in [
      ("/busy", ["exported": 3.0, "dropped": 0], 2), ("/refuse", ["exported": 0, "dropped": 3], 1),
      ("/partial", ["exported": 2, "dropped": 1], 1),
    ] {
      try await Self.withTracing(kind: kind) { _, service, collector in
        _ = try await service.post(Self.select)
        try await eventually("the spans of \(kind) are counted") {
          try await Self.counts(service) == expected
        }
        #expect(try collector.requests().count == requests)
      }
    }
  }

  @Test func `a collector that is down or hangs costs no request, and what is too much is dropped`()
    async throws
  {
    try await Self.withTracing(kind: "/hang") { _, service, _ in
      let client = try await service.connect()
      for _ in 0..<1200 { #expect(try await client.post(Self.select).status == 200) }
      await client.close()
      #expect(try #require(try await Self.counts(service)["dropped"]) > 0)
    }
    try await withDatabase { db in
      // Nobody listens at the discard port.
      try await withService(
        for: db.connectionString, ["--tracing-endpoint", "http://127.0.0.1:9"]
      ) { service in
        #expect(try await service.post(Self.select).status == 200)
        _ = try await service.process.line(with: "spans are not taken")
      }
    }
  }

  @Test func `what is left is sent when the service stops`() async throws {
    try await TraceCollector.with { collector in
      try await withDatabase { db in
        try await withService(
          for: db.connectionString, ["--tracing-endpoint", collector.endpoint()]
        ) { service in
          for _ in 0..<20 { _ = try await service.post(Self.select) }
        }
      }
      #expect(try collector.spans().count == 60)
    }
  }
}
