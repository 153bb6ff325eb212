import TestSupport
import Testing
import TransomPostgres
import TransomService

/// That nothing of one request is visible to the next one on the same connection.
@Suite struct SessionHygieneTests {
  private static func rows(_ sql: String, _ harness: ExecutorHarness) async throws -> [[String?]] {
    let answer = try await harness.execute(
      #"{"row_format": "arrays", "statements": [{"sql": "\#(sql)"}]}"#)
    return answer["results"]?[0]?["rows"]?.elements.map { $0.elements.map(\.text) } ?? []
  }

  @Test func `what is known of a statement's types is not taken for another path's`() async throws {
    try await withDatabase { database in
      try await database.query(
        """
        create table x (d jsonb); create schema b; create table b.x (d text[]); create schema c; create table c.x (d text)
        """)
      try await withExecutor(for: database) {
        $0.connections = 1
      } _: { harness in
        for path in ["", "b", "", "c", "", "b"] {
          let settings = path.isEmpty ? "" : #""settings": {"search_path": "\#(path)"}, "#
          _ = try await harness.execute(
            #"{\#(settings)"statements": [{"sql": "insert into x values ($1)", "params": [["a"]]}]}"#
          )
        }
      }
      #expect(try await database.query("select distinct d::text from x") == [[#"["a"]"#]])
      #expect(try await database.query("select distinct d::text from b.x") == [["{a}"]])
      #expect(try await database.query("select d from c.x") == [[#"["a"]"#]])
    }
  }

  @Test func `under another path a statement's parameters have other types`() async throws {
    try await withDatabase { database in
      try await database.query(
        "create schema a; create table a.x (d date); create schema b; create table b.x (d timestamp)"
      )
      try await withExecutor(for: database) {
        $0.connections = 1
      } _: { harness in
        for schema in ["a", "b", "a", "b"] {
          _ = try await harness.execute(
            """
            {"settings": {"search_path": "\(schema)"},
              "statements": [{"sql": "insert into x values ($1)", "params": ["2026-05-01 14:30:00"]}]}
            """)
        }
      }
      #expect(
        try await database.query(
          "select distinct d from b.x union select distinct d from a.x order by d")
          == [["2026-05-01 00:00:00"], ["2026-05-01 14:30:00"]])
    }
  }

  @Test(arguments: [
    ("set app.tenant = '42'", "select coalesce(current_setting('app.tenant', true), '')", ""),
    (
      "select set_config('app.tenant', '42', false)",
      "select coalesce(current_setting('app.tenant', true), '')", ""
    ),
    (
      "do $$ begin perform set_config('app.tenant', '42', false); end $$",
      "select coalesce(current_setting('app.tenant', true), '')", ""
    ),
    ("set search_path = pg_temp", "show search_path", "\"$user\", public"),
    ("set statement_timeout = 12345", "show statement_timeout", "0"),
    (
      "set timezone = 'Asia/Tokyo'", "select (current_setting('timezone') = 'Asia/Tokyo')::text",
      "false"
    ),
    ("set role pg_monitor", "select (current_user = session_user)::text", "true"),
    (
      "create temp table secret as select 1",
      "select coalesce(to_regclass('secret')::text, 'none')", "none"
    ),
    (
      "select 1 as n into temp secret", "select coalesce(to_regclass('secret')::text, 'none')",
      "none"
    ),
    (
      "select 1 as n into pg_temp.secret", "select coalesce(to_regclass('secret')::text, 'none')",
      "none"
    ),
    (
      "select set_config('default_transaction_read_only', 'on', false is true)",
      "select current_setting('default_transaction_read_only')", "off"
    ),
    (
      "update pg_settings set setting = 'on' where name = 'default_transaction_read_only'",
      "select current_setting('default_transaction_read_only')", "off"
    ),
    (
      "/* x */ do $$ begin execute 'pre' || 'pare mine as select 1'; end $$",
      "select count(*)::text from pg_prepared_statements where name = 'mine'", "0"
    ),
    ("listen x", "select count(*)::text from pg_listening_channels()", "0"),
    (
      "select pg_advisory_lock(4711)::text",
      "select count(*)::text from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()",
      "0"
    ),
    (
      "declare c cursor with hold for select 1",
      "select count(*)::text from pg_cursors where name = 'c'", "0"
    ),
    (
      "prepare mine as select 1",
      "select count(*)::text from pg_prepared_statements where name = 'mine'", "0"
    ),
    (
      "set session characteristics as transaction read only",
      "select current_setting('default_transaction_read_only')", "off"
    ),
  ])
  func `what a request leaves in the session is gone before the next`(
    _ soiling: String, _ looking: String, _ clean: String
  ) async throws {
    try await withExecutor { harness, _ in
      let backend = try await harness.backend()
      _ = try await harness.execute(#"{"statements": [{"sql": "\#(soiling)"}]}"#)
      #expect(try await Self.rows(looking, harness) == [[clean]])
      // On the same connection, which nobody had to open anew.
      #expect(try await harness.backend() == backend)
    }
  }

  @Test func `a request that leaves nothing costs no round trip more`() async throws {
    try await withExecutor { harness, database in
      try await database.query("create table t (n int)")
      try await withTrace(harness) { trace in
        for round in 1...3 {
          _ = try await harness.execute(
            #"{"settings": {"app.tenant": "42"}, "statements": [{"sql": "insert into t values (1)"}]}"#
          )
          let syncs = try trace.syncs
          #expect(syncs == round)
        }
      }
    }
  }
}
