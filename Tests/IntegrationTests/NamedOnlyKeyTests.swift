import TestSupport
import Testing

/// A key that is limited to named transactions sends no SQL, by whatever endpoint and in whatever form.
@Suite(.timeLimit(.minutes(5))) struct NamedOnlyKeyTests {
  private static let definitions = [
    "get.yaml": """
    params: {x: text, j: {type: jsonb, default: {}}}
    settings: {app.x: !param x}
    statements:
      - {id: a, sql: "select :x, :j"}
      - {sql: "select $1", params: [!param x]}
    """,
    "other.yaml": "statements: [{sql: insert into t values ('other')}]",
  ]

  /// A request: where, with what fields besides the key, and what. `SQL` is one that stores something.
  struct Way: Sendable, CustomStringConvertible {
    var method = "POST"
    var path: String
    var headers: [(name: String, value: String)] = []
    var body: String?
    /// The connection string's user and password in place of the bearer token.
    var isByConnectionString = false

    init(
      _ path: String, _ body: String?, _ headers: [(name: String, value: String)] = [],
      method: String = "POST", isByConnectionString: Bool = false
    ) {
      self.path = path
      self.body = body
      self.headers = headers
      self.method = method
      self.isByConnectionString = isByConnectionString
    }

    var description: String { "\(method) \(path) \(headers) \(body ?? "")" }
  }

  private static let sql = "insert into t values ('stored')"
  private static let item = #"{"sql": "\#(sql)"}"#

  /// What takes SQL, in all its forms.
  private static let direct: [Way] = {
    let lines = [(name: "Accept", value: "application/x-ndjson")]
    let documents = [
      #"{"statements": [\#(item)]}"#, #"{"statements": [{"savepoint": [\#(item)]}]}"#,
      #"{"statements": [{"savepoint": [\#(item)], "on_error": "continue"}]}"#,
      #"{"statements": [{"sql": "insert into t values ($1)", "params": ["stored"]}]}"#,
      #"{"statements": [{"sql": "insert into t values ($1)", "batch": [["stored"], ["b"]]}]}"#,
      #"{"statements": [\#(item)], "database": "default"}"#,
      #"{"statements": [\#(item)], "isolation": "serializable"}"#,
      #"{"statements": [\#(item)], "role": "postgres"}"#,
      #"{"statements": [\#(item)], "settings": {"app.a": "1"}}"#,
      #"{"statements": [\#(item)], "row_format": "arrays", "timeout_ms": 5000}"#,
      #"{"statements": [\#(item)], "max_attempts": 1, "read_only": false, "dry_run": false}"#,
      #"{"statements": [{"id": "a", "sql": "select 'stored' as a"}, {"sql": "insert into t values ($1)", "refs": {"1": "/a/rows/0/a"}}]}"#,
      #"{"statements": [{"sql": "do $$ begin \#(sql); end $$"}]}"#,
      #"{"statements": [{"sql": "with x as (\#(sql) returning a) select * from x"}]}"#,
    ]
    let queries = [
      #"{"query": "\#(sql)"}"#, #"{"query": "\#(sql)", "params": []}"#,
      #"{"queries": [{"query": "\#(sql)"}]}"#,
      #"{"queries": [{"query": "select 1", "params": []}, {"query": "\#(sql)", "params": []}]}"#,
      #"{"query": "insert into t values ($1)", "params": ["stored"]}"#,
    ]
    func neon(_ database: String = "default") -> [(name: String, value: String)] {
      let string = "postgresql://narrow:\(TestKey.narrow.text)@db.example/\(database)"
      return [(name: "Neon-Connection-String", value: string)]
    }
    return documents.map { Way("/transactions", $0) }
      + documents.map { Way("/transactions", $0, lines) }
      + documents.prefix(4).map {
        Way("/transactions", $0, [(name: "Idempotency-Key", value: "\($0.utf8.count)")])
      }
      + [
        Way("/transactions?name=get", documents[0]), Way("/transactions?", documents[0]),
        Way("http://127.0.0.1/transactions", documents[0]),
      ]
      + queries.map { Way("/sql", $0, neon()) }
      + queries.map { Way("/sql", $0, neon(), isByConnectionString: true) }
      + queries.map {
        Way("/sql", $0, neon() + [(name: "Neon-Batch-Isolation-Level", value: "Serializable")])
      }
      + [
        Way("/sql?x", queries[0], neon()),
        Way("/sql", queries[0], neon(), isByConnectionString: true),
      ]
  }()

  /// Other endpoints, methods and spellings, and SQL where a named transaction takes values. None of them is a way for any key.
  private static let devious: [Way] = {
    let document = #"{"statements": [\#(item)]}"#
    let strange = [
      "'; \(sql); --", "$1", ":x", "\\\\'; \(sql)", "$$; \(sql); $$", "1); \(sql); select (1",
      "{\\\"sql\\\": \\\"\(sql)\\\"}", "\\\"}, {\\\"sql\\\": \\\"\(sql)\\\"}, {\\\"x\\\": \\\"",
      "\\u0022}],\\u0022statements\\u0022:[", "\\\\", "\\u0001" + "0", "\\n]}",
    ]
    return [
      Way("/transactions/", document), Way("//transactions", document),
      Way("/Transactions", document), Way("/%74ransactions", document),
      Way("/transactions%2F", document), Way("/transactions/.", document),
      Way("/transactions/get/..", document), Way("/transactions/get", document),
      Way("/transactions/get", #"{"params": {"x": "a"}, "statements": [\#(item)]}"#),
      Way("/transactions/get", #"{"params": {"x": "a"}, "sql": "\#(sql)"}"#),
      Way("/transactions/get", #"{"params": {"x": "a", "sql": "\#(sql)"}}"#),
      Way("/transactions/get", #"{"params": {"x": {"sql": "\#(sql)"}}}"#),
      Way("/transactions/get", #"{"params": {"x": "a"}, "role": "postgres"}"#),
      Way("/transactions/get", #"{"params": {"x": "a"}, "database": "other"}"#),
      Way("/transactions/get", #"{"params": {"x": "a"}, "settings": {"search_path": "x"}}"#),
      Way("/transactions/other", "{}"), Way("/transactions/oth%65r", "{}"),
      Way("/transactions", document, method: "PUT"),
      Way("/transactions", document, method: "PATCH"),
      Way("/transactions", document, method: "DELETE"),
      Way("/transactions", document, method: "QUERY"),
      Way(
        "/transactions", document, [(name: "X-HTTP-Method-Override", value: "POST")], method: "GET"),
      Way(
        "/webhooks", #"{"url": "https://a.example/", "events": ["*"], "description": "\#(sql)"}"#),
      Way("/webhooks", nil, method: "GET"), Way("/webhooks/wh_1", nil, method: "DELETE"),
      Way("/webhooks/wh_1%27%3B%20delete%20from%20t", nil, method: "GET"),
      Way("/deliveries/dlv_1_1/redeliver", "{}"), Way("/openapi.yaml", document),
      Way("/readyz", document), Way("/livez", document), Way("/metrics", document),
      Way("/health", document), Way("/docs", document), Way("/sql", #"{"query": "\#(sql)"}"#),
      Way("/sql/", #"{"query": "\#(sql)"}"#),
    ]
      + strange.map { Way("/transactions/get", #"{"params": {"x": "\#($0)"}}"#) }
      + strange.map {
        Way("/transactions/get", #"{"params": {"x": "a", "j": {"\#($0)": ["\#($0)"]}}}"#)
      }
  }()

  private static func send(_ way: Way, _ service: Service, as key: TestKey) async throws -> Answer {
    var headers = way.headers.map { field in
      (name: field.name, value: field.value.replacing("narrow", with: key.rawValue))
    }
    if !way.isByConnectionString { headers.append(("Authorization", "Bearer \(key.text)")) }
    return try await service.request(way.method, way.path, headers: headers, body: way.body)
  }

  @Test func `none of many ways lets such a key run SQL of its own; another key has most of them`()
    async throws
  {
    #expect(Self.direct.count >= 50 && Self.direct.count + Self.devious.count >= 100)
    try await withDatabase { db in
      try await db.query("create table t (a text)")
      let state = """
        select (select count(*) from t) || ':' || (select count(*) from transom.events)
          || ':' || (select count(*) from transom.new_events)
          || ':' || (select count(*) from transom.webhooks) || ':' || (select count(*) from transom.idempotency_keys)
        """
      try await withFolder(Self.definitions) { folder in
        try await withService(
          for: db.connectionString, ["--transactions-folder", folder],
          environment: TestKey.narrow.environment(["TRANSACTIONS": "get"]).merging(
            TestKey.writer.environment()
          ) { $1 }
        ) { service in
          let allowed = try await Self.send(
            Way("/transactions/get", #"{"params": {"x": "a"}}"#), service, as: .narrow)
          #expect(allowed.status == 200, "\(allowed.body)")
          let before = try await db.value(state)
          for way in Self.direct + Self.devious {
            let answer = try await Self.send(way, service, as: .narrow)
            #expect(answer.status < 500 || answer.status == 501, "\(way): \(answer.response.text)")
            let isBound = way.path == "/transactions/get" && answer.status == 200
            if isBound {
              // What was sent came back as the value that it was.
              #expect(answer.body["results"][1]["rows"][0] != .absent, "\(way): \(answer.body)")
            } else {
              #expect(
                400...499 ~= answer.status || answer.status == 501, "\(way): \(answer.status)")
            }
            let after = try await db.value(state)
            #expect(after == before, "\(way): \(answer.body)")
          }
          for way in Self.direct {
            let answer = try await Self.send(way, service, as: .narrow)
            #expect(
              answer.status == 403 || way.path.hasPrefix("/sql") && answer.body["code"] == "42501",
              "\(way): \(answer.response.text)")
          }

          // That the check can fail.
          var stored = 0
          for way in Self.direct {
            let old = try await db.value(state)
            _ = try await Self.send(way, service, as: .writer)
            if try await db.value(state) != old { stored += 1 }
          }
          #expect(stored >= 50, "\(stored) of \(Self.direct.count)")
        }
      }
    }
  }
}
