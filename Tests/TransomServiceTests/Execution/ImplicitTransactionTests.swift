import TestSupport
import Testing
import TransomPostgres
import TransomService

/// That a transaction without BEGIN and COMMIT is one all the same.
@Suite struct ImplicitTransactionTests {
  @Test func `a failure stores nothing of what came before it`() async throws {
    try await withExecutor { harness, database in
      try await database.query("create table t (n int primary key)")
      let failure = try await harness.failure(
        of: """
          {"statements": [{"sql": "insert into t values (1)"}, {"sql": "insert into t values (2)"},
            {"sql": "insert into t values (1)"}, {"sql": "insert into t values (3)"}]}
          """)
      let problem = try #require(failure?.problem)
      #expect(problem.outcome == .rolledBack)
      #expect(problem.statement == "/statements/2")
      #expect(try await database.query("select count(*) from t") == [["0"]])
    }
  }

  @Test func `a constraint that is checked at the commit rolls everything back`() async throws {
    try await withExecutor { harness, database in
      try await database.query(TransactionTree.schema)
      let failure = try await harness.failure(
        of: """
          {"statements": [{"sql": "insert into t values (1)"},
            {"sql": "insert into child values (99)"}]}
          """)
      let problem = try #require(failure?.problem)
      #expect(problem.code == "commit-failed")
      #expect(problem.outcome == .rolledBack)
      #expect(problem.serverError?.sqlState == "23503")
      #expect(
        try await database.query("select (select count(*) from t) + count(*) from child") == [["0"]]
      )
      // The connection is as good as before.
      _ = try await harness.execute(#"{"statements": [{"sql": "insert into t values (1)"}]}"#)
      #expect(try await database.query("select count(*) from t") == [["1"]])
    }
  }

  @Test func `all its statements are of one transaction`() async throws {
    try await withExecutor { harness, _ in
      let answer = try await harness.execute(
        """
        {"row_format": "arrays", "statements": [
          {"sql": "select pg_current_xact_id()::text, now()::text"},
          {"sql": "select set_config('a.b', 'c', true)"},
          {"sql": "select pg_current_xact_id()::text, now()::text"},
          {"sql": "select current_setting('a.b')"}]}
        """)
      #expect(answer["results"]?[0]?["rows"]?[0] == answer["results"]?[2]?["rows"]?[0])
      #expect(answer["results"]?[3]?["rows"]?[0]?[0]?.text == "c")
    }
  }

  @Test(
    arguments: [
      ("lock table t", nil),
      ("declare c cursor for select 1", nil),
      ("vacuum t", "25001"),
      ("call commits()", "2D000"),
      ("do $$ begin insert into t values (1); commit; end $$", "2D000"),
      ("select commits_in_function()", "2D000"),
    ] as [(String, SQLState?)])
  func `what needs a transaction block has one, and what would commit cannot`(
    _ sql: String, _ state: SQLState?
  ) async throws {
    try await withExecutor { harness, database in
      try await database.query(
        """
        create table t (n int);
        create procedure commits() language plpgsql as 'begin insert into t values (1); commit; end';
        create function commits_in_function() returns int language plpgsql
          as 'begin call commits(); return 1; end';
        """)
      let failure = try await harness.failure(
        of: #"{"statements": [{"sql": "\#(sql)"}, {"sql": "select 1"}]}"#)
      #expect(failure?.problem.serverError?.sqlState == state)
      #expect(try await database.query("select count(*) from t") == [["0"]])
    }
  }
}
