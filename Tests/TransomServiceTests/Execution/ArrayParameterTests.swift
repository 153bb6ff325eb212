import TestSupport
import Testing
import TransomPostgres
import TransomService

/// Arrays and objects among the parameters, on a real server.
@Suite struct ArrayParameterTests {
  private static let schema = """
    create extension hstore;
    create type mood as enum ('sad', 'a,b');
    create domain ints as int[];
    create domain document as jsonb;
    create type pair as (a int, b text);
    create table t (n int, tags text[]);
    """

  /// The text that the server makes of a parameter of this type.
  private static func text(
    _ json: String, as type: String, _ harness: ExecutorHarness
  ) async throws -> String? {
    let answer = try await harness.execute(
      """
      {"row_format": "arrays", "statements": [
        {"sql": "select format('%s', v) from (select $1::\(type)) s(v)", "params": [\(json)]}]}
      """)
    return answer["results"]?[0]?["rows"]?[0]?[0]?.text
  }

  @Test func `a group that fails before an array's type is known leaves the array one`()
    async throws
  {
    try await withExecutor { harness, _ in
      let answer = try await harness.execute(
        """
        {"row_format": "arrays", "statements": [
          {"savepoint": [{"sql": "select 1 / 0"}], "on_error": "continue"},
          {"savepoint": [{"sql": "select 7 = any ($1::int[])", "batch": [[[7]], [[8, 9]]]}]}]}
        """)
      #expect(answer["results"]?[0]?["savepoint"]?.text == "rolled_back")
      let rows = answer["results"]?[1]?["results"]?[0]?["rows"]
      #expect(rows == .array([.array([.bool(true)]), .array([.bool(false)])]))
    }
  }

  @Test(arguments: [true, false])
  func `an array is what the inferred type makes of it`(_ preparesStatements: Bool) async throws {
    try await withExecutor {
      $0.preparesStatements = preparesStatements
    } _: { harness, db in
      try await db.query(Self.schema)
      for (json, type, text) in [
        ("[]", "int[]", "{}"), ("[1, null, 3]", "int[]", "{1,NULL,3}"),
        ("[[1,2],[3,4]]", "int[]", "{{1,2},{3,4}}"), ("[[[1]],[[2]]]", "int[]", "{{{1}},{{2}}}"),
        ("[[],[]]", "int[]", "{}"),
        ("[12345678901234567890.1230, 1e-3]", "numeric[]", "{12345678901234567890.1230,0.001}"),
        ("[true, false, null]", "bool[]", "{t,f,NULL}"),
        (
          #"["NULL", "", "a b", "{x}", "a,b", "\"\\", "é\n\u00e9\ud834\udd1e", null, 7, true]"#,
          "text[]", #"{"NULL","","a b","{x}","a,b","\"\\","é"# + "\né𝄞\",NULL,7,true}"
        ),
        (#"["2024-02-29T12:34:56Z"]"#, "timestamp[]", #"{"2024-02-29 12:34:56"}"#),
        (#"["\\x00ff", ""]"#, "bytea[]", #"{"\\x00ff","\\x"}"#),
        (#"["(1,1),(0,0)", "(3,3),(2,2)"]"#, "box[]", "{(1,1),(0,0);(3,3),(2,2)}"),
        (#"["sad", "a,b", null]"#, "mood[]", #"{sad,"a,b",NULL}"#),
        ("[1, 2]", "ints", "{1,2}"), ("[1, 2]", "int2vector", "1 2"), ("[]", "oidvector", ""),
        (#"[1, "x", {"a": [1]}, null]"#, "json", #"[1, "x", {"a": [1]}, null]"#),
        ("[[1], 2]", "jsonb", "[[1], 2]"), ("[[1], 2]", "document", "[[1], 2]"),
        (
          #"[{"a": "\"\\"}, [1, [2]], 3, null, "\"x\""]"#, "jsonb[]",
          #"{"{\"a\": \"\\\"\\\\\"}","[1, [2]]",3,NULL,"\"x\""}"#
        ),
        (#"[{"a": 1}]"#, "document[]", #"{"{\"a\": 1}"}"#),
        (#"["a=>1"]"#, "hstore[]", #"{"\"a\"=>\"1\""}"#),
        (#"["(1,x)"]"#, "pair[]", #"{"(1,x)"}"#), (#"["[1,2]"]"#, "int4range[]", #"{"[1,3)"}"#),
        (#""{1,2}""#, "int[]", "{1,2}"), (#"{"a": [1.50]}"#, "jsonb", #"{"a": [1.50]}"#),
        ("[1, 2]", "text", "[1, 2]"), (#"{"b": 1}"#, "text", #"{"b": 1}"#),
      ] {
        let seen = try await Self.text(json, as: type, harness)
        #expect(seen == text, "\(json) as \(type)")
      }
    }
  }

  @Test func `arrays work in the statements that people write`() async throws {
    try await withExecutor { harness, db in
      try await db.query(Self.schema)
      for round in 1...2 {
        let answer = try await harness.execute(
          """
          {"row_format": "arrays", "statements": [
            {"sql": "insert into t values ($1, $2) returning tags", "batch": [[1, ["a"]], [2, null], [3, ["b", "c"]]]},
            {"id": "all", "sql": "select array_agg(n order by n) ns, array_agg(array[n, n]) from t"},
            {"sql": "select n from t where n = any ($1) and n <> all ($2) order by n limit 2",
             "params": [[1, 3], []]},
            {"sql": "delete from t where n = any ($1)", "refs": {"1": "/all/rows/0/0"}},
            {"savepoint": [{"sql": "insert into t select 1, $1", "params": [["x", null]]}]},
            {"sql": "select tags from t"}]}
          """)
        let results = answer["results"]
        #expect(results?[0]?["rows"]?[2]?[0] == .array([.string([0x62]), .string([0x63])]))
        #expect(
          results?[2]?["rows"]?.elements.map { $0[0]?.text } == ["1", round == 1 ? "3" : "1"])
        #expect(results?[3]?["row_count"]?.text == (round == 1 ? "3" : "4"))
        #expect(results?[5]?["rows"]?[0]?[0] == .array([.string([0x78]), .null]))
      }
    }
  }

  @Test func `a table that the transaction makes has its types, too`() async throws {
    try await withExecutor { harness, _ in
      let answer = try await harness.execute(
        """
        {"dry_run": true, "row_format": "arrays", "statements": [
          {"sql": "create type mood as enum ('sad')"}, {"sql": "create domain moods as mood[]"},
          {"sql": "create table m (v moods, j jsonb)"},
          {"sql": "insert into m values ($1, $2) returning *", "params": [["sad"], ["sad"]]}]}
        """)
      #expect(answer["results"]?[3]?["rows"]?[0]?[0] == .array([.string(Array("sad".utf8))]))
      #expect(answer["results"]?[3]?["columns"]?[0]?["type"]?.text == "_mood")
    }
  }

  @Test(arguments: [
    ("[[1,2],[3]]", "/1"), ("[[[1],[2]],[[3],[4,5]]]", "/1/1"), ("[1,[2]]", "/1"),
    ("[[1],2]", "/1"), ("[null,[1]]", "/1"), ("[[],[1]]", "/1"), ("[[[1]],[2]]", "/1/0"),
  ])
  func `an array that is not rectangular is refused with a pointer`(
    _ json: String, _ path: String
  ) async throws {
    try await withExecutor { harness, db in
      try await db.query(Self.schema)
      let sql = #""sql": "insert into t values ($1, $2)""#
      for (document, statement, pointer) in [
        (#"{\#(sql), "params": [1, \#(json)]}"#, "/statements/1", "/params/1"),
        (#"{\#(sql), "batch": [[1, []], [2, \#(json)]]}"#, "/statements/1", "/batch/1/1"),
        (
          #"{"savepoint": [{"sql": "select 1"}, {\#(sql), "params": [1, \#(json)]}]}"#,
          "/statements/1/savepoint/1", "/params/1"
        ),
      ] {
        for isolation in ["", #""isolation": "serializable","#] {
          let failure = try await harness.failure(
            of:
              #"{\#(isolation) "statements": [{"sql": "insert into t values (0)"}, \#(document)]}"#
          )
          let problem = try #require(failure?.problem)
          #expect(problem.status == 422 && problem.code == "invalid-parameter")
          #expect(problem.outcome == .rolledBack)
          #expect(problem.statement == statement)
          #expect(problem.pointer == statement + pointer + path, "\(problem.detail)")
        }
      }
      #expect(try await db.query("select count(*) from t") == [["0"]])
      // json takes any shape.
      #expect(try await Self.text(json, as: "json", harness) == json)
    }
  }

  @Test func `a group goes on behind an array that is refused`() async throws {
    try await withExecutor { harness, db in
      try await db.query(Self.schema)
      for _ in 1...2 {
        let answer = try await harness.execute(
          """
          {"statements": [
            {"savepoint": [{"sql": "insert into t values (1, $1)", "params": [[[1], 2]]}], "on_error": "continue"},
            {"savepoint": [{"sql": "insert into nowhere values ($1)", "params": [[1]]}], "on_error": "continue"},
            {"sql": "insert into t values (2, $1)", "params": [["x"]]}]}
          """)
        let results = answer["results"]
        #expect(results?[0]?["error"]?["type"]?.text == "/problems/invalid-parameter")
        #expect(results?[1]?["error"]?["sqlstate"]?.text == "42P01")
        #expect(results?[1]?["error"]?["statement"]?.text == "/statements/1/savepoint/0")
        #expect(results?[2]?["row_count"]?.text == "1")
      }
      #expect(try await db.query("select count(*) from t where n = 2") == [["2"]])
    }
  }

  @Test(arguments: ["", #""isolation": "serializable","#])
  func `what is wrong with a statement is said as without arrays`(_ more: String) async throws {
    try await withExecutor { harness, db in
      try await db.query(Self.schema)
      for (statement, state) in [
        ("select * from nowhere where n = any ($1)", "42P01"), ("select $1::int", "22P02"),
        ("selec $1", "42601"), ("select $1::int[] || 1 / 0", "22P02"),
      ] {
        let failure = try await harness.failure(
          of: """
            {\(more) "statements": [{"sql": "insert into t values (1)"},
              {"sql": "\(statement)", "params": [[1, "x"]]}]}
            """)
        #expect(failure?.problem.serverError?.sqlState.code == state)
        #expect(failure?.problem.statement == "/statements/1")
        #expect(failure?.problem.outcome == .rolledBack)
      }
      #expect(try await db.query("select count(*) from t") == [["0"]])
    }
  }

  @Test func `the types are asked for once on a connection`() async throws {
    try await withExecutor { harness, db in
      try await db.query(Self.schema)
      try await withTrace(harness) { trace async throws in
        func trips(_ document: String) async throws -> Int {
          let before = try trace.syncs
          _ = try await harness.execute(document)
          return try trace.syncs - before
        }
        let implicit = #"""
          {"statements": [{"sql": "insert into t values (1)"}, {"sql": "insert into t values (1, $1)", "params": [["a"]]},
            {"sql": "update t set tags = $1", "params": [["b"]]}]}
          """#
        #expect(try await trips(implicit) == 2)
        #expect(try await trips(implicit) == 1)
        let explicit = #"""
          {"isolation": "serializable", "statements": [{"sql": "insert into t values (1)"},
            {"savepoint": [{"sql": "insert into t values (2, $1)", "params": [["a"]]}]},
            {"sql": "update t set tags = $1", "params": [["b"]]}]}
          """#
        #expect(try await trips(explicit) == 2)
        #expect(try await trips(explicit) == 1)
        // A type that is not built in is looked up, once for all.
        let mood = #"{"statements": [{"sql": "select $1::mood[] is null", "params": [["sad"]]}]}"#
        #expect(try await trips(mood) == 3)
        #expect(try await trips(mood) == 1)
      }
    }
  }

  @Test func `a number of parameters that does not fit is refused before anything runs`() {
    for (fields, pointer) in [
      (#""params": [[1], 2, 3]"#, "/statements/1/params"),
      (#""params": [1]"#, "/statements/1/params"),
      (#""batch": [[1, [2]], [1]]"#, "/statements/1/batch/1"),
      (#""batch": [[[1]], [[1]]]"#, "/statements/1/batch/0"),
    ] {
      var failure: RequestError?
      do throws(RequestError) {
        _ = try decode(
          """
          {"statements": [{"sql": "insert into t values (1)"},
            {"sql": "insert into t values ($1, $2)", \(fields)}]}
          """)
      } catch {
        failure = error
      }
      #expect(failure?.code == .invalidParameter && failure?.status == 422)
      #expect(failure?.pointer?.description == pointer)
    }
  }
}
