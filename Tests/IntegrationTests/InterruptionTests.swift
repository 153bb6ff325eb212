import TestSupport
import Testing

/// Transactions that end early because of their client: it waits no longer.
@Suite(.timeLimit(.minutes(2))) struct InterruptionTests {
  private static let long = """
    {"statements": [
      {"sql": "insert into t values (1)"},
      {"on_error": "continue", "savepoint": [{"sql": "select pg_sleep(60)"}]}]
    """

  @Test(arguments: [false, true])
  func `a client that disconnects ends its statement on the server, and nothing is stored`(
    byReset: Bool
  ) async throws {
    try await withTable { db, service in
      let client = try await service.connect()
      let body = Self.long + "}"
      try await client.send(
        """
        POST /transactions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
        Content-Length: \(body.utf8.count)\r\n\r\n\(body)
        """)
      try await eventually("the statement runs") { try await db.running("pg_sleep") == 1 }
      if byReset { await client.reset() } else { await client.close() }
      try await eventually("it is cancelled") { try await db.running("pg_sleep") == 0 }
    }
  }

  @Test func `after timeout_ms the answer is 504, and the server runs nothing any more`()
    async throws
  {
    try await withTable { db, service in
      let answer = try await service.post(Self.long + #", "timeout_ms": 300}"#)
      #expect(answer.status == 504)
      #expect(answer.code == "timeout")
      #expect(answer.outcome == "rolled_back")
      #expect(answer.body["statement"] == "/statements/1/savepoint/0")
      // The answer came after the server's: so there is nothing to wait for.
      #expect(try await db.running("pg_sleep") == 0)
    }
  }

  @Test func `the configured limit caps timeout_ms`() async throws {
    try await withTable(environment: ["TRANSOM_LIMITS_TIMEOUT_MS": "300"]) { db, service in
      let answer = try await service.post(Self.long + #", "timeout_ms": 50000}"#)
      #expect(answer.status == 504 && answer.outcome == "rolled_back")
    }
  }

  @Test func `who gets no connection in time is told that nothing was started`() async throws {
    let pool = ["--loops", "1", "--pool-size", "1"]
    try await withTable(pool, environment: ["TRANSOM_POOL_WAIT_MS": "400"]) { db, service in
      async let first = service.post(Self.long + #", "timeout_ms": 20000}"#)
      try await eventually("the only connection is taken") {
        try await db.running("pg_sleep") == 1
      }
      let insert = #"{"statements": [{"sql": "insert into t values (2)"}]"#
      let late = try await service.post(insert + #", "timeout_ms": 50}"#)
      #expect(late.status == 504 && late.outcome == "not_started")
      let crowded = try await service.post(insert + "}")
      #expect(crowded.status == 503 && crowded.code == "pool-timeout")
      #expect(crowded.outcome == "not_started" && crowded.body["retryable"] == true)
      #expect(crowded.response["Retry-After"] != nil)
      // An administrator's cancellation is an error like any other: the group undoes it alone.
      try await db.query(
        """
        select pg_cancel_backend(pid) from pg_stat_activity
        where datname = current_database() and pid <> pg_backend_pid() and query like '%pg_sleep%'
        """)
      let undone = try await first
      #expect(undone.status == 200)
      #expect(undone.body["results"][1]["error"]["sqlstate"] == "57014")
      try await db.query("delete from t")
    }
  }

  /// Serves a database with an empty table `t`. In the end that is to be as empty, and the service
  /// to serve.
  private func withTable(
    _ arguments: [String] = [], environment: [String: String] = [:],
    _ body: (TestDatabase, Service) async throws -> Void
  ) async throws {
    try await withDatabase { db in
      try await db.query("create table t (id int)")
      try await withService(
        for: db.connectionString, arguments, environment: environment
      ) { service in
        try await body(db, service)
        let next = try await service.post(
          #"{"statements": [{"sql": "select count(*)::int as n from t"}]}"#)
        #expect(next.status == 200)
        #expect(next.body["results"][0]["rows"] == [["n": 0]])
      }
    }
  }
}
