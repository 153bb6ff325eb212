import FoundationEssentials
import TestSupport
import Testing
import TransomCluster

/// The examples of openapi.yaml: each is what the running service answers.
@Suite(.timeLimit(.minutes(2))) struct OpenAPIExampleTests {
  /// How the service comes to answer an example that tells of a failure, by its name.
  private static let causes: [String: String] = [
    "unknown-field": #"{"statements": [{"sql": "select 1", "parameters": []}]}"#,
    "permission": #"{"role": "reporting", "statements": [{"sql": "delete from account"}]}"#,
    "unknown-database": #"{"database": "replica", "statements": []}"#,
    "unique": #"{"statements": [{"sql": "insert into account (owner) values ('ada')"}]}"#,
    "deferred": #"{"statements": [{"sql": "insert into email (account_id) values (9)"}]}"#,
    "expectation":
      #"{"statements": [{"sql": "delete from account where id = 0", "expect": {"row_count": 1}}]}"#,
    "reference": """
    {"statements": [{"id": "ada", "sql": "select id from account where id = 0"},
      {"sql": "select $1", "refs": {"1": "/ada/rows/0/id"}}]}
    """,
    "syntax": #"{"statements": [{"sql": "select * from acount"}]}"#,
    "array":
      #"{"statements": [{"sql": "update visit set at.point = $1", "params": [[[1, 2], [3]]]}]}"#,
    "transaction-control": """
    {"statements": [{"sql": "select 1"}, {"sql": "select 2"}, {"sql": "commit"}]}
    """,
    "timeout":
      #"{"timeout_ms": 250, "isolation": "serializable", "statements": [{"sql": "select pg_sleep(60)"}]}"#,
    "serialization": """
    {"isolation": "repeatable_read", "max_attempts": 1, "statements": [{"sql": "select 1"},
      {"sql": "update account set balance = 2 where owner = 'cleo'"}]}
    """,
  ]

  /// Examples for which another test is needed, and which that is.
  private static let elsewhere: [String: String] = [
    "text": "RefusalTests", "pool-timeout": "InterruptionTests", "draining": "LifecycleTests",
    "commit-in-doubt": "CrashTests",
  ]

  /// Where these stand in PostgreSQL's source differs from one version to the next.
  private static let sourcePlace: Set<String> = ["file", "line", "routine"]

  private static var root: URL {
    URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent()
  }

  /// The document as JSON.
  private static func document() async throws -> JSON {
    let script = "import json, sys, yaml; print(json.dumps(yaml.safe_load(open(sys.argv[1]))))"
    let path = root.appending(path: "openapi.yaml").path
    let output = try await Command("/usr/bin/python3", ["-c", script, path]).runChecked().output
    return try JSON(parsing: Array(output.utf8))
  }

  /// Serves a database with what the examples work on.
  private static func withSchema(
    _ body: (TestDatabase, Service) async throws -> Void
  ) async throws {
    let schema = try String(
      contentsOf: root.appending(path: "Tests/OpenAPI/schema.sql"), encoding: .utf8)
    try await withDatabase { db in
      try await db.query(schema)
      try await withService(for: db.connectionString) { service in try await body(db, service) }
    }
  }

  @Test func `each request of the document is answered as the document says`() async throws {
    let operation = try await Self.document()["paths"]["/transactions"]["post"]
    let requests = operation["requestBody"]["content"]["application/json"]["examples"].members
    let answers = operation["responses"]["200"]["content"]["application/json"]["examples"].members
    #expect(requests.count >= 4 && Set(requests.keys) == Set(answers.keys))
    for (name, request) in requests {
      try await Self.withSchema { _, service in
        let answer = try await service.post(try request["value"].encoded())
        #expect(answer.status == 200, "\(name): \(answer.body)")
        #expect(
          answer.body.without(Self.sourcePlace)
            == answers[name]?["value"].without(Self.sourcePlace), "\(name)")
      }
    }
  }

  @Test func `each example for Neon's driver is answered as the document says`() async throws {
    let operation = try await Self.document()["paths"]["/sql"]["post"]
    let requests = operation["requestBody"]["content"]["application/json"]["examples"].members
    let answers = operation["responses"]["200"]["content"]["application/json"]["examples"].members
    #expect(Set(requests.keys) == Set(answers.keys))
    for (name, request) in requests {
      try await Self.withSchema { _, service in
        let answer = try await service.sql(try request["value"].encoded())
        // Tables have other OIDs in each database.
        #expect(
          answer.body.without(["tableID"]) == answers[name]?["value"].without(["tableID"]),
          "\(name)")
      }
    }
    let failures = operation["responses"]["400"]["content"]["application/json"]["examples"].members
    let causes = [
      "constraint": "insert into account (owner) values ('cleo')", "control": "commit",
    ]
    #expect(Set(failures.keys) == Set(causes.keys))
    try await Self.withSchema { _, service in
      for (name, sql) in causes {
        let answer = try await service.sql(#"{"query": "\#(sql)"}"#)
        #expect(answer.status == 400)
        #expect(
          answer.body.without(Self.sourcePlace)
            == failures[name]?["value"].without(Self.sourcePlace), "\(name)")
      }
    }
  }

  @Test func `each stream of the document is one that the service answers`() async throws {
    let operation = try await Self.document()["paths"]["/transactions"]["post"]
    let requests = operation["requestBody"]["content"]["application/json"]["examples"]
    let streams = operation["responses"]["200"]["content"]["application/x-ndjson"]["examples"]
    #expect(streams.members.count >= 3)
    for (name, example) in streams.members {
      let text = try #require(example["value"].text)
      let expected = try text.split(separator: "\n").map { try JSON(parsing: Array($0.utf8)) }
      try await Self.withSchema { _, service in
        let answer = try await service.stream(try requests[name]["value"].encoded())
        let lines = try answer.lines
        #expect(
          lines.map { $0.without(Self.sourcePlace) }
            == expected.map { $0.without(Self.sourcePlace) },
          "\(name)")
      }
    }
  }

  @Test func `each failure of the document is one that the service answers`() async throws {
    var examples: [String: (status: String, problem: JSON)] = [:]
    for path in try await Self.document()["paths"].members.values {
      for operation in path.members.values {
        for (status, response) in operation["responses"].members {
          let content = response["content"]["application/problem+json"]
          for (name, example) in content["examples"].members {
            examples[name] = (status, example["value"])
          }
        }
      }
    }
    #expect(
      Set(examples.keys) == Set(Self.causes.keys).union(Self.elsewhere.keys),
      "Say above how the service comes to answer a new example.")
    try await Self.withSchema { db, service in
      let ada = #"{"statements": [{"sql": "insert into account (owner) values ('ada')"}]}"#
      #expect(try await service.post(ada).status == 200)
      for (name, request) in Self.causes {
        let example = try #require(examples[name])
        let answer =
          name == "serialization"
          ? try await Self.conflict(request, db, service) : try await service.post(request)
        #expect("\(answer.status)" == example.status, "\(name)")
        #expect(
          answer.body.without(Self.sourcePlace) == example.problem.without(Self.sourcePlace),
          "\(name)")
      }
    }
  }

  /// Posts a request that updates Cleo's account while somebody else does so, too, and is first.
  private static func conflict(
    _ request: String, _ db: TestDatabase, _ service: Service
  ) async throws -> Answer {
    // Holds the row until somebody waits for it.
    async let other = db.query(
      """
      begin;
      update account set balance = 1 where owner = 'cleo';
      do $$ begin
        while not exists (select from pg_locks where not granted and pg_backend_pid() = any (pg_blocking_pids(pid)))
        loop perform pg_sleep(0.01); end loop;
      end $$;
      commit
      """)
    try await eventually("the row is held") { try await db.running("not granted") == 1 }
    let answer = try await service.post(request)
    _ = try await other
    return answer
  }
}

extension JSON {
  fileprivate var members: [String: JSON] {
    guard case .object(let members) = self else { return [:] }
    return members
  }

  /// The value as JSON text.
  fileprivate func encoded() throws -> String {
    String(decoding: try JSONEncoder().encode(self), as: UTF8.self)
  }
}

extension JSON: Encodable {
  func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    switch self {
    case .absent, .null: try container.encodeNil()
    case .boolean(let boolean): try container.encode(boolean)
    case .number(let number): try container.encode(number)
    case .string(let text): try container.encode(text)
    case .array(let elements): try container.encode(elements)
    case .object(let members): try container.encode(members)
    }
  }
}
