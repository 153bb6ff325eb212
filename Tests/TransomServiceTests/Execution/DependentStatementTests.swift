import TestSupport
import Testing
import TransomPostgres
import TransomService

/// `batch`, `expect` and `refs`, on a real server.
@Suite struct DependentStatementTests {
  private static let schema = """
    create table t (n int primary key, note text);
    create table "a/b~c" ("x/y" int, j jsonb);
    """

  private static func with(
    _ body: (ExecutorHarness, TestDatabase) async throws -> Void
  ) async throws {
    try await withExecutor { harness, database in
      try await database.query(schema)
      try await body(harness, database)
    }
  }

  @Test func `a reference leads to nothing also where no statement has an id`() async throws {
    try await withExecutor {
      $0.hasOutbox = true
    } _: { harness, _ in
      for (document, pointer) in [
        (
          #"{"statements": [{"sql": "select $1::int", "refs": {"1": "/a/rows/0/n"}}]}"#,
          "/statements/0"
        ),
        (
          """
          {"statements": [{"sql": "select 1"}],
            "on_commit": [{"event": "e", "data": {"n": null}, "refs": {"/n": "/a/rows/0/n"}}]}
          """, "/on_commit/0"
        ),
      ] {
        let problem = try #require(try await harness.failure(of: document)?.problem)
        #expect(problem.code == "unresolved-reference" && problem.outcome == .rolledBack)
        #expect([problem.statement, problem.pointer].contains(pointer))
      }
    }
  }

  // MARK: How much references may lead to

  @Test func `what references lead to is bounded, however often they do`() async throws {
    try await withExecutor {
      $0.limits.response = 4 << 20
      $0.hasOutbox = true
    } _: { harness, _ in
      let value = #"{"id": "a", "sql": "select repeat('x', 1000000) as v"}"#
      let runs = Array(repeating: "[null]", count: 3000).joined(separator: ", ")
      let numbers = 1...3000
      let members = numbers.map { #""\#($0)": "/a/rows/0/v""# }.joined(separator: ", ")
      let texts = numbers.map { "length($\($0)::text)" }.joined(separator: " + ")
      let hook = #"{"event": "e", "data": {"v": null}, "refs": {"/v": "/a/rows/0/v"}}"#
      let hooks = Array(repeating: hook, count: 3000).joined(separator: ", ")
      for document in [
        """
        {"statements": [\(value), {"sql": "select length($1::text)",
          "refs": {"1": "/a/rows/0/v"}, "batch": [\(runs)]}]}
        """,
        #"{"statements": [\#(value), {"sql": "select \#(texts)", "refs": {\#(members)}}]}"#,
        #"{"statements": [\#(value)], "on_commit": [\#(hooks)]}"#,
      ] {
        let problem = try #require(try await harness.failure(of: document)?.problem)
        #expect(problem.code == "unresolved-reference" && problem.outcome == .rolledBack)
        #expect(problem.detail.contains("larger than"), "\(problem.detail)")
      }
      let few = Array(repeating: "[null]", count: 3).joined(separator: ", ")
      let answer = try await harness.execute(
        """
        {"row_format": "arrays", "statements": [\(value), {"sql": "select length($1::text)",
          "refs": {"1": "/a/rows/0/0"}, "batch": [\(few)]}]}
        """)
      #expect(
        answer["results"]?[1]?["rows"]?.elements.map { $0[0]?.text } == [
          "1000000", "1000000", "1000000",
        ])
    }
  }

  @Test
  func `a pointer means the name that has its bytes, not one that Unicode takes for the same`()
    async throws
  {
    try await withExecutor { harness, _ in
      for (name, value) in [("\u{E9}", "1"), ("e\u{301}", "2")] {
        let answer = try await harness.execute(
          """
          {"row_format": "arrays", "statements": [
            {"id": "a", "sql": "select jsonb_build_object('\u{E9}', 1, 'e\u{301}', 2) as j"},
            {"sql": "select $1::text", "refs": {"1": "/a/rows/0/0/\(name)"}}]}
          """)
        #expect(answer["results"]?[1]?["rows"]?[0]?[0]?.text == value)
      }
    }
  }

  // MARK: batch

  @Test func `a batch is one result, with all rows and their number`() async throws {
    try await Self.with { harness, database in
      let answer = try await harness.execute(
        """
        {"row_format": "arrays", "statements": [
          {"sql": "insert into t values ($1, $2) returning n", "batch": [[1, "a"], [2, null], [3, "c"]]},
          {"sql": "update t set note = $2 where n >= $1", "batch": [[2, "x"], [3, "y"]]},
          {"sql": "select 1"}]}
        """)
      let results = answer["results"]
      #expect(results?[0]?["row_count"]?.text == "3")
      #expect(results?[0]?["rows"]?.elements.map { $0[0]?.text } == ["1", "2", "3"])
      #expect(results?[1]?["row_count"]?.text == "3")
      #expect(results?[1]?["command"]?.text == "UPDATE")
      #expect(results?[2]?["row_count"]?.text == "1")
      #expect(
        try await database.query("select n, note from t order by n") == [
          ["1", "a"], ["2", "x"], ["3", "y"],
        ])
    }
  }

  @Test(arguments: [
    ("[[1], [2], [1], [3]]", 2, SQLState.uniqueViolation), ("[[null], [1]]", 0, "23502"),
  ])
  func `a batch that fails tells its run, and stores nothing`(
    _ batch: String, _ run: Int, _ state: SQLState
  ) async throws {
    try await Self.with { harness, database in
      let failure = try await harness.failure(
        of: #"{"statements": [{"sql": "insert into t values ($1)", "batch": \#(batch)}]}"#)
      #expect(failure?.problem.statement == "/statements/0")
      #expect(failure?.problem.pointer == "/statements/0/batch/\(run)")
      #expect(failure?.problem.serverError?.sqlState == state)
      #expect(try await database.query("select count(*) from t") == [["0"]])
    }
  }

  @Test func `a batch that fails in a group leaves nothing of itself in the answer`() async throws {
    try await Self.with { harness, database in
      let answer = try await harness.execute(
        """
        {"row_format": "arrays", "statements": [
          {"savepoint": [{"sql": "insert into t values (7)"},
             {"sql": "insert into t values ($1) returning n", "batch": [[1], [1]]}],
           "on_error": "continue"},
          {"sql": "select count(*) from t"}]}
        """)
      let group = answer["results"]?[0]
      #expect(group?["savepoint"]?.text == "rolled_back")
      #expect(group?["results"]?.elements.count == 1)
      #expect(answer["results"]?[1]?["rows"]?[0]?[0]?.text == "0")
    }
  }

  @Test func `ten thousand runs are one round trip`() async throws {
    try await Self.with { harness, database in
      try await withTrace(harness) { trace in
        let runs = (1...10_000).map { "[\($0)]" }.joined(separator: ",")
        let answer = try await harness.execute(
          #"{"statements": [{"sql": "insert into t values ($1)", "batch": [\#(runs)]}]}"#)
        #expect(answer["results"]?[0]?["row_count"]?.text == "10000")
        let syncs = try trace.syncs
        #expect(syncs == 1)
      }
      #expect(
        try await database.query("select count(*), sum(n) from t") == [["10000", "50005000"]])
    }
  }

  // MARK: expect

  @Test(arguments: [
    (#"{"row_count": 1}"#, true), (#"{"row_count": 2}"#, false), (#"{"row_count": 0}"#, false),
    (#"{"min": 1}"#, true), (#"{"min": 2}"#, false), (#"{"max": 1}"#, true),
    (#"{"max": 0}"#, false), (#"{"min": 0, "max": 5}"#, true), (#"{"min": 2, "max": 5}"#, false),
  ])
  func `an expectation that is not met rolls everything back`(
    _ expectation: String, _ isMet: Bool
  ) async throws {
    try await Self.with { harness, database in
      let failure = try await harness.failure(
        of: """
          {"statements": [{"sql": "insert into t values (1)"},
            {"sql": "update t set note = 'x' where n = 1", "expect": \(expectation)},
            {"sql": "insert into t values (2)"}]}
          """)
      #expect((failure == nil) == isMet)
      if !isMet {
        #expect(failure?.problem.code == "expectation-failed" && failure?.problem.status == 409)
        #expect(failure?.problem.outcome == .rolledBack)
        #expect(failure?.problem.statement == "/statements/1")
      }
      #expect(try await database.query("select count(*) from t") == [[isMet ? "2" : "0"]])
      // The connection is as good as before.
      _ = try await harness.execute(#"{"statements": [{"sql": "select 1"}]}"#)
    }
  }

  @Test func `an expectation holds for a batch as a whole, and undoes no more than its group`()
    async throws
  {
    try await Self.with { harness, database in
      let answer = try await harness.execute(
        """
        {"statements": [{"sql": "insert into t values ($1)", "batch": [[1], [2]], "expect": {"row_count": 2}},
          {"savepoint": [{"sql": "insert into t values (3)"},
             {"sql": "delete from t where n = $1", "batch": [[1], [9]], "expect": {"row_count": 2}}],
           "on_error": "continue"},
          {"sql": "insert into t values (4)"}]}
        """)
      let group = answer["results"]?[1]
      #expect(group?["savepoint"]?.text == "rolled_back")
      #expect(group?["error"]?["type"]?.text == "/problems/expectation-failed")
      #expect(group?["error"]?["statement"]?.text == "/statements/1/savepoint/1")
      #expect(group?["results"]?.elements.count == 1)
      #expect(try await database.query("select n from t order by n") == [["1"], ["2"], ["4"]])
    }
  }

  // MARK: refs

  @Test func `a reference takes a value out of an earlier result`() async throws {
    try await Self.with { harness, _ in
      let answer = try await harness.execute(
        """
        {"row_format": "objects", "statements": [
          {"id": "a/b~c", "sql": "insert into \\"a/b~c\\" values (7, '{\\"k\\": [1, {\\"z\\": \\"é\\\\\\"\\"}]}') returning *"},
          {"id": "none", "sql": "select null as nothing, true as yes, 1.50 as number"},
          {"sql": "select $1::int + 1 as a, $2::text as b, $3::text as c, $4::boolean as d, $5::numeric as e, $6::jsonb as f, $7::int as g",
           "params": [null, null, null, null],
           "refs": {"1": "/a~1b~0c/rows/0/x~1y", "2": "/a~1b~0c/rows/0/j/k/1/z", "3": "/none/rows/0/nothing",
             "4": "/none/rows/0/yes", "5": "/none/rows/0/number", "6": "/a~1b~0c/rows/0/j", "7": "/none/row_count"}}]}
        """)
      let row = answer["results"]?[2]?["rows"]?[0]
      #expect(row?["a"]?.text == "8")
      #expect(row?["b"]?.text == #"é""#)
      #expect(row?["c"] == .null)
      #expect(row?["d"] == .bool(true))
      #expect(row?["e"]?.text == "1.50")
      #expect(row?["f"]?["k"]?[0]?.text == "1")
      #expect(row?["g"]?.text == "1")
    }
  }

  @Test func `ids that Unicode takes for one are two`() async throws {
    try await Self.with { harness, _ in
      let answer = try await harness.execute(
        """
        {"row_format": "arrays", "statements": [
          {"id": "\\u00e9", "sql": "select 1"}, {"id": "e\\u0301", "sql": "select 2"},
          {"sql": "select $1::int, $2::int", "refs": {"1": "/\\u00e9/rows/0/0", "2": "/e\\u0301/rows/0/0"}}]}
        """)
      #expect(answer["results"]?[2]?["rows"]?[0]?[0]?.text == "1")
      #expect(answer["results"]?[2]?["rows"]?[0]?[1]?.text == "2")
    }
  }

  @Test func `a reference stands for the same value in every run of a batch`() async throws {
    try await Self.with { harness, database in
      _ = try await harness.execute(
        """
        {"statements": [{"id": "x", "sql": "select 'note' as note"},
          {"sql": "insert into t values ($1, $2)", "batch": [[1], [2, null]], "refs": {"2": "/x/rows/0/note"}}]}
        """)
      #expect(
        try await database.query("select n, note from t order by n") == [
          ["1", "note"], ["2", "note"],
        ])
    }
  }

  @Test(arguments: [
    "/later/rows/0/n", "/x/rows/1/n", "/x/rows/0/m", "/x/rows/-1/n", "/x/rows/00/n",
    "/x/rows/0/n/0",
    "/x/nothing", "/nobody", "/undone/rows/0/n",
  ])
  func `a reference to nothing is an error of its statement`(_ pointer: String) async throws {
    try await Self.with { harness, database in
      let failure = try await harness.failure(
        of: """
          {"statements": [{"id": "x", "sql": "insert into t values (1) returning n"},
            {"savepoint": [{"id": "undone", "sql": "select 1 as n"}, {"sql": "select 1 / 0"}],
             "on_error": "continue"},
            {"sql": "insert into t values ($1)", "refs": {"1": "\(pointer)"}},
            {"id": "later", "sql": "select 5 as n"}]}
          """)
      #expect(failure?.problem.code == "unresolved-reference" && failure?.problem.status == 422)
      #expect(failure?.problem.outcome == .rolledBack)
      #expect(failure?.problem.statement == "/statements/2")
      #expect(try await database.query("select count(*) from t") == [["0"]])
      _ = try await harness.execute(#"{"statements": [{"sql": "select 1"}]}"#)
    }
  }

  @Test
  func `a reference to nothing in a group undoes the group, and what refers to it comes later`()
    async throws
  {
    try await Self.with { harness, database in
      let answer = try await harness.execute(
        """
        {"row_format": "arrays", "statements": [{"id": "x", "sql": "insert into t values (1) returning n"},
          {"savepoint": [{"sql": "insert into t values (2)"},
             {"sql": "insert into t values ($1)", "refs": {"1": "/x/rows/5/0"}}], "on_error": "continue"},
          {"sql": "insert into t values ($1 + 10) returning n", "refs": {"1": "/x/rows/0/0"}}]}
        """)
      #expect(answer["results"]?[1]?["savepoint"]?.text == "rolled_back")
      #expect(answer["results"]?[1]?["error"]?["type"]?.text == "/problems/unresolved-reference")
      #expect(answer["results"]?[2]?["rows"]?[0]?[0]?.text == "11")
      #expect(try await database.query("select n from t order by n") == [["1"], ["11"]])
    }
  }

  @Test func `the number of parameters is checked before anything runs`() async throws {
    for (sql, params) in [
      ("select $1::int", "[]"), ("select 1", "[1]"), ("select $2::int, $1::int", "[1]"),
      ("insert into t values ($1, '$2', $3)", "[1, 2]"),
    ] {
      let error = refusal(
        ofDocument: #"{"statements": [{"sql": "\#(sql)", "params": \#(params)}]}"#)
      #expect(error?.code == .invalidParameter && error?.status == 422, "\(sql)")
    }
    // A $2 in a string or a comment is none.
    let document = #"{"statements": [{"sql": "select $1, '$2' /* $3 */", "params": [1]}]}"#
    #expect(refusal(ofDocument: document) == nil)
  }
}
