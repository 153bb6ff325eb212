import FoundationEssentials
import Glibc
import TestSupport
import Testing
import TransomCluster

/// GET /health, and who may see what of it and of GET /metrics.
@Suite(.timeLimit(.minutes(2))) struct HealthTests {
  @Test func `health tells of each database what it is, and how it is used`() async throws {
    try await withDatabase { db in
      try await withService(for: db.connectionString) { service in
        let answer = try await service.request("GET", "/health")
        #expect(answer.status == 200 && answer.body["status"] == "ok")
        #expect(answer.body["version"].text?.isEmpty == false)
        let database = answer.body["databases"]["default"]
        #expect(database["status"] == "ok" && database["required"] == true)
        #expect(database["role"] == "primary")
        let version = try await db.value("show server_version")
        #expect(database["server_version"].text == version)
        #expect(database["schema"]["version"] == database["schema"]["needed"])
        #expect(database["pool"]["size"] == 16)
        guard case .number(let latency) = database["latency_ms"] else {
          Issue.record("no latency: \(database)")
          return
        }
        #expect(latency > 0 && latency < 5000)
        let head = try await service.request("HEAD", "/health")
        #expect(head.status == 200 && head.response.body.isEmpty)
        #expect(try await service.request("POST", "/health").status == 405)
      }
    }
  }

  @Test func `a required database that does not answer is a 503, another one is not`() async throws
  {
    try await withDatabase { db in
      let others = [
        "TRANSOM_DATABASES_REPORTS_URL": "postgres://127.0.0.1:1/none",
        "TRANSOM_DATABASES_REPORTS_REQUIRED": "false",
      ]
      try await withService(for: db.connectionString, environment: others) { service in
        let answer = try await service.request("GET", "/health")
        #expect(answer.status == 200 && answer.body["status"] == "degraded")
        let reports = answer.body["databases"]["reports"]
        #expect(reports["status"] == "unavailable" && reports["required"] == false)
        #expect(reports["reason"].text?.isEmpty == false)
        #expect(try await service.request("GET", "/readyz").status == 200)
      }
      try await withService(
        for: db.connectionString, environment: others.filter { $0.key.hasSuffix("URL") }
      ) { service in
        let answer = try await service.request("GET", "/health")
        #expect(answer.status == 503 && answer.body["status"] == "unavailable")
        #expect(answer.body["databases"]["default"]["status"] == "ok")
        let ready = try await service.request("GET", "/readyz")
        #expect(ready.status == 503 && ready.code == "database-unavailable")
      }
    }
  }

  /// Stops a server with all its processes, which it returns.
  private static func freeze(_ cluster: PrivateCluster) async throws -> [Int32] {
    let server = try #require(cluster.processID)
    let backends = try await Command("/usr/bin/pgrep", ["-P", "\(server)"]).run().output
      .split(separator: "\n").compactMap { Int32($0) }
    for process in [server] + backends { kill(process, SIGSTOP) }
    return [server] + backends
  }

  @Test func `a server that hangs keeps nobody waiting who asks for health`() async throws {
    try await withCluster { cluster in
      try await withService(for: cluster.connectionString()) { service in
        #expect(try await service.request("GET", "/readyz").status == 200)
        let frozen = try await Self.freeze(cluster)
        defer { for process in frozen { kill(process, SIGCONT) } }
        let start = ContinuousClock.now
        let answer = try await service.request("GET", "/health")
        #expect(answer.status == 503 && answer.body["status"] == "unavailable")
        #expect(try await service.request("GET", "/readyz").status == 503)
        #expect(ContinuousClock.now - start < .seconds(30))
      }
    }
  }

  @Test
  func `however many ask whether it is ready, an event loop asks its database once at a time`()
    async throws
  {
    try await withCluster { cluster in
      try await withService(for: cluster.connectionString(), ["--loops", "2"]) { service in
        #expect(try await service.request("GET", "/readyz").status == 200)
        let frozen = try await Self.freeze(cluster)
        defer { for process in frozen { kill(process, SIGCONT) } }
        try await withThrowingTaskGroup { group in
          for _ in 0..<40 {
            group.addTask { _ = try await service.request("GET", "/readyz") }
          }
          // Before the first is answered. No more than two have a connection, or want one.
          try await Task.sleep(for: .milliseconds(700))
          let page = try await service.request("GET", "/metrics").response.text
          let counts = page.split(separator: "\n").filter {
            $0.hasPrefix("transom_pool_") && ($0.contains("leased") || $0.contains("_waiting"))
          }.map { Int($0.split(separator: " ").last ?? "") ?? 0 }
          #expect(counts.count == 2 && 1...2 ~= counts.reduce(0, +), "\(counts)")
          try await group.waitForAll()
        }
      }
    }
  }

  @Test func `with keys, little is told to those who may not monitor`() async throws {
    let keys = TestKey.writer.environment().merging(
      TestKey.hooks.environment(["MONITORING": "true"])
    ) { $1 }
    try await withDatabase { db in
      try await withService(for: db.connectionString, environment: keys) { service in
        for answer in [
          try await service.request("GET", "/health"),
          try await service.request("GET", "/health", as: .writer),
          try await service.request("GET", "/health", as: .narrow),
        ] {
          #expect(answer.status == 200)
          #expect(answer.response.text == #"{"status":"ok"}"#)
        }
        let health = try await service.request("GET", "/health", as: .hooks)
        #expect(health.body["databases"]["default"]["status"] == "ok")
        #expect(try await service.request("GET", "/metrics").status == 401)
        #expect(try await service.request("GET", "/metrics", as: .writer).status == 403)
        let page = try await service.request("GET", "/metrics", as: .hooks)
        #expect(page.status == 200)
        #expect(
          page.response["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8")
      }
    }
  }

  @Test func `a web page that has its own name lead here sees no details`() async throws {
    try await withDatabase { db in
      try await withService(for: db.connectionString) { service in
        let client = try await service.connect()
        try await client.send("GET /health HTTP/1.1\r\nHost: evil.example\r\n\r\n")
        #expect(try await client.response().text == #"{"status":"ok"}"#)
        try await client.send("GET /metrics HTTP/1.1\r\nHost: evil.example\r\n\r\n")
        #expect(try await client.response().status == 421)
      }
    }
  }

  @Test func `metrics have an address of their own, which serves nothing else`() async throws {
    try await withDatabase { db in
      let arguments = ["--metrics-listen", "127.0.0.1:0"]
      try await withService(
        for: db.connectionString, arguments, environment: TestKey.writer.environment()
      ) { service in
        let line = try await service.process.line(with: "metrics are served")
        let port = try #require(line.firstMatch(of: /127\.0\.0\.1:(\d+)/)).output.1
        let monitoring = Service(process: service.process, port: try #require(Int(port)))
        #expect(try await monitoring.request("GET", "/metrics").status == 200)
        let health = try await monitoring.request("GET", "/health")
        #expect(health.body["databases"]["default"]["status"] == "ok")
        #expect(try await monitoring.request("GET", "/livez").status == 200)
        #expect(try await monitoring.request("GET", "/readyz").status == 200)
        #expect(try await monitoring.request("GET", "/openapi.yaml").status == 404)
        let transaction = try await monitoring.post(#"{"statements": []}"#)
        #expect(transaction.status == 404)
        #expect(try await service.request("GET", "/metrics", as: .writer).status == 404)
        // A web page that has its own name lead here sees nothing.
        for (host, status) in [("evil.example", 421), ("localhost", 200), ("127.0.0.1:1", 200)] {
          let client = try await RawHTTPClient.connect(toPort: monitoring.port)
          try await client.send("GET /metrics HTTP/1.1\r\nHost: \(host)\r\n\r\n")
          #expect(try await client.response().status == status)
        }
      }
    }
  }
}
