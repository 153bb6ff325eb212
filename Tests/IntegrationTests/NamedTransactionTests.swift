import FoundationEssentials
import TestSupport
import Testing
import TransomCluster

/// Transactions that are defined in a folder and run by their names.
@Suite(.timeLimit(.minutes(3))) struct NamedTransactionTests {
  private static let schema = """
    create table account (id bigint primary key, cents int not null check (cents >= 0));
    insert into account values (1, 100), (2, 0);
    create table log (id serial, left_over int, note text, details jsonb, tags text[], who text);
    create role teller_ROLE; grant all on account, log, log_id_seq to teller_ROLE;
    """

  private static let transfer = """
    description: |
      Moves money.

      From one account to another.
    params:
      from: {type: bigint, description: Who pays.}
      to: bigint
      cents: integer
      note: {type: text, nullable: true, default: null}
      details: {type: jsonb, default: {}}
      tags: {type: "text[]", default: []}
    settings: {app.who: !param from}
    statements:
      - id: debit
        sql: update account set cents = cents - :cents where id = :from and cents >= :cents returning cents
        expect: {row_count: 1}
      - savepoint:
          - sql: update account set cents = cents + :cents where id = $1
            params: [!param to]
            expect: {row_count: 1}
      - sql: |
          insert into log (left_over, note, details, tags, who)
          values ($1, :note, :details, :tags, current_setting('app.who'))
          returning left_over, note, details, tags, who
        refs: {"1": /debit/rows/0/cents}
    on_commit:
      - {event: account.transfer, data: {to: !param to, details: !param details}}
    """

  private static let files = [
    "transfer.yaml": transfer,
    "once.yaml": """
    idempotency_key: required
    statements: [{sql: insert into log (note) values ('once') returning note}]
    """,
    "who.yaml": "role: teller_ROLE\\nstatements: [{sql: select current_user}]"
      .replacing("\\n", with: "\n"),
    "batch.yaml": """
    params: {a: int4, b: "int4[]"}
    row_format: arrays
    statements:
      - {sql: "insert into log (left_over) values ($1) returning left_over", batch: [[!param a], [7]]}
      - {sql: "select :b, $1::int4[]", params: [!param b]}
    """,
  ]

  private static func withNamed(
    _ files: [String: String] = files, _ arguments: [String] = [],
    environment: [String: String] = [:], _ body: (TestDatabase, Service) async throws -> Void
  ) async throws {
    try await withDatabase { db in
      try await db.query(schema.replacing("ROLE", with: db.name))
      let files = files.mapValues { $0.replacing("ROLE", with: db.name) }
      try await withFolder(files) { folder in
        try await withService(
          for: db.connectionString, ["--transactions-folder", folder] + arguments,
          environment: environment
        ) { try await body(db, $0) }
      }
      try await db.query("drop owned by teller_\(db.name); drop role teller_\(db.name)")
    }
  }

  private static func run(
    _ service: Service, _ name: String, _ params: String,
    headers: [(name: String, value: String)] = []
  ) async throws -> Answer {
    try await service.request(
      "POST", "/transactions/\(name)", headers: headers, body: #"{"params": \#(params)}"#)
  }

  @Test func `a named transaction binds its parameters, and is answered like any other`()
    async throws
  {
    try await Self.withNamed { db, service in
      let webhook = try await service.request(
        "POST", "/webhooks", body: #"{"url": "https://a.example/", "events": ["account.*"]}"#)
      #expect(webhook.status == 201)
      let answer = try await Self.run(
        service, "transfer",
        #"{"from": 1, "to": "2", "cents": 30, "details": "a\"b", "tags": ["x", null, "\"y\" {"]}"#)
      #expect(answer.status == 200, "\(answer.body)")
      #expect(answer.body["status"] == "committed" && answer.body["attempts"] == 1)
      #expect(answer.body["results"][0]["rows"] == [["cents": 70]])
      #expect(answer.body["results"][1]["savepoint"] == "released")
      #expect(
        answer.body["results"][2]["rows"] == [
          [
            "left_over": 70, "note": nil, "details": "a\"b", "tags": ["x", nil, "\"y\" {"],
            "who": "1",
          ]
        ])
      #expect(answer.body["events"][0]["event"] == "account.transfer")
      #expect(answer.response["Server-Timing"] != nil)
      try await eventually("the event has its delivery") {
        try await db.value("select data from transom.events") == #"{"to": "2", "details": "a\"b"}"#
      }

      let poor = try await Self.run(service, "transfer", #"{"from": 1, "to": 2, "cents": 300}"#)
      #expect(poor.status == 409 && poor.code == "expectation-failed")
      #expect(poor.body["statement"] == "/statements/0" && poor.outcome == "rolled_back")
      let nobody = try await Self.run(service, "transfer", #"{"from": 1, "to": 9, "cents": 1}"#)
      #expect(nobody.body["statement"] == "/statements/1/savepoint/0")
      #expect(try await db.query("select cents from account order by id") == [["70"], ["30"]])

      let batch = try await Self.run(service, "batch", #"{"a": 5, "b": [[1, 2], [3, null]]}"#)
      #expect(batch.body["results"][0]["rows"] == [[5], [7]], "\(batch.body)")
      #expect(batch.body["results"][1]["rows"] == [[[[1, 2], [3, nil]], [[1, 2], [3, nil]]]])
      let role = try await service.request("POST", "/transactions/who", body: "{}")
      #expect(role.body["results"][0]["rows"][0]["current_user"] == .string("teller_\(db.name)"))
    }
  }

  @Test func `the documents' definition does what they say`() async throws {
    let blocks = MarkdownBlock.all(in: "docs/named-transactions.md")
    let definition = try #require(
      blocks.first { $0.language == "yaml" && $0.text.contains(":from") })
    let call = try #require(blocks.first { $0.text.contains("/transactions/transfer") })
    try await withDatabase { db in
      try await db.query(
        """
        create table account (id bigint primary key, cents int); insert into account values (1, 100), (2, 0);
        create table transfer (payer bigint, payee bigint, cents int, note text)
        """)
      try await withFolder(["transfer.yaml": definition.text]) { folder in
        try await withService(for: db.connectionString, ["--transactions-folder", folder]) {
          let text = call.text.replacing("127.0.0.1:8080", with: "127.0.0.1:\($0.port)")
          let quiet = #"curl() { command curl --silent --noproxy '*' "$@"; }; "#
          let output = try await Command("/bin/sh", ["-c", quiet + text]).runChecked().output
          let answer = try JSON(parsing: Array(output.utf8))
          #expect(answer["status"] == "committed", "\(output)")
          #expect(try await db.query("select * from transfer") == [["1", "2", "30", ""]])
        }
      }
    }
  }

  @Test func `no value is cut, and a json string within others is one`() async throws {
    let files = [
      "cut.yaml": """
      params: {code: char, codes: "character[]", flags: bit, who: jsonb, all: "jsonb[]"}
      row_format: arrays
      statements:
        - sql: "select :code, :codes, :flags, :all, $1::jsonb, $2::jsonb"
          params: [{owner: !param who, all: [!param who]}, [!param who]]
      """
    ]
    try await Self.withNamed(files) { _, service in
      let answer = try await Self.run(
        service, "cut",
        #"{"code": "USD", "codes": ["EUR"], "flags": "1010", "who": "a\"b", "all": ["1", 1, {"a": "b"}, ["2"]]}"#
      )
      #expect(answer.status == 200, "\(answer.body)")
      #expect(
        answer.body["results"][0]["rows"] == [
          [
            "USD", ["EUR"], "1010", ["1", 1, ["a": "b"], ["2"]],
            ["owner": "a\"b", "all": ["a\"b"]],
            ["a\"b"],
          ]
        ], "\(answer.body)")
    }
  }

  @Test func `what is wrong with a request is told with its place, and nothing runs`() async throws
  {
    try await Self.withNamed { db, service in
      let wrong = [
        ("{}", 422, "/params/from"), (#"{"from": 1, "to": 2}"#, 422, "/params/cents"),
        (#"{"from": 1, "to": 2, "cents": "x"}"#, 422, "/params/cents"),
        (#"{"from": 1, "to": 2, "cents": 1e2}"#, 422, "/params/cents"),
        (#"{"from": null, "to": 2, "cents": 1}"#, 422, "/params/from"),
        (#"{"from": 1, "to": 2, "cents": 1, "sql": "drop table account"}"#, 422, "/params/sql"),
        (#"{"from": 1, "to": 2, "cents": 1, "note": 1}"#, 422, "/params/note"),
        (#"{"from": 1, "to": 2, "cents": 1, "note": "\u0000"}"#, 422, "/params/note"),
        (#"{"from": 1, "to": 2, "cents": 1, "tags": ["a", 1]}"#, 422, "/params/tags/1"),
        ("[1]", 400, "/params"),
      ]
      for (params, status, pointer) in wrong {
        let answer = try await Self.run(service, "transfer", params)
        #expect(answer.status == status && answer.outcome == "not_started", "\(params)")
        #expect(answer.body["pointer"].text == pointer, "\(params): \(answer.body)")
      }
      for name in ["nothing", "Transfer", "transfer.yaml", "..", "a%2Fb", "%00", "transfer%20"] {
        let answer = try await Self.run(service, name, "{}")
        #expect(answer.status == 404, "\(name)")
        #expect(["unknown-transaction", "not-found"].contains(answer.code), "\(name)")
      }
      for path in ["/transactions/", "/transactions/transfer/", "/transactions/transfer/x"] {
        let answer = try await service.request("POST", path, body: "{}")
        #expect(answer.status == 404 && answer.code == "not-found", "\(path)")
      }
      let get = try await service.request("GET", "/transactions/transfer")
      #expect(get.status == 405 && get.response["Allow"] == "POST, OPTIONS")
      let text = try await service.request(
        "POST", "/transactions/transfer", headers: [("Content-Type", "text/plain")], body: "{}")
      #expect(text.status == 415)
      #expect(try await db.query("select cents from account order by id") == [["100"], ["0"]])
    }
  }

  @Test func `it takes an Idempotency-Key, or needs one, which belongs to the transaction`()
    async throws
  {
    try await Self.withNamed { db, service in
      let key = [(name: "Idempotency-Key", value: "a")]
      let missing = try await service.request("POST", "/transactions/once", body: "{}")
      #expect(missing.status == 400 && missing.code == "missing-idempotency-key")
      let lines = try await service.request(
        "POST", "/transactions/once", headers: [("Accept", "application/x-ndjson")], body: "{}")
      #expect(lines.status == 400 && lines.code == "missing-idempotency-key")
      for isReplay in [false, true] {
        let answer = try await service.request(
          "POST", "/transactions/once", headers: key, body: "{}")
        #expect(answer.status == 200)
        #expect((answer.response["Idempotency-Replayed"] == "true") == isReplay)
      }
      let other = try await service.request("POST", "/transactions/who", headers: key, body: "{}")
      #expect(other.status == 422 && other.code == "idempotency-key-reused")
      #expect(try await db.value("select count(*) from log") == "1")
    }
  }

  @Test func `it is answered in lines for who wants that`() async throws {
    try await Self.withNamed { _, service in
      let answer = try await Self.run(
        service, "transfer", #"{"from": 1, "to": 2, "cents": 1}"#,
        headers: [("Accept", "application/x-ndjson")])
      let lines = try answer.lines
      #expect(lines.last == ["status": "committed"])
      #expect(lines.contains(["row": ["cents": 99]]))
    }
  }

  @Test func `openapi_yaml has a path for each, with the types of the parameters`() async throws {
    try await Self.withNamed { _, service in
      let yaml = try await service.request("GET", "/openapi.yaml").response.text
      let script = "import json, sys, yaml; print(json.dumps(yaml.safe_load(open(sys.argv[1]))))"
      let document = try await withFolder(["o.yaml": yaml]) { folder in
        let output = try await Command(
          "/usr/bin/python3", ["-c", script, "\(folder)/o.yaml"]
        ).runChecked().output
        return try JSON(parsing: Array(output.utf8))
      }
      let operation = document["paths"]["/transactions/transfer"]["post"]
      #expect(operation["summary"] == "Moves money.")
      #expect(operation["description"] == "Moves money.\n\nFrom one account to another.")
      let body = operation["requestBody"]["content"]["application/json"]["schema"]
      let params = body["properties"]["params"]
      #expect(body["required"] == ["params"] && params["required"] == ["from", "to", "cents"])
      #expect(params["additionalProperties"] == false)
      #expect(params["properties"]["from"]["type"] == ["integer", "string"])
      #expect(params["properties"]["from"]["description"] == "Who pays.\n\nPostgreSQL: `bigint`")
      #expect(params["properties"]["cents"]["maximum"] == 2_147_483_647)
      #expect(params["properties"]["note"]["type"] == ["string", "null"])
      #expect(params["properties"]["tags"]["type"] == "array")
      #expect(params["properties"]["details"]["default"] == [:])
      let once = document["paths"]["/transactions/once"]["post"]
      #expect(once["parameters"][0]["required"] == true)
      #expect(document["paths"]["/transactions"]["post"]["operationId"] == "runTransaction")
      for name in ["who", "batch"] {
        let found = document["paths"]["/transactions/\(name)"]["post"]["summary"]
        #expect(found == .string("Run the transaction \(name)."))
      }
    }
  }

  /// Definitions that are well formed, and that PostgreSQL cannot run; and what is said of them.
  private static let impossible = [
    (
      "statements:\n- sql: select 1\n- sql: select * from acount",
      "line 3, /statements/1: relation \"acount\" does not exist"
    ),
    (
      "statements:\n- savepoint:\n  - sql: selec 1",
      "line 3, /statements/0/savepoint/0: syntax error"
    ),
    (
      "params: {a: moood}\nstatements: [{sql: 'select :a'}]",
      "line 1, /params/a: there is no type moood"
    ),
    (
      "params: {a: text}\nstatements:\n- sql: select * from account where id = $1\n  params: [!param a]",
      "line 3, /statements/0: PostgreSQL takes $1 for bigint, but \"a\" is text"
    ),
    (
      "params: {a: int4}\nstatements:\n- {sql: 'insert into log (note, left_over) values ($1, $2)', batch: [[x, !param a], [!param a, 1]]}",
      "line 3, /statements/0: PostgreSQL takes $1 for text, but \"a\" is int4"
    ),
    ("role: nobody_here\nstatements: []\n", "line 1, /role: role \"nobody_here\" does not exist"),
    (
      "settings: {work_mem: much}\nstatements: [{sql: select 1}]",
      "line 1, /settings/work_mem: invalid value"
    ),
    ("database: other\nstatements: []", "line 1, /database: there is no database \"other\""),
    (
      "settings: {search_path: nowhere}\nstatements: [{sql: select * from account}]",
      "line 2, /statements/0: relation \"account\" does not exist"
    ),
    (
      "database: spare\nidempotency_key: required\nstatements: []",
      "line 1, /database: no Idempotency-Key is kept in \"spare\""
    ),
    (
      "statements: []\non_commit: [{event: a, url: 'https://a.example/'}]",
      "line 2, /on_commit/0/url: hooks with a \"url\" are not allowed"
    ),
  ]

  @Test func `a definition that cannot run is an error at start that names file and line`()
    async throws
  {
    try await withDatabase { db in
      try await db.query(Self.schema.replacing("ROLE", with: db.name))
      var files: [String: String] = [:]
      for (number, definition) in Self.impossible.enumerated() {
        files["t\(number).yaml"] = definition.0
      }
      // Beside some that can.
      files["good.yaml"] = """
        statements:
          - sql: create temporary table part (a int) on commit drop
          - sql: insert into part values (1)
          - sql: select * from part
        """
      try await withFolder(files) { folder in
        let transom = try await TransomProcess.start(
          [
            "serve", "--listen", "127.0.0.1:0", "--database-url", db.connectionString,
            "--transactions-folder", folder,
          ], environment: ["TRANSOM_DATABASES_SPARE_URL": db.connectionString])
        let status = try await transom.waitForExit()
        #expect(status != 0)
        let log = transom.log
        for (number, definition) in Self.impossible.enumerated() {
          #expect(log.contains("\(folder)/t\(number).yaml, \(definition.1)"), "\(log)")
        }
        #expect(!log.contains("good.yaml") && !log.contains("listening"), "\(log)")
      }
      try await db.query("drop owned by teller_\(db.name); drop role teller_\(db.name)")
    }
  }

  @Test func `a malformed definition is an error of its setting`() async throws {
    try await withFolder(["t.yaml": "statements:\n- sql: commit"]) { folder in
      let transom = try await TransomProcess.start([
        "serve", "--database-url", "postgres:///x", "--transactions-folder", folder,
      ])
      let status = try await transom.waitForExit()
      #expect(status != 0)
      let start =
        "--transactions-folder is \"\(folder)\"; \(folder)/t.yaml, line 2, /statements/0/sql: COMMIT"
      #expect(transom.log.contains(start), "\(transom.log)")
    }
  }

  @Test func `where the database is down at start, it is asked when it is back`() async throws {
    try await withDatabase { db in
      try await db.query("create table account (id int)")
      let proxy = try FaultProxy.start(before: db.cluster)
      defer { proxy.stop() }
      proxy.refuseConnections()
      let files = [
        "good.yaml": "statements: [{sql: select * from account}]",
        "bad.yaml": "statements: [{sql: select * from acount}]",
      ]
      try await withFolder(files) { folder in
        try await withService(
          for: proxy.connectionString(database: db.name), ["--transactions-folder", folder]
        ) { service in
          #expect(service.process.log.contains("a named transaction is not checked yet"))
          let down = try await service.request("POST", "/transactions/good", body: "{}")
          #expect(down.status == 503)
          proxy.pass()
          _ = try await service.process.line(with: "a named transaction is checked")
          let line = try await service.process.line(with: "a named transaction cannot run")
          #expect(line.contains("bad.yaml, line 1, /statements/0: relation"), "\(line)")
          let good = try await service.request("POST", "/transactions/good", body: "{}")
          #expect(good.status == 200)
          let bad = try await service.request("POST", "/transactions/bad", body: "{}")
          #expect(bad.status == 422 && bad.body["sqlstate"] == "42P01")
        }
      }
    }
  }
}
