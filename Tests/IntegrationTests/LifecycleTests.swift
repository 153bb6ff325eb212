import FoundationEssentials
import TestSupport
import Testing

/// Start and end of the process.
@Suite(.timeLimit(.minutes(2))) struct LifecycleTests {
  /// Runs until there is a row in `gate`: READ COMMITTED lets each query of the loop look anew.
  private static let waiting = """
    {"statements": [
      {"sql": "insert into t values (1)"},
      {"sql": "do $$ begin while not exists (select from gate) loop perform pg_sleep(0.01); \
    end loop; end $$"}]}
    """

  @Test func `SIGTERM lets the request in flight be answered, and the process exits with 0`()
    async throws
  {
    try await withDatabase { db in
      try await db.query("create table t (id int); create table gate (id int)")
      try await withService(for: db.connectionString) { service in
        async let pending = service.post(Self.waiting)
        try await eventually("it runs") { try await db.running("gate") == 1 }
        // A connection on which a request has begun stays, too: with the first answer, its first
        // line has been read.
        let balancer = try await service.connect()
        try await balancer.send("GET /readyz HTTP/1.1\r\nHost: x\r\n\r\nGET /readyz HTTP/1.1\r\n")
        #expect(try await balancer.response().status == 200)

        service.process.terminate()
        try await eventually("nobody is accepted") {
          (try? await service.connect().close()) == nil
        }
        try await balancer.send("Host: x\r\n\r\n")
        let answer = try Answer(try await balancer.response())
        #expect(answer.status == 503 && answer.code == "draining")
        #expect(answer.response["Retry-After"] != nil)
        #expect(answer.response["Connection"] == "close")

        #expect(service.process.exitStatus == nil)
        try await db.query("insert into gate values (1)")
        let last = try await pending
        #expect(last.status == 200 && last.outcome == "committed")
        #expect(last.response["Connection"] == "close")
        #expect(try await service.process.waitForExit() == 0)
        #expect(try await db.query("select * from t") == [["1"]])
      }
    }
  }

  @Test func `SIGTERM ends it also while its database does not answer any more`() async throws {
    try await withDatabase { db in
      let proxy = try FaultProxy.start(before: db.cluster)
      defer { proxy.stop() }
      let connection = proxy.connectionString(database: db.name)
      try await withService(for: connection, ["--webhooks-poll-ms", "50"]) { service in
        #expect(try await service.post(#"{"statements": [{"sql": "select 1"}]}"#).status == 200)
        try await eventually("the schema is there") {
          try await db.value("select to_regclass('transom.webhooks')::text") != nil
        }
        proxy.stall(.toServer, .toClient)
        // It looks for deliveries, and for what the outbox holds, meanwhile.
        try await Task.sleep(for: .milliseconds(500))
        service.process.terminate()
        #expect(try await service.process.waitForExit() == 0)
      }
    }
  }

  @Test func `without its database the service starts, says why it is not ready, and recovers`()
    async throws
  {
    try await withDatabase { db in
      let proxy = try FaultProxy.start(before: db.cluster)
      defer { proxy.stop() }
      proxy.refuseConnections()
      try await withService(for: proxy.connectionString(database: db.name)) { service in
        #expect(try await service.request("GET", "/livez").status == 200)
        let notReady = try await service.request("GET", "/readyz")
        #expect(notReady.status == 503 && notReady.code == "database-unavailable")
        #expect(notReady.body["detail"].text?.contains("\(proxy.port)") == true)
        #expect(notReady.response["Retry-After"] != nil)
        let refused = try await service.post(#"{"statements": [{"sql": "select 1"}]}"#)
        #expect(refused.status == 503 && refused.outcome == "not_started")

        proxy.pass()
        try await eventually("ready", within: .seconds(30)) {
          try await service.request("GET", "/readyz").status == 200
        }
        let answer = try await service.post(#"{"statements": [{"sql": "select 1"}]}"#)
        #expect(answer.status == 200)
      }
    }
  }

  @Test func `who reads the log and goes away takes nothing along`() async throws {
    try await withDatabase { db in
      let path = "/tmp/transom-pipe-\(UInt64.random(in: 0...UInt64.max))"
      let process = try await TransomProcess.start(
        [
          "-c", #"mkfifo "$0.log"; head -n 1 "$0.log" & exec "$@" >"$0.log" 2>&1"#, path,
          TransomProcess.executable, "serve", "--access-log", "--listen", "unix:\(path)",
          "--database-url", db.connectionString,
        ], executable: "/bin/sh")
      defer { try? FileManager.default.removeItem(atPath: path + ".log") }
      var client: RawHTTPClient?
      try await eventually("it listens") {
        client = try? await RawHTTPClient.connect(to: .unix(path: path))
        return client != nil
      }
      for _ in 0..<3 {
        #expect(try await client?.post(#"{"statements": [{"sql": "select 1"}]}"#).status == 200)
      }
      process.terminate()
      #expect(try await process.waitForExit() == 0)
    }
  }

  @Test func `an address that others can reach needs a flag`() async throws {
    let arguments = ["serve", "--listen", "0.0.0.0:0", "--database-url", "postgresql:///none"]
    let refused = try await TransomProcess.start(arguments)
    #expect(try await refused.waitForExit() != 0)
    #expect(refused.log.contains("listen is \"0.0.0.0:0\""), "\(refused.log)")
    #expect(refused.log.contains("--allow-unauthenticated"))
    #expect(!refused.log.contains("listening"))

    try await withTransom(arguments + ["--allow-unauthenticated"]) { _, port in
      let service = try await RawHTTPClient.connect(toPort: port)
      #expect(try await service.request("GET", "/livez").status == 200)
    }
  }

  @Test(arguments: [
    ("--pool-size", "0"), ("--pool-size", "many"), ("--loops", "-1"), ("--listen", "8080"),
    ("--listen", "127.0.0.1:99999"), ("--database-url", "postgresql://%zz"),
    ("--log-level", "loud"), ("--limits-body", "8MB"), ("--limits-request-line", "1"),
    ("--limits-headers", "0"), ("--limits-header-count", "0"), ("--limits-response", "1"),
    ("--limits-timeout-ms", "0"), ("--limits-connections", "0"), ("--limits-requests", "0"),
    ("--limits-pipelined", "1"), ("--timeouts-first-byte-ms", "0"), ("--timeouts-head-ms", "-1"),
    ("--timeouts-body-ms", "x"), ("--timeouts-idle-ms", "0"), ("--timeouts-write-ms", "0"),
    ("--timeouts-minimum-rate", "0"), ("--shutdown-delay-ms", "-1"), ("--shutdown-limit-ms", "x"),
    ("--compress-from", "0"), ("--compress-from", "on"), ("--socket-mode", "888"),
    ("--cors-origins", "https://a/"), ("--access-log-interval", "0"),
    ("--trusted-proxies", "10.0.0.1/8"), ("--forwarded-field", "via"), ("--listen", "unix:"),
  ])
  func `a malformed flag ends the start, and is named`(_ flag: String, _ value: String)
    async throws
  {
    let log = try await failedStart(["serve", "\(flag)=\(value)"])
    #expect(log.contains(flag.dropFirst(2)), "\(log)")
  }

  @Test(arguments: [
    ("TRANSOM_POOL_SIZE", "16 or so"), ("TRANSOM_LOOPS", "0"), ("TRANSOM_LIMITS_BODY", "8MB"),
    ("TRANSOM_LIMITS_RESPONSE", "1"), ("TRANSOM_LIMITS_TIMEOUT_MS", "-5"),
    ("TRANSOM_PREPARED_STATEMENTS", "maybe"), ("TRANSOM_LIMITS_REQUEST_LINE", "x"),
    ("TRANSOM_LIMITS_HEADER_COUNT", "0"), ("TRANSOM_LIMITS_CONNECTIONS", "0"),
    ("TRANSOM_LIMITS_REQUESTS", "0"), ("TRANSOM_LIMITS_PIPELINED", "1"),
    ("TRANSOM_TIMEOUTS_FIRST_BYTE_MS", "0"), ("TRANSOM_TIMEOUTS_HEAD_MS", "0"),
    ("TRANSOM_TIMEOUTS_BODY_MS", "0"), ("TRANSOM_TIMEOUTS_IDLE_MS", "0"),
    ("TRANSOM_TIMEOUTS_WRITE_MS", "0"), ("TRANSOM_TIMEOUTS_MINIMUM_RATE", "0"),
    ("TRANSOM_SHUTDOWN_DELAY_MS", "soon"), ("TRANSOM_SHUTDOWN_LIMIT_MS", "-1"),
    ("TRANSOM_COMPRESS_FROM", "yes"), ("TRANSOM_SOCKET_MODE", "rw"),
    ("TRANSOM_CORS_ORIGINS", "example.org"), ("TRANSOM_ACCESS_LOG", "2"),
    ("TRANSOM_ACCESS_LOG_INTERVAL", "0"), ("TRANSOM_TRUSTED_PROXIES", "10/8"),
    ("TRANSOM_FORWARDED_FIELD", "x-real-ip"),
  ])
  func `a malformed variable ends the start, and is named`(_ variable: String, _ value: String)
    async throws
  {
    let log = try await failedStart(["serve"], environment: [variable: value])
    #expect(log.contains(variable) && log.contains(value), "\(log)")
  }

  /// The log of a start that fails before anything is served.
  private func failedStart(
    _ arguments: [String], environment: [String: String] = [:]
  ) async throws -> String {
    let defaults = ["TRANSOM_LISTEN": "127.0.0.1:0", "DATABASE_URL": "postgresql:///none"]
    let transom = try await TransomProcess.start(
      arguments, environment: defaults.merging(environment) { $1 })
    #expect(try await transom.waitForExit() != 0)
    #expect(!transom.log.contains("listening"))
    return transom.log
  }
}
