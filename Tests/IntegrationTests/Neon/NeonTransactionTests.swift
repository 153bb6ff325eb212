import TestSupport
import Testing
import TransomEventLoop
import TransomPostgres

/// POST /sql: what is stored, and what goes wrong.
@Suite(.timeLimit(.minutes(3))) struct NeonTransactionTests {
  private static let table = "create table t (n int primary key check (n > 0), s varchar(3))"

  @Test(
    arguments: [
      (nil, "read committed"), ("ReadUncommitted", "read committed"),
      ("ReadCommitted", "read committed"), ("RepeatableRead", "repeatable read"),
      ("Serializable", "serializable"),
    ] as [(String?, String)])
  func `a batch is stored as a whole or not at all, at the level that is asked for`(
    _ level: String?, _ name: String
  ) async throws {
    try await withSQL(Self.table) { db, service in
      let fields =
        Service.driverFields + (level.map { [("Neon-Batch-Isolation-Level", $0)] } ?? [])
      let stored = try await service.sql(
        #"""
        {"queries": [{"query": "insert into t values ($1)", "params": [1]},
          {"query": "insert into t values ($1)", "params": ["2"]},
          {"query": "select current_setting('transaction_isolation'), count(*) from t"}]}
        """#, fields)
      #expect(stored.body["results"][2]["rows"] == [[.string(name), "2"]])
      let failed = try await service.sql(
        #"""
        {"queries": [{"query": "insert into t values (3)"}, {"query": "delete from t"},
          {"query": "insert into t values (-4)"}, {"query": "insert into t values (5)"}]}
        """#, fields)
      #expect(failed.status == 400 && failed.body["code"] == "23514")
      #expect(failed.body["constraint"] == "t_n_check" && failed.body["table"] == "t")
      #expect(try await db.query("select n from t order by n") == [["1"], ["2"]])
    }
  }

  @Test func `a batch is read-only and deferrable if the fields say so`() async throws {
    try await withSQL(Self.table) { db, service in
      let fields =
        Service.driverFields + [
          ("Neon-Batch-Read-Only", "true"), ("Neon-Batch-Deferrable", "true"),
          ("Neon-Batch-Isolation-Level", "Serializable"),
        ]
      let settings =
        "select current_setting('transaction_read_only'), current_setting('transaction_deferrable')"
      let answer = try await service.sql(#"{"queries": [{"query": "\#(settings)"}]}"#, fields)
      #expect(answer.body["results"][0]["rows"] == [["on", "on"]])
      let refused = try await service.sql(
        #"{"queries": [{"query": "insert into t values (1)"}]}"#, fields)
      #expect(refused.status == 400 && refused.body["code"] == "25006")
      // A single query takes no notice of what is for batches, and nothing but `true` is true.
      #expect(
        try await service.sql(#"{"query": "insert into t values (1)"}"#, fields).status == 200)
      let off = Service.driverFields + [("Neon-Batch-Read-Only", "false")]
      let written = try await service.sql(
        #"{"queries": [{"query": "insert into t values (2)"}]}"#, off)
      #expect(written.status == 200)
    }
  }

  @Test(arguments: [
    "select 123 where x", "insert into t values (0, 'x')", "insert into t values (1, 'long')",
    "selec",
    "select 1 / 0", "insert into t values (1), (1)", "select f()", "select 'x'::int",
    "select 1; select 2",
    "vacuum t",
    "do $$ begin raise exception 'no' using hint = 'h', detail = 'd', errcode = 'ZZ001'; end $$",
  ])
  func `an error has all that the server says of it`(_ sql: String) async throws {
    let schema = """
      \(Self.table);
      create function f() returns int language plpgsql as 'begin return (select wrong); end'
      """
    let group = try EventLoopGroup(count: 1)
    try await withSQL(schema) { db, service in
      let direct = try await PlainConnection(to: db.connectionString, on: group.loops[0])
      // As the service runs it: a vacuum is none in a transaction.
      if sql == "vacuum t" { try await direct.run("begin") }
      let error = try await #require(throws: ServerError.self) { try await direct.run(sql) }
      let answer = try await service.sql(try NeonResultTests.body(sql))
      #expect(answer.status == 400)
      #expect(answer.body == Self.fields(of: error), "\(answer.body)")
      await direct.close()
    }
    await group.shutdown()
  }

  private static func fields(of error: ServerError) -> JSON {
    let texts: [(String, String?)] = [
      ("message", error.message), ("code", error.sqlState.code), ("severity", error.severity),
      ("detail", error.detail), ("hint", error.hint), ("position", error.position.map(String.init)),
      ("internalPosition", error.internalPosition.map(String.init)),
      ("internalQuery", error.internalQuery), ("where", error.context), ("schema", error.schema),
      ("table", error.table), ("column", error.column), ("dataType", error.dataType),
      ("constraint", error.constraint), ("file", error.file), ("line", error.line),
      ("routine", error.routine),
    ]
    return .object(
      Dictionary(
        uniqueKeysWithValues: texts.compactMap { name, text in text.map { (name, .string($0)) } }))
  }

  @Test(arguments: [
    (#"{"query": "commit"}"#, 400, "0A000"), (#"{"query": 1}"#, 400, "08P01"), ("[", 400, "08P01"),
    ("", 400, "08P01"), (#"{"query": "copy t from stdin"}"#, 400, "0A000"),
    (#"{"query": "params": ["\u0000"]}"#, 400, "08P01"),
    (#"{"query": "select pg_sleep(60)"}"#, 400, "57014"),
    (#"{"query": "select repeat('x', 1000) from generate_series(1, 100000)"}"#, 400, "54000"),
  ])
  func `what Transom refuses has the code that PostgreSQL would give it`(
    _ body: String, _ status: Int, _ code: String
  ) async throws {
    try await withSQL(Self.table, ["--limits-timeout-ms", "1000", "--limits-response", "100000"]) {
      _, service in
      let answer = try await service.sql(body)
      #expect(answer.status == status && answer.body["code"] == .string(code), "\(answer.body)")
      #expect(answer.body["message"].text?.isEmpty == false)
      #expect(answer.response["Content-Type"] == "application/json")
    }
  }

  @Test(
    arguments: [
      (nil, "08P01"), ("postgresql://web@db.example", "08P01"),
      ("postgresql://web:secret@db.example/other", "3D000"),
    ] as [(String?, String)])
  func `without a connection string, or for a database that there is not, nothing is run`(
    _ connectionString: String?, _ code: String
  ) async throws {
    try await withSQL(Self.table) { db, service in
      let fields = connectionString.map { [(name: "Neon-Connection-String", value: $0)] } ?? []
      let answer = try await service.sql(#"{"query": "insert into t values (1)"}"#, fields)
      #expect(answer.status == 400 && answer.body["code"] == .string(code))
      #expect(try await db.value("select count(*) from t") == "0")
    }
  }

  @Test func `a web page may ask, with the driver's fields, if its origin is allowed`() async throws
  {
    try await withSQL("select", ["--cors-origins", "https://app.example"]) { _, service in
      let preflight = try await service.request(
        "OPTIONS", "/sql",
        headers: [
          ("Origin", "https://app.example"), ("Access-Control-Request-Method", "POST"),
          ("Access-Control-Request-Headers", "neon-array-mode,neon-connection-string"),
        ])
      #expect(preflight.status == 204)
      #expect(preflight.response["Access-Control-Allow-Origin"] == "https://app.example")
      let allowed = preflight.response["Access-Control-Allow-Headers"] ?? ""
      for (name, _) in Service.driverFields { #expect(allowed.contains(name)) }
      for name in ["Isolation-Level", "Read-Only", "Deferrable"] {
        #expect(allowed.contains("Neon-Batch-\(name)"))
      }
      let answer = try await service.sql(
        #"{"query": "selec"}"#, Service.driverFields + [("Origin", "https://app.example")])
      #expect(answer.status == 400)
      #expect(answer.response["Access-Control-Allow-Origin"] == "https://app.example")
    }
  }
}
