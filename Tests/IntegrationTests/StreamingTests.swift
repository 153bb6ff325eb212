import TestSupport
import Testing

/// `Accept: application/x-ndjson`: what the lines say.
@Suite(.timeLimit(.minutes(3))) struct StreamingTests {
  static let sourcePlace: Set<String> = ["file", "line", "routine"]

  /// Serves a database with a table `t`.
  static func withTable(
    _ arguments: [String] = [], _ body: (TestDatabase, Service) async throws -> Void
  ) async throws {
    try await withDatabase { db in
      try await db.query("create table t (n int, s text)")
      // A busy machine may need long for much.
      let patient =
        ["--limits-timeout-ms", "150000", "--pool-wait-ms", "150000"] + arguments
      try await withService(for: db.connectionString, patient) { service in
        try await body(db, service)
      }
    }
  }

  @Test(arguments: ["select 1, 2, 3", "select", "delete from t"])
  func `a batch whose runs have different columns fails`(_ columns: String) async throws {
    try await Self.withTable { db, service in
      let answer = try await service.stream(
        """
        {"statements": [
          {"sql": "create function pg_temp.f() returns int language plpgsql as $$ begin execute 'deallocate foo'; execute 'prepare foo as \(columns)'; return 1; end $$"},
          {"sql": "prepare foo as select pg_temp.f()"}, {"sql": "insert into t values (1, 'a')"},
          {"sql": "execute foo", "batch": [[], [], []]}]}
        """)
      #expect(answer.status == 422 && answer.code == "columns-differ", "\(answer.response.text)")
      #expect(try await db.value("select count(*) from t") == "0")
    }
  }

  @Test func `a JSON value with line breaks is in one line`() async throws {
    try await Self.withTable { _, service in
      let answer = try await service.stream(
        #"""
        {"row_format": "arrays", "statements": [
          {"sql": "select json_agg(t), E'[\n{\"status\":\"committed\"}\r\n]'::json, E'a\nb'::text from (values (1), (2)) t"}]}
        """#)
      let lines = try answer.lines
      #expect(lines.count == 4)
      let rows: JSON = [
        [["column1": 1], ["column1": 2]], [["status": "committed"]], "a\nb",
      ]
      #expect(lines[1] == ["row": rows])
      #expect(lines.last == ["status": "committed"])
    }
  }

  @Test func `each thing that happens is a line, and the last one says how it ended`() async throws
  {
    try await Self.withTable { db, service in
      let answer = try await service.stream(
        """
        {"row_format": "arrays", "statements": [
          {"id": "new", "sql": "insert into t values (1, $1), (2, null) returning *", "params": ["a\\nb"]},
          {"savepoint": [{"savepoint": [{"sql": "select n from t order by n"}, {"sql": "select 1/0"}]}],
           "on_error": "continue"},
          {"savepoint": [{"sql": "delete from t where n = $1", "refs": {"1": "/new/rows/1/0"}}]},
          {"sql": "select n from t where false"}]}
        """)
      #expect(answer.status == 200)
      #expect(answer.response["X-Request-Id"] != nil)
      #expect(answer.response["Server-Timing"]?.contains("queue;dur=") == true)
      let lines = try answer.lines.map { $0.without(Self.sourcePlace) }
      let columns: JSON = [["name": "n", "type": "int4"]]
      let expected: [JSON] = [
        [
          "columns": [["name": "n", "type": "int4"], ["name": "s", "type": "text"]], "id": "new",
        ],
        ["row": [1, "a\nb"]], ["row": [2, nil]],
        ["result": ["id": "new", "command": "INSERT", "row_count": 2]],
        ["savepoint": "begun"], ["savepoint": "begun"],
        ["columns": columns], ["row": [1]], ["row": [2]],
        ["result": ["command": "SELECT", "row_count": 2]],
        ["savepoint": "rolled_back"],
        [
          "savepoint": "rolled_back",
          "error": [
            "type": "/problems/statement-failed", "title": "A statement failed", "status": 422,
            "detail": "division by zero", "outcome": "rolled_back", "retryable": false,
            "statement": "/statements/1/savepoint/0/savepoint/1", "sqlstate": "22012",
            "severity": "ERROR",
          ],
        ],
        ["savepoint": "begun"], ["result": ["command": "DELETE", "row_count": 1]],
        ["savepoint": "released"],
        ["columns": columns], ["result": ["command": "SELECT", "row_count": 0]],
        ["status": "committed"],
      ]
      #expect(lines == expected)
      #expect(try await db.value("select count(*) from t") == "1")
    }
  }

  /// Each begins with an empty table `t`.
  private static let documents = [
    #"{"statements": []}"#,
    #"{"statements": [{"sql": "select 1 as a, 2 as a, 3 as a_2"}, {"sql": ""}, {"sql": "select"}]}"#,
    """
    {"dry_run": true, "statements": [{"sql": "insert into t values ($1, $2) returning s",
      "batch": [[1, "x"], [2, null], [3, "y"]]}, {"id": "q", "sql": "table t"}]}
    """,
    """
    {"isolation": "serializable", "read_only": true, "settings": {"TimeZone": "UTC"}, "statements": [
      {"sql": "select timestamptz '2026-01-02 03:04:05.6Z', jsonb_build_array('a', 1), decode('00ff', 'hex'), null"},
      {"sql": "values (1.50, 'NaN'::float8), (12345678901234567890.1, 2)"}]}
    """,
    // What is referred to is not told from what is passed on.
    """
    {"statements": [
      {"id": "big", "sql": "select g, repeat('x', 100) as s from generate_series(1, 3000) g"},
      {"id": "none", "sql": "insert into t values (7, 'seven')"},
      {"sql": "select $1::int, $2::text, $3::int, $4::text",
       "refs": {"1": "/big/rows/2999/g", "2": "/big/rows/7/s", "3": "/none/row_count", "4": "/big/columns/1/name"}},
      {"id": "few", "sql": "select 1 as a union all select 2"},
      {"sql": "select $1::json, $2::json", "refs": {"1": "/few", "2": "/few/rows"}},
      {"savepoint": [{"sql": "select $1::int", "refs": {"1": "/big/rows/3000/g"}}], "on_error": "continue"},
      {"savepoint": [{"id": "gone", "sql": "select 1 as a"}, {"sql": "select 1/0"}], "on_error": "continue"},
      {"savepoint": [{"sql": "select $1::int", "refs": {"1": "/gone/rows/0/a"}}], "on_error": "continue"}]}
    """,
    """
    {"statements": [
      {"savepoint": [{"sql": "insert into t values (1)", "expect": {"row_count": 2}}], "on_error": "continue"},
      {"sql": "insert into t values (2) returning n", "expect": {"row_count": 1}},
      {"savepoint": [{"savepoint": [{"sql": "select nothing"}], "on_error": "continue"}, {"sql": "select 2"}]}]}
    """,
    // Arrays by the server's inferred type, and types of one's own, made, changed and dropped on the way.
    """
    {"statements": [
      {"sql": "create type mood as enum ('fine', 'so so')"},
      {"sql": "create type place as (street text, point float8[])"},
      {"sql": "select row('High Street', $1)::place as at, 'fine'::mood as mood, $2::mood[] as moods",
       "params": [[1.5, 2], ["so so", "fine"]]},
      {"sql": "alter type place add attribute mood mood"},
      {"sql": "select row('a', '{}', 'fine')::place as at"},
      {"savepoint": [{"sql": "create domain d as place"}, {"sql": "select row('a')::place::d"}], "on_error": "continue"},
      {"savepoint": [{"sql": "create domain d as place"}, {"sql": "select row('a', null, null)::place::d as d"}]},
      {"sql": "drop type mood cascade"}, {"sql": "select row('b', '{3}')::place as at"}]}
    """,
  ]

  @Test(arguments: documents.indices)
  func `they say what the answer that is not streamed says`(_ index: Int) async throws {
    try await Self.withTable { db, service in
      let plain = try await service.post(Self.documents[index])
      #expect(plain.status == 200, "\(plain.response.text)")
      try await db.query(
        "truncate t; drop domain if exists d; drop type if exists place; drop type if exists mood")
      // The second time the connection knows the statements.
      for _ in 1...2 {
        let streamed = try await service.stream(Self.documents[index])
        #expect(streamed.status == 200, "\(streamed.response.text)")
        guard case .object(var expected) = plain.body else { return }
        expected["attempts"] = nil
        #expect(
          try StreamedLines.answer(streamed.lines).without(Self.sourcePlace)
            == JSON.object(expected).without(Self.sourcePlace))
        try await db.query(
          "truncate t; drop domain if exists d; drop type if exists place; drop type if exists mood"
        )
      }
    }
  }

  @Test
  func `events are told once the transaction is committed, those of groups rolled back never`()
    async throws
  {
    try await Self.withTable { _, service in
      let answer = try await service.stream(
        """
        {"statements": [{"id": "x", "sql": "insert into t values (5) returning n"},
          {"savepoint": [{"sql": "select 1/0"}], "on_error": "continue", "on_commit": [{"event": "bad", "data": {}}]},
          {"savepoint": [{"sql": "select 1"}], "on_commit": [{"event": "good", "data": {}}]}],
         "on_commit": [{"event": "best", "data": {}, "refs": {"/n": "/x/rows/0/n"}}]}
        """)
      let lines = try answer.lines
      guard case .array(let events) = lines[lines.count - 2]["events"] else {
        Issue.record("\(lines)")
        return
      }
      #expect(events.map { $0["event"].text } == ["good", "best"])
      #expect(lines.last == ["status": "committed"])
    }
  }

  @Test(arguments: [
    ("application/x-ndjson", true), ("Application/X-NDJSON;q=0.5", true),
    ("application/json;q=0.4, application/x-ndjson;q=0.5", true),
    ("application/x-ndjson, */*", true), ("text/html, application/x-ndjson ; q=1", true),
    ("application/json, application/x-ndjson", false), ("application/x-ndjson;q=0", false),
    ("application/x-ndjson;q=2", false), ("*/*", false), ("application/json", false),
    ("application/*", false), ("", false), ("application/x-ndjson2", false), (",;q=,", false),
  ])
  func `Accept decides`(_ accept: String, _ isStreamed: Bool) async throws {
    try await Self.withTable { _, service in
      let answer = try await service.request(
        "POST", "/transactions", headers: [("Accept", accept)],
        body: #"{"statements": [{"sql": "select 1"}]}"#)
      #expect(answer.status == 200)
      let type = isStreamed ? "application/x-ndjson" : "application/json"
      #expect(answer.response["Content-Type"] == type)
    }
  }

  @Test func `what is wrong before the stream begins has a status, as without one`() async throws {
    try await Self.withTable { db, service in
      for (body, status) in [
        (#"{"statements": [{"sql": "insert into t values (1)"}, {"sql": "select 1/0"}]}"#, 422),
        (#"{"statements": [{"sql": "select * from nothing"}]}"#, 422), ("{", 400),
        (#"{"database": "x", "statements": []}"#, 404),
        (#"{"timeout_ms": 2000, "statements": [{"sql": "select pg_sleep(60)"}]}"#, 504),
      ] {
        let answer = try await service.stream(body)
        let plain = try await service.post(body)
        #expect(answer.status == status && answer.body == plain.body, "\(answer.body)")
        #expect(answer.response["Content-Type"] == "application/problem+json")
      }
      #expect(try await db.value("select count(*) from t") == "0")
    }
  }

  @Test func `a stream and an Idempotency-Key are refused together`() async throws {
    try await Self.withTable { db, service in
      let answer = try await service.request(
        "POST", "/transactions",
        headers: [("Accept", "application/x-ndjson"), ("Idempotency-Key", "a")],
        body: #"{"statements": [{"sql": "insert into t values (1)"}]}"#)
      #expect(answer.status == 422 && answer.code == "stream-with-idempotency-key")
      #expect(answer.outcome == "not_started")
      #expect(try await db.value("select count(*) from t") == "0")
    }
  }

  @Test func `a transaction whose stream has not begun is run again, one that has is not`()
    async throws
  {
    try await Self.withTable(["--loops", "1", "--pool-size", "1"]) { db, service in
      func select(_ count: Int) -> String {
        """
        {"statements": [{"sql": "select repeat('x', 1000) from generate_series(1, $1::int)", "params": [\(count)]},
          {"sql": "select * from t"}]}
        """
      }
      for (count, isReplayed) in [(1, true), (200, false)] {
        #expect(try await service.stream(select(1)).lastLine == ["status": "committed"])
        // The statement that was prepared has other columns now.
        try await db.query("alter table t add column c\(count) int")
        let answer = try await service.stream(select(count))
        #expect(answer.status == 200)
        let last = try answer.lastLine
        if isReplayed {
          #expect(last == ["status": "committed"])
        } else {
          #expect(last["sqlstate"] == "0A000" && last["outcome"] == "rolled_back")
        }
      }
    }
  }

  @Test func `a client of HTTP 1.0 gets it until the connection closes`() async throws {
    try await Self.withTable { _, service in
      let client = try await service.connect()
      let body = #"{"statements": [{"sql": "select g from generate_series(1, 20000) g"}]}"#
      try await client.send(
        """
        POST /transactions HTTP/1.0\r\nAccept: application/x-ndjson\r\nConnection: keep-alive\r\n\
        Content-Type: application/json\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)
        """)
      let text = String(decoding: try await client.bytesUntilClosed(), as: UTF8.self)
      #expect(!text.contains("Transfer-Encoding") && text.contains("Connection: close\r\n"))
      #expect(text.hasSuffix("\n{\"status\":\"committed\"}\n"))
      #expect(text.split(separator: "\n").count { $0.hasPrefix(#"{"row":"#) } == 20000)
    }
  }

  @Test func `streams share connections, and a client's connection stays open behind one`()
    async throws
  {
    // With two loops and one connection, most are served on the other loop's.
    try await Self.withTable(["--loops", "2", "--pool-size", "2"]) { _, service in
      try await withThrowingTaskGroup { tasks in
        for number in 1...8 {
          tasks.addTask {
            let client = try await service.connect()
            for count in [1, 30000, 5] {
              let response = try await client.request(
                "POST", "/transactions", headers: [("Accept", "application/x-ndjson")],
                body: """
                  {"statements": [{"sql": "select $1::int as n from generate_series(1, $2::int)",
                    "params": [\(number), \(count)]}]}
                  """)
              let lines = response.text.split(separator: "\n")
              #expect(
                lines.count == count + 3 && lines.last == #"{"status":"committed"}"#,
                "\(response.status): \(lines.first ?? "") … \(lines.last ?? "")")
              #expect(lines.count { $0 == #"{"row":{"n":\#(number)}}"# } == count)
            }
            await client.close()
          }
        }
        try await tasks.waitForAll()
      }
    }
  }
}
