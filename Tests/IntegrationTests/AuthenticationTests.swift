import TestSupport
import Testing

/// Who may do what: keys, their rights and their limits.
@Suite(.timeLimit(.minutes(2))) struct AuthenticationTests {
  private static let select = #"{"statements": [{"sql": "select 1"}]}"#

  private static func withKeys<Result>(
    _ keys: [[String: String]], _ arguments: [String] = [], environment: [String: String] = [:],
    _ body: (TestDatabase, Service) async throws -> Result
  ) async throws -> Result {
    let environment = keys.reduce(environment) { $0.merging($1) { $1 } }
    return try await withDatabase { db in
      try await withService(for: db.connectionString, arguments, environment: environment) {
        try await body(db, $0)
      }
    }
  }

  private static func code(_ answer: Answer) -> String { "\(answer.status) \(answer.code ?? "")" }

  @Test func `without one of its keys nobody gets in, and the answer takes its time`() async throws
  {
    try await Self.withKeys([TestKey.writer.environment()]) { db, service in
      try await db.query("create table t (a int)")
      let insert = #"{"statements": [{"sql": "insert into t values (1)"}]}"#
      let good = TestKey.writer.text
      let wrong = [
        [], ["Bearer"], ["Bearer "], ["Bearer \(good)x"], ["Bearer \(good.dropLast())"],
        ["Bearer \(good.uppercased())"], ["Bearer  \(good)"], ["Basic \(good)"], [good],
        ["Bearer \(TestKey.writer.hash)"], ["Bearer \(good)", "Bearer \(good)"],
        ["Bearer \(good), Bearer \(good)"], ["Bearer \"\(good)\""],
      ]
      for values in wrong {
        let started = ContinuousClock.now
        let answer = try await service.request(
          "POST", "/transactions", headers: values.map { ("Authorization", $0) }, body: insert)
        #expect(Self.code(answer) == "401 unauthenticated" && answer.outcome == "not_started")
        #expect(answer.response["WWW-Authenticate"] == "Bearer")
        #expect(answer.response["X-Request-Id"] != nil)
        #expect(.now - started >= .milliseconds(450), "\(values)")
      }
      for path in ["/webhooks", "/webhooks/wh_1", "/webhooks/wh_1/deliveries"] {
        let answer8 = try await service.request("GET", path)
        #expect(Self.code(answer8) == "401 unauthenticated")
      }
      let value10 = try await db.value("select count(*) from t")
      #expect(value10 == "0")
      for scheme in ["Bearer", "bearer", "BEARER"] {
        let answer = try await service.request(
          "POST", "/transactions", headers: [("authorization", "\(scheme) \(good)")], body: insert)
        #expect(answer.status == 200)
      }
      let value11 = try await db.value("select count(*) from t")
      #expect(value11 == "3")
      let log = service.process.log
      #expect(log.contains("authentication failed") && log.contains("client=127.0.0.1"), "\(log)")
      #expect(!log.lowercased().contains(good.dropLast()) && !log.contains(TestKey.writer.hash))
    }
  }

  @Test func `who only asks how the service is needs no key`() async throws {
    try await Self.withKeys([TestKey.writer.environment()]) { _, service in
      for path in ["/livez", "/readyz", "/openapi.yaml", "/openapi.json", "/docs"] {
        let status1 = try await service.request("GET", path).status
        #expect(status1 == 200)
      }
      let status2 = try await service.request("OPTIONS", "/transactions").status
      #expect(status2 == 204)
      let status3 = try await service.request("GET", "/nowhere").status
      #expect(status3 == 404)
      let status4 = try await service.request("GET", "/transactions").status
      #expect(status4 == 405)
    }
  }

  @Test func `with keys an address that others can reach is served`() async throws {
    try await withTransom(
      ["serve", "--listen", "0.0.0.0:0", "--database-url", "postgresql:///none"],
      environment: TestKey.writer.environment()
    ) { _, port in
      let client = try await RawHTTPClient.connect(toPort: port)
      let status12 = try await client.request("GET", "/livez").status
      #expect(status12 == 200)
    }
  }

  @Test func `webhooks take a key that may manage them`() async throws {
    try await Self.withKeys([
      TestKey.writer.environment(), TestKey.hooks.environment(["WEBHOOKS": "true"]),
    ]) { _, service in
      let body = #"{"url": "https://example.org/", "events": ["*"]}"#
      let requests: [(String, String, String?)] = [
        ("POST", "/webhooks", body), ("GET", "/webhooks", nil), ("GET", "/webhooks/wh_1", nil),
        ("PATCH", "/webhooks/wh_1", #"{"description": "x"}"#),
        ("POST", "/webhooks/wh_1/rotate-secret", nil), ("GET", "/webhooks/wh_1/deliveries", nil),
        ("POST", "/webhooks/wh_1/redeliver", #"{"since": "2026-01-01T00:00:00Z"}"#),
        ("DELETE", "/webhooks/wh_1", nil),
      ]
      for (method, path, body) in requests {
        let refused = try await service.request(method, path, as: .writer, body: body)
        #expect(Self.code(refused) == "403 forbidden", "\(method) \(path)")
      }
      for (method, path, body) in requests {
        let answer = try await service.request(method, path, as: .hooks, body: body)
        #expect(200...299 ~= answer.status, "\(method) \(path): \(answer.body)")
      }
    }
  }

  @Test func `a key reaches its databases, and names the roles and settings that it may`()
    async throws
  {
    try await withDatabase { other in
      try await Self.withKeys(
        [
          TestKey.narrow.environment(["ROLES": "pg_monitor", "SETTINGS": "app.*,work_mem"]),
          TestKey.writer.environment(["DATABASES": "other"]),
        ], environment: ["TRANSOM_DATABASES_OTHER_URL": other.connectionString]
      ) { db, service in
        let name = #""statements": [{"sql": "select current_database()"}], "row_format": "arrays""#
        let own = try await service.post("{\(name)}", as: .narrow)
        #expect(own.body["results"][0]["rows"][0][0] == .string(db.name))
        let away = try await service.post(#"{"database": "other", \#(name)}"#, as: .writer)
        #expect(away.body["results"][0]["rows"][0][0] == .string(other.name))
        for (key, fields, pointer) in [
          (TestKey.narrow, #""database": "other""#, "/database"),
          (.narrow, #""database": "nowhere""#, "/database"),
          (.writer, #""database": "default""#, "/database"),
          (.narrow, #""role": "postgres""#, "/role"),
          (.narrow, #""settings": {"search_path": "x"}"#, "/settings/search_path"),
        ] {
          let answer = try await service.post("{\(fields), \(name)}", as: key)
          #expect(Self.code(answer) == "403 forbidden", "\(fields)")
          #expect(answer.body["pointer"].text == pointer && answer.outcome == "not_started")
        }
        let answer9 = try await service.post("{\(name)}", as: .writer)
        #expect(Self.code(answer9) == "403 forbidden")
        let allowed = try await service.post(
          #"{"role": "pg_monitor", "settings": {"app.a": "1", "work_mem": "1MB"}, \#(name)}"#,
          as: .narrow)
        #expect(allowed.status == 200, "\(allowed.body)")
      }
    }
  }

  @Test func `nobody gets the answer that is kept under another's Idempotency-Key`() async throws {
    try await Self.withKeys([TestKey.writer.environment(), TestKey.narrow.environment()]) {
      db, service in
      try await db.query("create table t (id serial)")
      let insert = #"{"statements": [{"sql": "insert into t default values returning id"}]}"#
      var ids: [JSON] = []
      for key in [TestKey.writer, .narrow, .writer, .narrow] {
        let answer = try await service.post(insert, as: key, idempotencyKey: "same")
        ids.append(answer.body["results"][0]["rows"][0]["id"])
      }
      #expect(ids == [1, 2, 1, 2])
    }
  }

  @Test func `a key sends as many requests as it may, in a second and at a time`() async throws {
    try await Self.withKeys([
      TestKey.narrow.environment(["RATE": "1", "BURST": "3"]),
      TestKey.writer.environment(["CONCURRENCY": "2"]),
    ]) { db, service in
      for _ in 0..<3 {
        let status = try await service.post(Self.select, as: .narrow).status
        #expect(status == 200)
      }
      let refused = try await service.post(Self.select, as: .narrow)
      #expect(Self.code(refused) == "429 too-many-requests" && refused.outcome == "not_started")
      #expect(refused.response["Retry-After"] == "1")
      let status6 = try await service.post(Self.select, as: .writer).status
      #expect(status6 == 200, "each has its own")
      try await eventually("it may again") {
        try await service.post(Self.select, as: .narrow).status == 200
      }

      try await withThrowingTaskGroup(of: Int.self) { tasks in
        for _ in 0..<2 {
          tasks.addTask {
            let sleep = #"{"statements": [{"sql": "select pg_sleep(50)"}]}"#
            return try await service.post(sleep, as: .writer).status
          }
        }
        try await eventually("both run") { try await db.running("pg_sleep(50)") == 2 }
        let refused = try await service.post(Self.select, as: .writer)
        #expect(Self.code(refused) == "429 too-many-requests")
        #expect(refused.response["Retry-After"] == "1")
        try await db.query(
          """
          select pg_cancel_backend(pid) from pg_stat_activity
          where query like '%pg_sleep(50)%' and pid <> pg_backend_pid() and datname = current_database()
          """)
        for try await status in tasks { #expect(status == 504) }
      }
      let status7 = try await service.post(Self.select, as: .writer).status
      #expect(status7 == 200)
    }
  }
}
