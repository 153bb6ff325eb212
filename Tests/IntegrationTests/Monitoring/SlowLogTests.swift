import FoundationEssentials
import TestSupport
import Testing

/// The log in JSON, and what it tells of slow transactions.
@Suite(.timeLimit(.minutes(2))) struct SlowLogTests {
  private static let json = ["TRANSOM_LOG_FORMAT": "json"]

  /// The events of the log with this message.
  private func events(_ service: Service, _ message: String) throws -> [JSON] {
    try service.process.log.split(separator: "\n").filter { $0.hasPrefix("{") }
      .map { try JSON(parsing: Array($0.utf8)) }.filter { $0["message"].text == message }
  }

  @Test func `each request is one object, with numbers, its name and its trace`() async throws {
    try await withDatabase { db in
      try await withService(for: db.connectionString, ["--access-log"], environment: Self.json) {
        service in
        let answer = try await service.request(
          "POST", "/transactions",
          headers: [("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")],
          body: #"{"statements": [{"sql": "select $1", "params": ["s3cr3t"]}]}"#)
        try await eventually("an event") { try events(service, "request").count == 1 }
        let event = try events(service, "request")[0]
        #expect(event["status"] == 200 && event["method"] == "POST")
        #expect(event["path"] == "/transactions" && event["outcome"] == "committed")
        #expect(event["request_id"].text == answer.response["X-Request-Id"])
        #expect(event["trace_id"] == "0af7651916cd43dd8448eb211c80319c")
        #expect(event["parent_id"] == "b7ad6b7169203331" && event["level"] == "info")
        guard case .number = event["duration_ms"], case .number = event["bytes"] else {
          Issue.record("no numbers in \(event)")
          return
        }
        #expect(!service.process.log.contains("s3cr3t"))
        // Every line is an object.
        for line in service.process.log.split(separator: "\n") {
          #expect(throws: Never.self) { try JSON(parsing: Array(line.utf8)) }
        }
      }
    }
  }

  @Test func `a slow transaction is told with its statements and their times, without parameters`()
    async throws
  {
    try await withDatabase { db in
      try await withService(
        for: db.connectionString, ["--log-slow-ms", "300"], environment: Self.json
      ) { service in
        _ = try await service.post(#"{"statements": [{"sql": "select 'quick'"}]}"#)
        // What is expected of the first one cuts the pipeline behind it.
        let answer = try await service.post(
          """
          {"statements": [
            {"sql": "select pg_sleep(0.4), $1::text", "params": ["s3cr3t"], "expect": {"row_count": 1}},
            {"sql": "select 1"}, {"savepoint": [{"sql": "select pg_sleep(0.2)"}]}]}
          """)
        #expect(answer.status == 200)
        try await eventually("an event") { try events(service, "slow transaction").count == 1 }
        let event = try events(service, "slow transaction")[0]
        #expect(event["level"] == "warning" && event["result"] == "committed")
        #expect(event["database"] == "default" && event["attempts"] == 1)
        #expect(event["request_id"].text == answer.response["X-Request-Id"])
        let steps = event["steps"]
        let first = steps[0]
        #expect(first["statements"][0]["at"] == "/statements/0", "\(event)")
        #expect(first["statements"][0]["sql"] == "select pg_sleep(0.4), $1::text")
        #expect(first["statements"][1] == .absent)
        #expect(steps[1]["statements"][1]["at"] == "/statements/2/savepoint/0", "\(event)")
        for (step, least) in [(first, 400.0), (steps[1], 200)] {
          guard case .number(let milliseconds) = step["ms"] else {
            Issue.record("no time in \(step)")
            continue
          }
          #expect(milliseconds >= least && milliseconds < least + 5000)
        }
        let log = service.process.log
        #expect(!log.contains("s3cr3t") && !log.contains("quick"))
      }
    }
  }

  @Test func `one that fails, is streamed or comes from Neon's driver is told, too`() async throws {
    try await withDatabase { db in
      try await withService(
        for: db.connectionString, ["--log-slow-ms", "100"], environment: Self.json
      ) { service in
        _ = try await service.post(
          #"{"timeout_ms": 300, "statements": [{"sql": "select 1"}, {"sql": "select pg_sleep(9)"}]}"#
        )
        _ = try await service.stream(#"{"statements": [{"sql": "select pg_sleep(0.2)"}]}"#)
        _ = try await service.sql(#"{"query": "select pg_sleep(0.2)"}"#)
        try await eventually("three events") {
          try events(service, "slow transaction").count == 3
        }
        let slow = try events(service, "slow transaction")
        #expect(slow[0]["problem"] == "timeout" && slow[0]["result"] == "rolled_back")
        #expect(slow[0]["statement"] == "/statements/1", "\(slow[0])")
        #expect(slow[1]["result"] == "committed" && slow[2]["result"] == "committed")
      }
    }
  }

  @Test func `off is off`() async throws {
    try await withDatabase { db in
      try await withService(for: db.connectionString, ["--log-slow-ms", "off"]) { service in
        _ = try await service.post(#"{"statements": [{"sql": "select pg_sleep(1.1)"}]}"#)
        #expect(!service.process.log.contains("slow transaction"))
      }
    }
  }
}
