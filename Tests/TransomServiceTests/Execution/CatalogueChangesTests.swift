import TestSupport
import Testing

@testable import TransomService

/// That an answer knows the types as they were in its transaction, whatever becomes of them.
@Suite struct CatalogueChangesTests {
  /// A statement's result: the names of its columns' types, and its rows.
  private static func results(_ answer: JSONTree) -> [[JSONTree?]] {
    (answer["results"]?.elements ?? []).filter { $0["rows"] != nil }.map {
      [$0["columns"]?[0]?["type"], $0["rows"]?[0]?[0]]
    }
  }

  private static func result(_ type: String, _ json: String) -> [JSONTree?] {
    [.string(Array(type.utf8)), PlainJSONParser.parse(Array(json.utf8))]
  }

  private static func run(_ statements: String, _ harness: ExecutorHarness, _ more: String = "")
    async throws -> [[JSONTree?]]
  {
    results(
      try await harness.execute(
        #"{\#(more)"row_format": "arrays", "statements": [\#(statements)]}"#))
  }

  @Test(arguments: [true, false])
  func `types that others change are followed at once`(_ preparesStatements: Bool) async throws {
    try await withExecutor {
      $0.preparesStatements = preparesStatements
    } _: { harness, db in
      try await db.query(
        """
        create type mood as enum ('sad'); create table m as select 'sad'::mood as v;
        create type pair as (a int, b text)
        """
      )
      let question = #"""
        {"sql": "select v from m"}, {"sql": "select (1, 'x')::pair"},
        {"sql": "select array[(1, 'x')::pair]"}, {"sql": "select 1"}
        """#
      var expected = [
        Self.result("mood", #""sad""#), Self.result("pair", #"{"a":1,"b":"x"}"#),
        Self.result("_pair", #"[{"a":1,"b":"x"}]"#), Self.result("int4", "1"),
      ]
      for _ in 1...2 { #expect(try await Self.run(question, harness) == expected) }
      try await db.query(
        "alter type mood rename to humour; alter type pair rename attribute a to c"
      )
      expected[0] = Self.result("humour", #""sad""#)
      expected[1] = Self.result("pair", #"{"c":1,"b":"x"}"#)
      expected[2] = Self.result("_pair", #"[{"c":1,"b":"x"}]"#)
      for _ in 1...2 { #expect(try await Self.run(question, harness) == expected) }
      // Attributes are inside of what a query returns: it stays as it was prepared.
      try await db.query("alter type pair add attribute d int")
      let other = #"{"sql": "select jsonb_populate_record(null::pair, '{\"c\": 7}')"}"#
      for _ in 1...2 {
        #expect(
          try await Self.run(other, harness) == [Self.result("pair", #"{"c":7,"b":null,"d":null}"#)]
        )
      }
    }
  }

  @Test func `a change is followed within its own transaction, and undone with it`() async throws {
    try await withExecutor { harness, db in
      try await db.query("create type pair as (a int, b text)")
      let select = #"{"sql": "select '(1,x)'::pair"}"#
      let before = Self.result("pair", #"{"a":1,"b":"x"}"#)
      let after = Self.result("pair", #"{"c":1,"b":"x"}"#)
      let rename = #"{"sql": "alter type pair rename attribute a to c"}"#
      let back = #"{"sql": "alter type pair rename attribute c to a"}"#
      for _ in 1...2 {
        #expect(
          try await Self.run("\(select), \(rename), \(select), \(back), \(select)", harness)
            == [before, after, before])
        #expect(
          try await Self.run("\(select), \(rename), \(select)", harness, #""dry_run": true,"#)
            == [before, after])
        #expect(try await Self.run(select, harness) == [before])
      }
    }
  }

  @Test(arguments: ["", #""dry_run": true,"#, #""isolation": "serializable","#])
  func `a type that does not outlive its transaction is known in it`(_ more: String) async throws {
    try await withExecutor { harness, _ in
      for _ in 1...2 {
        let answer = try await Self.run(
          """
          {"sql": "create type pair as (a int, b text)"}, {"sql": "select '(1,x)'::pair"},
          {"sql": "drop type pair"},
          {"sql": "create temp table here (n int) on commit drop"}, {"sql": "insert into here values (7)"},
          {"sql": "select here from here"}
          """, harness, more)
        #expect(
          answer == [
            Self.result("pair", #"{"a":1,"b":"x"}"#), Self.result("here", #"{"n":7}"#),
          ])
      }
    }
  }

  @Test func `a type that is rolled back with its group is known in the group's results`()
    async throws
  {
    try await withExecutor { harness, db in
      try await db.query("create type kept as enum ('x')")
      for _ in 1...2 {
        let answer = try await harness.execute(
          """
          {"row_format": "arrays", "statements": [
            {"sql": "select 'x'::kept"},
            {"savepoint": [{"sql": "select array['x'::kept]"}, {"sql": "create type pair as (a int, b text)"},
              {"sql": "select '(1,x)'::pair"}, {"sql": "select 1/0"}], "on_error": "continue"},
            {"savepoint": [{"sql": "select array['x'::kept]"}, {"sql": "select 1/0"}], "on_error": "continue"},
            {"sql": "select 2"}]}
          """)
        let results = try #require(answer["results"]?.elements)
        #expect(results[0]["rows"]?[0]?[0]?.text == "x")
        #expect(results.map { $0["savepoint"]?.text } == [nil, "rolled_back", "rolled_back", nil])
        #expect(
          Self.results(results[1]) == [
            Self.result("_kept", #"["x"]"#), Self.result("pair", #"{"a":1,"b":"x"}"#),
          ])
        #expect(Self.results(results[2]) == [Self.result("_kept", #"["x"]"#)])
        #expect(results[3]["rows"]?[0]?[0]?.text == "2")
      }
    }
  }

  @Test func `a type that was dropped and made anew is the new one`() async throws {
    try await withExecutor { harness, db in
      for (definition, json) in [
        ("as (a int)", #"{"a":7}"#), ("as (b text, c int[])", #"{"b":"7","c":null}"#),
      ] {
        try await db.query("drop type if exists one; create type one \(definition)")
        let value = definition.contains("c int") ? "'(7,)'" : "'(7)'"
        for sql in ["select null::one", "select \(value)::one", "select array[\(value)]::one[]"] {
          let answer = try await Self.run(#"{"sql": "\#(sql)"}"#, harness)
          let expected = sql.contains("null") ? "null" : sql.contains("[]") ? "[\(json)]" : json
          #expect(answer[0][1] == PlainJSONParser.parse(Array(expected.utf8)))
        }
      }
    }
  }

  @Test func `a reference leads into a value of a type of one's own`() async throws {
    try await withExecutor { harness, db in
      try await db.query("create type pair as (a int, b text)")
      for _ in 1...2 {
        let answer = try await harness.execute(
          """
          {"row_format": "arrays", "statements": [
            {"id": "p", "sql": "select (7, 'x')::pair"},
            {"sql": "select $1::int + 1", "refs": {"1": "/p/rows/0/0/a"}}]}
          """)
        #expect(answer["results"]?[1]?["rows"]?[0]?[0]?.text == "8")
      }
    }
  }

  @Test func `types are looked up once, and then travel with the statement`() async throws {
    try await withExecutor { harness, db in
      try await db.query("create type pair as (a int, b text); create table t (p pair)")
      try await withTrace(harness) { trace in
        func trips(_ document: String) async throws -> Int {
          let before = try trace.syncs
          _ = try await harness.execute(document)
          return try trace.syncs - before
        }
        let implicit = #"{"statements": [{"sql": "insert into t values ('(1,x)') returning p"}]}"#
        #expect(try await trips(implicit) == 2)
        #expect(try await trips(implicit) == 1)
        let explicit = #"""
          {"isolation": "serializable", "statements": [{"sql": "select 1"},
            {"savepoint": [{"sql": "insert into t values ('(1,x)') returning p"}]}]}
          """#
        #expect(try await trips(explicit) == 1)
        #expect(try await trips(#"{"statements": [{"sql": "select 1"}]}"#) == 1)
        try await db.query("alter type pair rename attribute a to c")
        #expect(try await trips(explicit) == 2)
        #expect(try await trips(explicit) == 1)
      }
    }
  }

  @Test func `many clients see a type that changes all the time as it is`() async throws {
    try await withExecutor {
      $0.loops = 2
      $0.connections = 4
    } _: { harness, db in
      try await db.query("create type pair as (a0 int, b text)")
      try await withThrowingTaskGroup { tasks in
        tasks.addTask {
          for number in 0..<40 {
            try await db.query("alter type pair rename attribute a\(number) to a\(number + 1)")
          }
        }
        for worker in 0..<6 {
          tasks.addTask {
            for _ in 0..<40 {
              // Two in one statement see the same, whatever it is; and it never goes back.
              let answer = try await harness.execute(
                #"{"row_format": "arrays", "statements": [{"sql": "select (1, 'x')::pair"}]}"#,
                onLoop: worker % 2)
              guard case .object(let members)? = answer["results"]?[0]?["rows"]?[0]?[0] else {
                Issue.record("no object: \(answer)")
                continue
              }
              #expect(members.count == 2 && members[0].key.starts(with: "a".utf8))
            }
          }
        }
        try await tasks.waitForAll()
      }
      let last = try await Self.run(#"{"sql": "select (1, 'x')::pair"}"#, harness)
      #expect(last == [Self.result("pair", #"{"a40":1,"b":"x"}"#)])
    }
  }
}
