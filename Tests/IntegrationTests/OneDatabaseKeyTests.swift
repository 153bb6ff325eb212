import TestSupport
import Testing

/// A key reaches the databases that are its own, and no other one, by whatever request.
@Suite(.timeLimit(.minutes(5))) struct OneDatabaseKeyTests {
  private static let select = #""statements": [{"sql": "select word from secret"}]"#

  private static func quoted(_ sql: String) -> String {
    "\"" + sql.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"") + "\""
  }

  /// Statements that name the other database, or want to go there.
  private static func statements(_ other: String) -> [String] {
    [
      "select word from secret", "select word from \(other).public.secret",
      "select word from \"\(other)\".\"public\".\"secret\"", "select word from other.public.secret",
      "insert into \(other).public.secret values ('x')", "delete from \(other).public.secret",
      "truncate \(other).public.secret", "update \(other).public.secret set word = 'x'",
      "table \(other).public.secret", "create table \(other).public.t (a int)",
      "create view v as select * from \(other).public.secret",
      "drop table \(other).public.secret", "alter table \(other).public.secret add a int",
      "\\c \(other)", "\\connect \(other)", "use \(other)", "set database = '\(other)'",
      "set session database to '\(other)'", "set search_path = \(other), public",
      "select set_config('database', '\(other)', false)",
      "select set_config('search_path', '\(other).public', false)",
      "select '\(other).public.secret'::regclass", "comment on database \(other) is 'x'",
      "alter database \(other) set work_mem = '1MB'", "drop database \(other)",
      "alter database \(other) rename to gone", "create database copy template \(other)",
      "do $$ begin execute 'select word from \(other).public.secret'; end $$",
      "select query_to_xml('select word from \(other).public.secret', true, true, '')",
      "select database_to_xml(true, true, '')", "grant connect on database \(other) to public",
      "copy (select 1) to program 'psql \(other) -c \"delete from secret\"'",
      "create extension dblink", "create extension postgres_fdw",
      "create server s foreign data wrapper postgres_fdw options (dbname '\(other)')",
      "select dblink('dbname=\(other)', 'delete from secret')",
      "create subscription s connection 'dbname=\(other)' publication p",
      "select pg_read_file('base')", "load 'dblink'", "security label on table t is 'x'",
    ]
  }

  private static let fields = [
    #""database": "other""#, #""database": "OTHER""#, #""database": " other""#,
    #""database": "o*""#,
    #""database": "*""#, #""database": "default,other""#, #""database": "default\u0020other""#,
    #""database": "../other""#, #""database": ["other"]"#, #""database": null"#,
    #""database": "default", "database": "other""#, #""database": "other", "database": "default""#,
    #""d\u0061tabase": "other""#, #""database": "oth\u0065r""#, #""Database": "other""#,
    #""settings": {"database": "other"}"#, #""settings": {"search_path": "other"}"#,
    #""role": "other""#,
  ]

  @Test func `none of many ways leads a key to a database that is not its own`() async throws {
    try await withDatabase { other in
      try await withDatabase { db in
        let role = "\(db.name)_app"
        try await db.query("create role \(role) login; grant create on schema public to \(role)")
        try await other.query(
          """
          create table secret (word text); insert into secret values ('hunter2');
          grant all on secret to \(role); grant create on schema public to \(role)
          """)
        func url(_ database: TestDatabase) -> String {
          database.connectionString.replacing("user=postgres", with: "user=\(role)")
        }
        let files = ["other.yaml": "database: other\n\(definition)", "own.yaml": "statements: []"]
        try await withFolder(files) { folder in
          try await withService(
            for: url(db), ["--transactions-folder", folder],
            environment: [
              "TRANSOM_DATABASES_OTHER_URL": url(other)
            ].merging(TestKey.narrow.environment()) { $1 }
              .merging(TestKey.writer.environment(["DATABASES": "*"])) { $1 }
          ) { service in
            try await check(service, other)
          }
        }
        for database in [db, other] { try await database.query("drop owned by \(role)") }
        try await db.query("drop role \(role)")
      }
    }
  }

  private let definition = "statements: [{sql: select word from secret}]"

  private func check(_ service: Service, _ other: TestDatabase) async throws {
    let documents =
      Self.fields.map { "{\($0), \(Self.select)}" }
      + Self.statements(other.name).map { #"{"statements": [{"sql": \#(Self.quoted($0))}]}"# }
    var ways: [(path: String, body: String, headers: [(name: String, value: String)])] = []
    for document in documents { ways.append(("/transactions", document, [])) }
    for path in ["/transactions?database=other", "/transactions/other", "/transactions/oth%65r"] {
      ways.append((path, path.contains("?") ? "{\(Self.select)}" : "{}", []))
    }
    for header in ["Database", "X-Database", "Transom-Database"] {
      ways.append(("/transactions", "{\(Self.select)}", [(header, "other")]))
    }
    let targets = [
      "other", "default?database=other", "default?dbname=other",
      "default?options=-cdatabase%3Dother",
      "oth%65r", "OTHER", "other?", "default/../other", "*", "", "other%00",
    ]
    for target in targets {
      for user in ["narrow:\(TestKey.narrow.text)", "other:x"] {
        let string = "postgresql://\(user)@127.0.0.1:5432/\(target)"
        ways.append(
          ("/sql", #"{"query": "select word from secret"}"#, [("Neon-Connection-String", string)]))
      }
    }
    #expect(ways.count >= 80)
    let count =
      "select count(*) || ':' || (select count(*) from pg_tables where schemaname = 'public') from secret where word = 'hunter2'"
    for way in ways {
      let answer = try await service.request(
        "POST", way.path, as: .narrow, headers: way.headers, body: way.body)
      #expect(answer.status < 500, "\(way): \(answer.response.text)")
      #expect(!answer.response.text.contains("hunter2"), "\(way): \(answer.response.text)")
      let left = try await other.value(count)
      #expect(left == "1:1", "\(way)")
    }
    // That the check can fail: another key gets there by those that name the database as they should.
    var found = 0
    for way in ways {
      let headers = way.headers.map {
        (name: $0.name, value: $0.value.replacing("narrow", with: "writer"))
      }
      let answer = try await service.request(
        "POST", way.path, as: .writer, headers: headers, body: way.body)
      if answer.response.text.contains("hunter2") { found += 1 }
    }
    #expect(found >= 6, "\(found)")
  }
}
