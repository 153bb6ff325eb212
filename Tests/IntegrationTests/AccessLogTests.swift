import TestSupport
import Testing

@Suite(.timeLimit(.minutes(2))) struct AccessLogTests {
  private static let secret = "s3cr3t"
  private static let insert = """
    {"statements": [{"sql": "insert into t values ($1)", "params": ["\(secret)"]}]}
    """

  /// The log's lines about requests, once there are so many.
  private func lines(_ service: Service, _ count: Int) async throws -> [Substring] {
    var lines: [Substring] = []
    try await eventually("\(count) events") {
      lines = service.process.log.split(separator: "\n").filter { $0.contains("duration_ms=") }
      return lines.count >= count
    }
    return lines
  }

  @Test func `each request is one event, which tells everything but parameters`() async throws {
    try await withDatabase { db in
      try await db.query("create table t (text text unique)")
      try await withService(for: db.connectionString, ["--access-log"]) { service in
        let first = try await service.post(Self.insert)
        #expect(first.status == 200)
        let second = try await service.post(Self.insert)
        #expect(second.status == 409)
        let health = try await service.request("GET", "/livez?token=\(Self.secret)")
        let lines = try await lines(service, 3)
        #expect(lines.count == 3)
        let expected = [
          (first, "outcome=committed", "method=POST"),
          (second, "outcome=rolled_back", "method=POST"),
          (health, "path=/livez ", "method=GET"),
        ]
        // What another event loop has answered may be noted before.
        for (answer, text, method) in expected {
          let id = try #require(answer.response["X-Request-Id"])
          let line = try #require(lines.first { ($0 + " ").contains("request_id=\(id) ") })
          for part in [
            text, method, "status=\(answer.status)", "client=127.0.0.1",
          ] {
            #expect((line + " ").contains(part), "\(line)")
          }
          let bytes = line.firstMatch(of: /bytes=(\d+)/).flatMap { Int($0.output.1) } ?? 0
          #expect(bytes > answer.response.body.count && bytes < answer.response.body.count + 500)
        }
        #expect(!service.process.log.contains(Self.secret))
      }
    }
  }

  @Test func `what is refused as HTTP is an event, too`() async throws {
    try await withService(for: "postgresql:///none", ["--access-log"]) { service in
      let client = try await service.connect()
      try await client.send("POST /transactions HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n")
      #expect(try await client.response().status == 400)
      let line = try await service.process.line(with: "status=400")
      for part in ["path=/transactions", "outcome=not_started", "request_id=req_", "duration_ms="] {
        #expect(line.contains(part), "\(line)")
      }
    }
  }

  @Test(arguments: [
    "GET /livez HTT", "POST /livez HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n",
  ])
  func `a refusal's duration is the time that the client took from its first byte on`(
    _ part: String
  ) async throws {
    let timeouts = ["--timeouts-head-ms", "300", "--timeouts-body-ms", "300"]
    try await withService(for: "postgresql:///none", ["--access-log"] + timeouts) { service in
      let client = try await service.connect()
      // What was answered before on the connection does not count.
      #expect(try await client.request("GET", "/livez").status == 200)
      try await client.send(part)
      #expect(try await client.response().status == 408)
      let line = try await service.process.line(with: "status=408")
      let duration = line.firstMatch(of: /duration_ms=(\d+)/).flatMap { Int($0.output.1) }
      #expect(try #require(duration) >= 300, "\(line)")
    }
  }

  @Test func `a connection too many is an event, with a request id`() async throws {
    try await withService(
      for: "postgresql:///none", ["--access-log", "--limits-connections", "1"]
    ) { service in
      let first = try await service.connect()
      #expect(try await first.request("GET", "/livez").status == 200)
      let second = try await service.connect()
      let answer = try await second.response()
      #expect(answer.status == 503)
      let id = try #require(answer["X-Request-Id"])
      let line = try await service.process.line(with: "status=503")
      for part in ["outcome=not_started", "request_id=\(id)", "duration_ms="] {
        #expect(line.contains(part), "\(line)")
      }
    }
  }

  @Test(arguments: [
    (["--trusted-proxies", "127.0.0.0/8"], "203.0.113.7", "203.0.113.7"),
    (["--trusted-proxies", "127.0.0.1"], "6.6.6.6, 203.0.113.7:99, 127.9.9.9", "127.9.9.9"),
    (["--trusted-proxies", "10.0.0.0/8"], "203.0.113.7", "127.0.0.1"),
    ([], "203.0.113.7", "127.0.0.1"),
  ])
  func `a proxy is believed about its client only if it is trusted`(
    _ arguments: [String], _ field: String, _ client: String
  ) async throws {
    try await withService(for: "postgresql:///none", ["--access-log"] + arguments) { service in
      _ = try await service.request("GET", "/livez", headers: [("X-Forwarded-For", field)])
      let lines = try await lines(service, 1)
      #expect((lines[0] + " ").contains("client=\(client) "), "\(lines)")
    }
  }

  @Test func `without the flag there is no event, and of a sample one of so many`() async throws {
    try await withService(for: "postgresql:///none") { service in
      let answer = try await service.request("GET", "/livez")
      #expect(answer.status == 200)
      #expect(!service.process.log.contains("status="))
    }
    try await withService(
      for: "postgresql:///none",
      environment: [
        "TRANSOM_ACCESS_LOG": "true", "TRANSOM_ACCESS_LOG_INTERVAL": "10",
      ]
    ) { service in
      let client = try await service.connect()
      for _ in 0..<31 { #expect(try await client.request("GET", "/livez").status == 200) }
      #expect(try await lines(service, 4).count == 4)
    }
  }
}
