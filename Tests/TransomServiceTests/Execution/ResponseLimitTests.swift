import TestSupport
import Testing
import TransomService

/// How large an answer may be.
@Suite struct ResponseLimitTests {
  private static let schema = """
    create table t (n int, s text);
    create type place as (street text, point float8[])
    """

  /// Each stores something if it is committed, or would.
  private static let documents = [
    #"{"statements": [{"sql": "insert into t values (1, repeat('x', 300)) returning s"}]}"#,
    #"{"statements": [{"sql": "insert into t values (1)"}, {"sql": "select repeat('\u0001', 300)"}]}"#,
    """
    {"isolation": "serializable", "statements": [{"sql": "insert into t select g from generate_series(1, 50) g"},
      {"savepoint": [{"sql": "select n from t"}, {"sql": "select 1/0"}], "on_error": "continue"}]}
    """,
    """
    {"row_format": "arrays", "statements": [{"id": "a", "sql": "insert into t values ($1, $2) returning *",
      "batch": [[1, "x"], [2, null], [3, "y"]]}, {"sql": "select $1::int", "refs": {"1": "/a/rows/2/0"}}]}
    """,
    #"{"statements": [{"sql": "insert into t values (1)"}, {"sql": "select row('High Street', '{1,2}')::place"}]}"#,
    #"{"dry_run": true, "statements": [{"sql": "insert into t values (1) returning *"}]}"#,
    #"{"statements": [{"sql": "select g from generate_series(1, 1000) g"}]}"#,
  ]

  @Test(arguments: documents.indices)
  func `it is counted to the byte, and what is over it is rolled back`(_ index: Int) async throws {
    let document = Self.documents[index]
    try await withDatabase { database in
      try await database.query(Self.schema)
      var size = 0
      var stored: String?
      try await withExecutor(for: database) { _ in
      } _: { harness in
        size = try await harness.answer(to: harness.decode(document), key: nil).body.count
        stored = try await database.value("select count(*) from t")
        try await database.query("truncate t")
      }
      try await withExecutor(for: database) {
        $0.limits.response = size
      } _: { harness in
        let body = try await harness.answer(to: harness.decode(document), key: nil).body
        #expect(body.count == size)
        #expect(try await database.value("select count(*) from t") == stored)
        try await database.query("truncate t")
      }
      try await withExecutor(for: database) {
        $0.limits.response = size - 1
      } _: { harness in
        let problem = try #require(try await harness.failure(of: document)?.problem)
        #expect(problem.code == "result-too-large" && problem.status == 422)
        // The last one only reads, and is not held open.
        let isReading = index == Self.documents.count - 1
        #expect(problem.outcome == (isReading ? .committed : .rolledBack))
        #expect(problem.detail.hasPrefix("The response may have \(size - 1) bytes."))
        #expect(try await database.value("select count(*) from t") == "0")
      }
    }
  }

  /// PostgreSQL sends so many bytes, and the limit is 16 MiB.
  private static func large(_ bytes: Int) -> String {
    """
    {"max_attempts": 1, "statements": [{"sql": "insert into t values (1)"},
      {"sql": "select repeat('x', 1000) from generate_series(1, \(bytes / 1011))"}]}
    """
  }

  @Test
  func `under a large limit, much of a transaction that stores is run again, and stored once`()
    async throws
  {
    try await withExecutor {
      $0.limits.response = 16 << 20
    } _: { harness, database in
      try await database.query(Self.schema)
      let answer = try await harness.execute(Self.large(8_000_000))
      #expect(answer["status"]?.text == "committed")
      #expect(answer["results"]?[1]?["row_count"]?.text == "\(8_000_000 / 1011)")
      #expect(try await database.value("select count(*) from t") == "1")
    }
  }

  @Test func `a large one over it is rolled back, although COMMIT is in the same pipeline`()
    async throws
  {
    try await withExecutor {
      $0.limits.response = 16 << 20
    } _: { harness, database in
      try await database.query(Self.schema)
      for size in [24_000_000, 30_000_000, 40_000_000, 60_000_000] {
        let problem = try #require(try await harness.failure(of: Self.large(size))?.problem)
        #expect(problem.code == "result-too-large" && problem.statement == "/statements/1")
        #expect(problem.outcome == .rolledBack)
        #expect(try await database.value("select count(*) from t") == "0")
      }
    }
  }

  @Test(arguments: [24 << 20, 100 << 20])
  func `what is told of a single row over it is true, and never a doubt`(_ size: Int) async throws {
    try await withExecutor {
      $0.limits.response = 16 << 20
    } _: { harness, database in
      try await database.query(Self.schema)
      let document = """
        {"statements": [{"sql": "insert into t values (1)"}, {"sql": "select repeat('x', \(size))"}]}
        """
      var isStored = true
      if let problem = try await harness.failure(of: document)?.problem {
        #expect(problem.code == "result-too-large")
        isStored = problem.outcome == .committed
      }
      #expect(try await database.value("select count(*) from t") == (isStored ? "1" : "0"))
    }
  }

  @Test func `a single row over it that nothing is stored with is too large, and no doubt`()
    async throws
  {
    try await withExecutor {
      $0.limits.response = 1 << 20
    } _: { harness, _ in
      let document = #"{"statements": [{"sql": "select repeat('x', 200000000)"}]}"#
      let problem = try #require(try await harness.failure(of: document)?.problem)
      #expect(problem.code == "result-too-large" && problem.outcome != .unknown)
    }
  }

  @Test(arguments: ["select * from v", "select first(1)"])
  func `what is told of a query that writes unseen is true`(_ query: String) async throws {
    try await withExecutor {
      $0.limits.response = 1 << 20
    } _: { harness, database in
      try await database.query(
        """
        create table log (n int);
        create function first(n int) returns text language plpgsql as $$
          begin insert into log values (n); return repeat('x', 1200000); end $$;
        create view v as select first(1) as x;
        """)
      let document = #"{"statements": [{"sql": "\#(query)"}]}"#
      let problem = try #require(try await harness.failure(of: document)?.problem)
      #expect(problem.code == "result-too-large")
      let stored = try await database.value("select count(*) from log")
      #expect(stored == (problem.outcome == .committed ? "1" : "0"))
    }
  }

  @Test func `what is told of a SELECT INTO over it is true`() async throws {
    try await withExecutor {
      $0.limits.response = 1 << 20
    } _: { harness, database in
      let document = """
        {"statements": [{"sql": "select 1 as n into made"}, {"sql": "select repeat('x', 1200000)"}]}
        """
      let problem = try #require(try await harness.failure(of: document)?.problem)
      #expect(problem.code == "result-too-large" && problem.outcome == .rolledBack)
      #expect(try await database.value("select to_regclass('made')::text") == nil)
    }
  }

  @Test func `one that is over it only in JSON is given if it was committed before that was known`()
    async throws
  {
    // 2 MB as PostgreSQL sends it, 17 MB in JSON: all has come before that is known.
    let name = String(repeating: "n", count: 63)
    let columns = (0..<10).map { "1 as \(name.dropLast())\($0)" }.joined(separator: ", ")
    func document(_ first: String) -> String {
      #"{"statements": [\#(first){"sql": "select \#(columns) from generate_series(1, 26000)"}]}"#
    }
    try await withExecutor {
      $0.limits.response = 16 << 20
    } _: { harness, database in
      try await database.query(Self.schema)
      // It only reads: PostgreSQL has ended it.
      let problem = try #require(try await harness.failure(of: document(""))?.problem)
      #expect(problem.code == "result-too-large" && problem.outcome == .committed)
      let storing = document(#"{"sql": "insert into t values (1)"}, "#)
      // Whatever was first: what the answer says is what is stored.
      if let problem = try await harness.failure(of: storing)?.problem {
        #expect(problem.code == "result-too-large" && problem.outcome == .rolledBack)
        #expect(try await database.value("select count(*) from t") == "0")
      } else {
        #expect(try await database.value("select count(*) from t") == "1")
      }
    }
  }
}
