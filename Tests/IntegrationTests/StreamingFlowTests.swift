import FoundationEssentials
import TestSupport
import Testing

/// `Accept: application/x-ndjson`: long answers, slow clients, and what goes wrong in the middle.
@Suite(.timeLimit(.minutes(4))) struct StreamingFlowTests {
  /// Inserts a row, then returns so many of about 10 KB each: of 20 MB the kernel's buffers for TCP hold about half.
  private static func long(_ count: Int, _ fields: String = "") -> String {
    """
    {\(fields)"statements": [{"sql": "insert into t values (1)"},
      {"sql": "select repeat('x', 10000) as s from generate_series(1, $1::int)", "params": [\(count)]}]}
    """
  }

  private static func request(_ body: String) -> String {
    """
    POST /transactions HTTP/1.1\r\nHost: localhost\r\nAccept: application/x-ndjson\r\n\
    Content-Type: application/json\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)
    """
  }

  /// A client that has sent a transaction, and has read the beginning of its answer.
  private static func slowClient(
    _ service: Service, _ body: String
  ) async throws -> RawHTTPClient {
    let client = try await service.connect()
    try await client.send(request(body))
    let bytes = try await client.bytes(atLeast: 100)
    #expect(String(decoding: bytes, as: UTF8.self).hasPrefix("HTTP/1.1 200 OK\r\n"))
    return client
  }

  /// How many server processes wait until their client takes what they have.
  private static func heldBack(_ db: TestDatabase) async throws -> Int {
    let count = try await db.value(
      """
      select count(*) from pg_stat_activity where datname = current_database()
      and state = 'active' and wait_event = 'ClientWrite'
      """)
    return count.flatMap { Int($0) } ?? 0
  }

  /// The most memory that the process has had, in KiB.
  private static func peakMemory(_ service: Service) throws -> Int {
    let status = try String(
      contentsOfFile: "/proc/\(service.process.processID)/status", encoding: .utf8)
    let line = try #require(status.split(separator: "\n").first { $0.hasPrefix("VmHWM:") })
    return try #require(line.split(separator: " ").dropLast().last.flatMap { Int($0) })
  }

  @Test func `an answer of 100 MB takes less than 32 MiB`() async throws {
    try await StreamingTests.withTable { db, service in
      #expect(try await service.stream(Self.long(100)).lastLine == ["status": "committed"])
      let before = try Self.peakMemory(service)
      let client = try await service.connect()
      try await client.send(Self.request(Self.long(10000)))
      var count = 0
      var end: [UInt8] = []
      while !end.elementsEqual("0\r\n\r\n".utf8) {
        let bytes = try await client.bytes(atLeast: 1)
        count += bytes.count
        end = Array((end + Array(bytes.suffix(5))).suffix(5))
      }
      #expect(count > 100_000_000)
      let peak = try Self.peakMemory(service)
      #expect(peak - before < 32 << 10, "\(before) KiB, then \(peak)")
      #expect(try await db.value("select count(*) from t") == "2")
    }
  }

  @Test func `a slow client holds the server process back, and gets everything in the end`()
    async throws
  {
    try await StreamingTests.withTable { db, service in
      #expect(try await service.stream(Self.long(100)).status == 200)
      let before = try Self.peakMemory(service)
      let client = try await Self.slowClient(service, Self.long(2000))
      try await eventually("the server waits for its client") { try await Self.heldBack(db) == 1 }
      // It has read nothing for long enough for all to have come, if that could be.
      #expect(try Self.peakMemory(service) - before < 16 << 10)
      var text = ""
      while !text.hasSuffix("\r\n0\r\n\r\n") {
        text = String(
          (text + String(decoding: try await client.bytes(atLeast: 1), as: UTF8.self)).suffix(100))
      }
      #expect(text.contains(#"{"status":"committed"}"#))
      #expect(try await db.value("select count(*) from t") == "2")
    }
  }

  @Test(arguments: [false, true])
  func `a client that goes away in mid-stream ends its transaction`(byReset: Bool) async throws {
    try await StreamingTests.withTable { db, service in
      let client = try await Self.slowClient(service, Self.long(2000))
      if byReset { await client.reset() } else { await client.close() }
      try await eventually("nothing runs any more") { try await db.running("repeat") == 0 }
      #expect(try await db.value("select count(*) from t") == "0")
      #expect(try await service.stream(Self.long(1)).lastLine == ["status": "committed"])
    }
  }

  @Test func `timeout_ms ends a transaction whose client is too slow, which is told in the end`()
    async throws
  {
    try await StreamingTests.withTable(["--access-log"]) { db, service in
      let client = try await Self.slowClient(service, Self.long(2000, #""timeout_ms": 1000, "#))
      try await eventually("nothing runs any more") { try await db.running("repeat") == 0 }
      #expect(try await db.value("select count(*) from t") == "0")
      var text = ""
      while !text.hasSuffix("\r\n0\r\n\r\n") {
        text = String(
          (text + String(decoding: try await client.bytes(atLeast: 1), as: UTF8.self)).suffix(1000))
      }
      let last = try #require(text.split(whereSeparator: \.isNewline).last { $0.hasPrefix("{") })
      let problem = try JSON(parsing: Array(last.utf8))
      #expect(problem["type"] == "/problems/timeout" && problem["status"] == 504)
      #expect(problem["outcome"] == "rolled_back")
      // The log tells it at the end of the stream.
      let line = try await service.process.line(with: "outcome=rolled_back")
      #expect(line.contains("status=200") && !line.contains("aborted"), "\(line)")
      let bytes = line.firstMatch(of: /bytes=(\d+)/).flatMap { Int($0.output.1) } ?? 0
      #expect(bytes > 64 << 10)
      // The connection is as good as before.
      try await client.send("GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
      #expect(try await client.response().status == 200)
    }
  }

  @Test func `who takes nothing for --timeouts-write-ms is taken for gone`() async throws {
    try await StreamingTests.withTable(["--timeouts-write-ms", "500", "--access-log"]) {
      db, service in
      let client = try await Self.slowClient(service, Self.long(2000))
      try await eventually("nothing runs any more") { try await db.running("repeat") == 0 }
      #expect(try await db.value("select count(*) from t") == "0")
      let line = try await service.process.line(with: "aborted=true")
      #expect(line.contains("outcome=rolled_back"), "\(line)")
      let text = String(decoding: try await client.bytesUntilClosed(), as: UTF8.self)
      #expect(!text.contains("status\":") && !text.hasSuffix("0\r\n\r\n"))
    }
  }

  @Test func `an error in mid-stream is the last line`() async throws {
    try await StreamingTests.withTable { db, service in
      let answer = try await service.stream(
        """
        {"row_format": "arrays", "statements": [{"sql": "insert into t values (1)"},
          {"sql": "select g / (200000 - g) from generate_series(1, 400000) g"}]}
        """)
      #expect(answer.status == 200 && answer.response["Transfer-Encoding"] == "chunked")
      let problem = try answer.lastLine
      #expect(problem["sqlstate"] == "22012" && problem["outcome"] == "rolled_back")
      #expect(problem["status"] == 422 && problem["statement"] == "/statements/1")
      // All rows before it have come: behind the INSERT's line, the columns', and before the problem's.
      #expect(answer.response.body.count { $0 == 10 } == 199_999 + 3)
      #expect(try await db.value("select count(*) from t") == "0")
    }
  }

  @Test func `an error in a group that continues is the group's, also in mid-stream`() async throws
  {
    try await StreamingTests.withTable { db, service in
      let answer = try await service.stream(
        """
        {"statements": [{"savepoint": [{"sql": "insert into t values (1)"},
            {"sql": "select g / (50000 - g) from generate_series(1, 60000) g"}], "on_error": "continue"},
          {"sql": "insert into t values (2) returning n"}]}
        """)
      let lines = try answer.lines
      let tail = lines.suffix(5).map { $0["error"] == .absent ? $0 : $0["error"]["sqlstate"] }
      #expect(
        tail == [
          "22012", ["columns": [["name": "n", "type": "int4"]]], ["row": ["n": 2]],
          ["result": ["command": "INSERT", "row_count": 1]], ["status": "committed"],
        ])
      #expect(try await db.query("select n from t") == [["2"]])
    }
  }

  @Test func `COMMIT waits for the client, and what it finds is the last line`() async throws {
    try await StreamingTests.withTable { db, service in
      try await db.query(
        """
        create table parent (id int primary key);
        alter table t add foreign key (n) references parent deferrable initially deferred
        """)
      let answer = try await service.stream(Self.long(20))
      #expect(answer.status == 200)
      let problem = try answer.lastLine
      #expect(problem["type"] == "/problems/commit-failed" && problem["sqlstate"] == "23503")
      #expect(problem["outcome"] == "rolled_back" && problem["status"] == 409)
      #expect(try await db.value("select count(*) from t") == "0")
    }
  }

  /// What was rolled back, or is referred to, comes one row after the other, too.
  @Test(arguments: [
    // One row.
    #"{"sql": "select repeat('x', 3000000)"}"#,
    // What is kept for a reference.
    """
    {"id": "big", "sql": "select repeat('x', 1000) from generate_series(1, 10000)"},
    {"sql": "select $1::json", "refs": {"1": "/big/rows"}}
    """,
  ])
  func `what has to be in memory as a whole is bounded`(_ items: String) async throws {
    try await StreamingTests.withTable(["--limits-response", "1048576"]) { db, service in
      let answer = try await service.stream(
        #"{"statements": [{"sql": "insert into t values (1)"}, \#(items)]}"#)
      let problem = answer.status == 200 ? try answer.lastLine : answer.body
      #expect(
        problem["type"] == "/problems/result-too-large" && problem["outcome"] == "rolled_back")
      #expect(problem["statement"] == "/statements/1")
      #expect(try await db.value("select count(*) from t") == "0")
      // A stream as a whole is not.
      #expect(try await service.stream(Self.long(300)).lastLine == ["status": "committed"])
    }
  }

  @Test(arguments: [7, 13])
  func `a line that is lost at COMMIT is found out about, and the last line tells`(
    _ number: Int
  ) async throws {
    try await withDatabase { db in
      // COMMIT waits for lock 1, and refuses a 13 then.
      try await db.query(
        """
        create table t (n int);
          create table go ();
        create function wait() returns trigger language plpgsql as $$
        begin
          perform pg_advisory_xact_lock(1);
          if new.n = 13 then raise 'unlucky' using errcode = '23514'; end if;
          return null;
        end $$;
        create constraint trigger wait after insert on t deferrable initially deferred
          for each row execute function wait();
        """)
      let proxy = try FaultProxy.start(before: db.cluster)
      defer { proxy.stop() }
      try await withService(
        for: proxy.connectionString(database: db.name), ["--no-migrate"]
      ) { service in
        async let holder = db.query(
          """
          begin; select pg_advisory_xact_lock(1);
          do $$ begin
            while not exists (select from go) loop perform pg_sleep(0.01); end loop;
          end $$;
          commit
          """)
        try await eventually("the lock is held") { try await db.running("from go") == 1 }
        async let answer = service.stream(
          """
          {"statements": [{"sql": "insert into t values ($1)", "params": [\(number)]},
            {"sql": "select repeat('x', 10000) from generate_series(1, 20)"}]}
          """)
        try await eventually("COMMIT waits") {
          try await db.value(
            "select count(*) from pg_stat_activity where wait_event = 'advisory' and datname = current_database()"
          ) == "1"
        }
        proxy.cutAll()
        try await db.query("insert into go default values")
        _ = try await holder
        let last = try await answer.lastLine
        if number == 7 {
          #expect(last == ["status": "committed"])
        } else {
          #expect(last["type"] == "/problems/connection-lost" && last["outcome"] == "rolled_back")
        }
        #expect(try await db.value("select count(*) from t") == (number == 7 ? "1" : "0"))
      }
    }
  }
}
