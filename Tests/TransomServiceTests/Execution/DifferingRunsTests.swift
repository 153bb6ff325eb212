import TestSupport
import Testing
import TransomPostgres
import TransomService

/// A batch whose runs have different columns, as what is no query may.
@Suite struct DifferingRunsTests {
  /// A statement that replaces itself when it runs: its columns are `columns` the second time.
  private static func statements(
    _ columns: String, first: String = "select pg_temp.f()", batch: String = "[[], []]"
  ) -> String {
    """
    {"sql": "create function pg_temp.f() returns int language plpgsql as $$ begin execute 'deallocate foo'; \
    execute 'prepare foo as \(columns)'; return 1; end $$"},
    {"sql": "prepare foo as \(first)"},
    {"sql": "insert into t values (1)"},
    {"sql": "execute foo", "batch": \(batch)}
    """
  }

  @Test(arguments: [
    ("select 1, 2, 3", "select pg_temp.f()"), ("select", "select pg_temp.f()"),
    ("select true", "select pg_temp.f()"), ("delete from t", "select pg_temp.f()"),
    ("select 1, 2", "insert into t select pg_temp.f()"),
  ])
  func `it fails, and nothing of the transaction is stored`(_ columns: String, _ first: String)
    async throws
  {
    try await withExecutor { harness, database in
      try await database.query("create table t (n int)")
      for batch in ["[[], []]", "[[], [], []]"] {
        let document = """
          {"statements": [\(Self.statements(columns, first: first, batch: batch)), {"sql": "select 1"}]}
          """
        let problem = try #require(try await harness.failure(of: document)?.problem)
        #expect(problem.code == "columns-differ" && problem.outcome == .rolledBack)
        #expect(problem.statement == "/statements/3")
        #expect(try await database.query("select count(*) from t") == [["0"]])
      }
      let answer = try await harness.execute(#"{"statements": [{"sql": "select 1 as one"}]}"#)
      #expect(answer["results"]?[0]?["rows"]?[0]?["one"]?.text == "1")
    }
  }

  @Test func `a group around it is rolled back, and the transaction goes on`() async throws {
    try await withExecutor { harness, database in
      try await database.query("create table t (n int)")
      let answer = try await harness.execute(
        """
        {"row_format": "arrays", "statements": [
          {"savepoint": [\(Self.statements("select 1, 2"))], "on_error": "continue"},
          {"sql": "select count(*) from t"}]}
        """)
      #expect(answer["results"]?[0]?["error"]?["type"]?.text == "/problems/columns-differ")
      // Those before it, but nothing of itself.
      #expect(answer["results"]?[0]?["results"]?.elements.count == 3)
      #expect(answer["results"]?[1]?["rows"]?[0]?[0]?.text == "0")
    }
  }

  @Test func `a text in the place of a JSON value breaks no answer`() async throws {
    try await withExecutor { harness, database in
      try await database.query("create table t (n int)")
      let statements = Self.statements(
        "select 'x}y'::text", first: "select to_jsonb(pg_temp.f())", batch: "[[], [], []]")
      let answer = try await harness.execute(
        #"{"statements": [{"savepoint": [\#(statements)], "on_error": "continue"}]}"#)
      #expect(answer["results"]?[0]?["savepoint"]?.text == "rolled_back")
    }
  }

  @Test func `a dry run says so, too`() async throws {
    try await withExecutor {
      $0.preparesStatements = false
    } _: { harness, database in
      try await database.query(
        """
        create schema a; create schema b;
        create table a.w as select 1 as n; create table b.w as select 1 as n, 2 as m;
        """)
      let document = """
        {"dry_run": true, "statements": [
          {"sql": "select set_config('search_path', 'a, public', true)"},
          {"sql": "select w.*, set_config('search_path', 'b, public', true) from w", "batch": [[], []]}]}
        """
      let problem = try #require(try await harness.failure(of: document)?.problem)
      #expect(problem.code == "columns-differ" && problem.outcome == .rolledBack)
      #expect(problem.statement == "/statements/1")
    }
  }

  private static let tables = """
    create schema a; create schema b; create table public.t (n int);
    create table a.w as select 1 as n; create table b.w as select 1 as n, 2 as m;
    """

  /// A batch whose second run has a column more, where nothing is prepared; it begins with `first`.
  private static func batch(_ first: String = "") -> String {
    """
    {"sql": "\(first)select w.*, set_config('search_path','b, public',true) from w", "batch": [[], []]}
    """
  }

  @Test(arguments: [
    #"{"savepoint": [BATCH], "on_error": "continue"}"#,
    #"{"savepoint": [BATCH, {"sql": "select 1"}], "on_error": "continue"}"#,
    #"BATCH, {"savepoint": [{"sql": "select 1"}]}"#,
    #"{"savepoint": [{"savepoint": [BATCH]}], "on_error": "continue"}, {"sql": "select 1"}"#,
    #"{"savepoint": [BATCH], "on_error": "continue"}, {"savepoint": [{"sql": "select * from nothing"}], "on_error": "continue"}"#,
  ])
  func `all is rolled back where the server has gone on behind it`(_ items: String) async throws {
    try await withExecutor {
      $0.preparesStatements = false
    } _: { harness, database in
      try await database.query(Self.tables)
      let items = items.replacing("BATCH", with: Self.batch())
      // The last one holds the end up.
      let document = """
        {"settings": {"search_path": "a, public"}, "statements": [
          {"sql": "insert into public.t values (1)"}, \(items),
          {"sql": "select 1", "expect": {"row_count": 1}}, {"sql": "select 2"}]}
        """
      let problem = try #require(try await harness.failure(of: document)?.problem)
      #expect(problem.code == "columns-differ" && problem.outcome == .rolledBack)
      #expect(problem.statement?.hasPrefix("/statements/1") == true)
      #expect(try await database.query("select count(*) from t") == [["0"]])
    }
  }

  @Test func `where that is known only behind the commit, the answer says that it is stored`()
    async throws
  {
    try await withExecutor {
      $0.preparesStatements = false
    } _: { harness, database in
      try await database.query(
        """
        create schema a; create schema b; create table t (n int);
        create table a.w as select 1 as n; create table b.w as select 1 as n, 2 as m;
        """)
      let document = """
        {"statements": [
          {"sql": "select set_config('search_path', 'a, public', true)"},
          {"sql": "insert into t values (1)"},
          {"sql": "select w.*, set_config('search_path', 'b, public', true) from w", "batch": [[], []]},
          {"sql": "select 1"}]}
        """
      let problem = try #require(try await harness.failure(of: document)?.problem)
      #expect(problem.code == "results-lost" && problem.outcome == .committed)
      #expect(try await database.query("select count(*) from t") == [["1"]])
    }
  }
}
