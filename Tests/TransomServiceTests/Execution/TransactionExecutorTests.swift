import TestSupport
import Testing
import TransomPostgres
import TransomService

/// That what a request asks for is in force on the server, and gone after the transaction.
@Suite struct TransactionExecutorTests {
  /// What `current_setting` says of each name, in a transaction with the given fields.
  private static func settings(
    _ names: [String], _ fields: String, _ harness: ExecutorHarness
  ) async throws -> [String?] {
    let columns = names.map { "current_setting('\($0)', true)" }.joined(separator: ", ")
    let answer = try await harness.execute(
      #"{\#(fields) "row_format": "arrays", "statements": [{"sql": "select \#(columns)"}]}"#)
    return answer["results"]?[0]?["rows"]?[0]?.elements.map(\.text) ?? []
  }

  @Test
  func `a statement is run as it was sent, even if Unicode takes it for the same as one before`()
    async throws
  {
    try await withExecutor { harness, _ in
      for (literal, bytes) in [("\u{E9}", "c3a9"), ("e\u{301}", "65cc81"), ("\u{E9}", "c3a9")] {
        let answer = try await harness.execute(
          #"{"row_format": "arrays", "statements": ["#
            + #"{"sql": "select encode(convert_to('\#(literal)', 'UTF8'), 'hex')"}]}"#)
        #expect(answer["results"]?[0]?["rows"]?[0]?[0]?.text == bytes)
      }
    }
  }

  @Test func `another encoding of the client's breaks no JSON value`() async throws {
    try await withExecutor { harness, _ in
      for _ in 0..<2 {
        let answer = try await harness.answer(
          to: harness.decode(
            """
            {"settings": {"client_encoding": "LATIN1"}, "row_format": "arrays",
              "statements": [{"sql": "select jsonb_build_object('a', chr(233)) as j"}]}
            """), key: nil)
        #expect(String(validating: answer.body, as: UTF8.self) != nil)
        #expect(PlainJSONParser.parse(answer.body) != nil)
      }
    }
  }

  @Test func `isolation, read_only and deferrable are in force`() async throws {
    let names = ["transaction_isolation", "transaction_read_only", "transaction_deferrable"]
    try await withExecutor { harness, _ in
      for (fields, expected) in [
        ("", ["read committed", "off", "off"]),
        (#""isolation": "read_committed","#, ["read committed", "off", "off"]),
        (#""isolation": "repeatable_read","#, ["repeatable read", "off", "off"]),
        (
          #""isolation": "serializable", "read_only": true, "deferrable": true,"#,
          ["serializable", "on", "on"]
        ),
        (#""read_only": true,"#, ["read committed", "on", "off"]),
      ] {
        let seen = try await Self.settings(names, fields, harness)
        #expect(seen == expected)
      }
    }
  }

  @Test func `role and settings hold for one transaction, also on the same connection`()
    async throws
  {
    try await withExecutor { harness, database in
      let role = "\(database.name)_reader"
      try await database.query("create role \(role)")
      let names = ["role", "app.tenant", "work_mem"]
      for _ in 0..<2 {
        let backend = try await harness.backend()
        let fields =
          #""role": "\#(role)", "settings": {"app.tenant": "it's 42", "work_mem": "65kB"},"#
        let during = try await Self.settings(names, fields, harness)
        #expect(during == [role, "it's 42", "65kB"])
        let after = try await Self.settings(names, "", harness)
        #expect(after == ["none", "", "4MB"])
        #expect(try await harness.backend() == backend)
      }
      try await database.query("drop role \(role)")
    }
  }

  @Test(arguments: [
    (#""role": "nobody at all""#, "/role", "22023"),
    (#""settings": {"work_mem": "65kB", "nonsense/~": "1"}"#, "/settings/nonsense~1~0", "42704"),
    (#""settings": {"work_mem": "lots"}"#, "/settings/work_mem", "22023"),
    (
      #""read_only": true, "settings": {"transaction_read_only": "off"}"#,
      "/settings/transaction_read_only", "25001"
    ),
  ])
  func `a role or setting that the server refuses is named`(
    _ fields: String, _ pointer: String, _ code: String
  ) async throws {
    try await withExecutor { harness, _ in
      let error = try await harness.failure(of: #"{\#(fields), "statements": []}"#)
      let problem = try #require(error?.problem)
      #expect(problem.pointer == pointer)
      #expect(problem.serverError?.sqlState.code == code)
    }
  }

  @Test(arguments: [
    "insert into t values (1)", "set transaction read write", "set transaction_read_only = off",
    "select set_config('transaction_read_only', 'off', true)",
  ])
  func `a read-only transaction cannot be made to write`(_ sql: String) async throws {
    try await withExecutor { harness, database in
      try await database.query(TransactionTree.schema)
      let error = try await harness.failure(
        of: """
          {"read_only": true, "statements": [{"sql": "\(sql)"}, {"sql": "insert into t values (2)"}]}
          """)
      #expect(error?.problem.outcome == .rolledBack)
      #expect(error?.problem.statement == "/statements/0")
      #expect(error?.problem.status == 422)
      #expect(try await database.value("select count(*) from t") == "0")
    }
  }

  @Test func `a dry run answers as if, and stores nothing`() async throws {
    try await withExecutor { harness, database in
      try await database.query(TransactionTree.schema)
      let answer = try await harness.execute(
        """
        {"dry_run": true, "statements": [{"sql": "insert into t values (1)"},
          {"savepoint": [{"sql": "select 1/0"}], "on_error": "continue"},
          {"sql": "select count(*) as n from t"}]}
        """)
      #expect(answer["status"]?.text == "rolled_back")
      #expect(answer["results"]?[2]?["rows"]?[0]?["n"]?.text == "1")
      #expect(try await database.value("select count(*) from t") == "0")
    }
  }

  @Test func `a constraint that is checked at COMMIT fails the commit, and nothing is stored`()
    async throws
  {
    try await withExecutor { harness, database in
      try await database.query(TransactionTree.schema)
      let error = try await harness.failure(
        of: """
          {"statements": [{"sql": "insert into t values (1)"}, {"sql": "insert into child values (1)"}]}
          """)
      let problem = try #require(error?.problem)
      #expect(problem.code == "commit-failed")
      #expect(problem.status == 409)
      #expect(problem.outcome == .rolledBack)
      #expect(problem.serverError?.constraint == "child_n_fkey")
      #expect(try await database.query("select n from t union all select n from child") == [])
    }
  }

  @Test func `groups nest to depth 64 on the server, too`() async throws {
    try await withExecutor { harness, database in
      try await database.query(TransactionTree.schema)
      for onError in ["rollback", "continue"] {
        var item = #"{"sql": "select 1/0"}"#
        for depth in (1...64).reversed() {
          item = #"{"savepoint": [\#(item)], "on_error": "\#(depth == 1 ? "continue" : onError)"}"#
        }
        let answer = try await harness.execute(
          #"{"statements": [\#(item), {"sql": "insert into t values (1)"}]}"#)
        var group = answer["results"]?[0]
        var depth = 1
        while let inner = group?["results"]?[0] {
          group = inner
          depth += 1
        }
        #expect(depth == (onError == "continue" ? 64 : 1))
        #expect(group?["savepoint"]?.text == "rolled_back")
        let pointer = "/statements/0" + String(repeating: "/savepoint/0", count: 64)
        #expect(group?["error"]?["statement"]?.text == pointer)
      }
      #expect(try await database.value("select count(*) from t") == "2")
    }
  }

  @Test func `an unknown database is not found`() async throws {
    try await withExecutor { harness, _ in
      let error = try await harness.failure(of: #"{"database": "x", "statements": []}"#)
      #expect(error?.problem.status == 404)
      #expect(error?.problem.outcome == .notStarted)
    }
  }
}
