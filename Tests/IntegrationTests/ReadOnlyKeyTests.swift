import TestSupport
import Testing

/// A key that is read-only stores nothing, whatever it sends: PostgreSQL sees to that.
@Suite(.timeLimit(.minutes(5))) struct ReadOnlyKeyTests {
  /// What the database's user could all change, and what tells whether it did.
  private static let schema = """
    drop schema if exists w cascade;
    create schema w;
    create table w.account (id int primary key, balance int);
    insert into w.account values (1, 10), (2, 20);
    create sequence w.counter;
    select nextval('w.counter');
    create view w.accounts as select * from w.account;
    create materialized view w.total as select sum(balance), now() from w.account;
    create function w.write() returns int language plpgsql as
      $$ begin insert into w.account values (3, 30); return 1; end $$;
    create function w.write_sql() returns int language sql volatile as
      $$ insert into w.account values (3, 30) returning id $$;
    create function w.write_as_owner() returns int language plpgsql security definer as
      $$ begin insert into w.account values (3, 30); return 1; end $$;
    create function w.write_unlocked() returns int language plpgsql as
      $$ begin perform set_config('transaction_read_only', 'off', true); insert into w.account values (3, 30); return 1; end $$;
    create function w.lie() returns int language plpgsql stable as
      $$ begin return w.write(); end $$;
    create procedure w.write_all() language plpgsql as
      $$ begin insert into w.account values (3, 30); end $$;
    create procedure w.commit_first() language plpgsql as
      $$ begin commit; insert into w.account values (3, 30); end $$;
    """
  private static let state = """
    select (select string_agg(id || ':' || balance, ',' order by id) from w.account)
      || '/' || (select last_value || ':' || is_called from w.counter)
      || '/' || (select string_agg(relname || relkind::text || coalesce(relacl::text, '') || relchecks, ',' order by oid)
                 from pg_class where relnamespace in ('w'::regnamespace, 'public'::regnamespace))
      || '/' || (select count(*) || ':' || coalesce(max(oid::int8), 0) from pg_proc
                 where pronamespace in ('w'::regnamespace, 'public'::regnamespace))
      || '/' || (select count(*) from pg_description where classoid = 'pg_class'::regclass and objoid = 'w.account'::regclass)
      || '/' || (select count(*) from pg_largeobject_metadata)
      || '/' || (select count(*) from pg_db_role_setting s join pg_roles r on r.oid = s.setrole
                 where r.rolname = 'ROLE')
      || '/' || (select count(*) from transom.events) || '/' || (select count(*) from transom.new_events)
      || '/' || (select count(*) from transom.idempotency_keys)
      || '/' || (select min::text from (select * from w.total) t(sum, min))
    """

  private static let insert = "insert into w.account values (3, 30)"

  /// Puts another statement into the place of each that is prepared, without a word that tells of it.
  private static func replaceStatements(_ sql: String) -> String {
    """
    do $$ declare s record; begin
      for s in select name from pg_prepared_statements loop
        execute 'deal' || format('locate %I', s.name); execute 'pre' || format('pare %I as \(sql)', s.name);
      end loop;
    end $$
    """
  }

  private struct Way {
    var statements: [String]
    var fields = ""
    var item: String?

    init(_ statements: String..., fields: String = "") {
      self.statements = statements
      self.fields = fields
    }

    init(item: String, fields: String = "") {
      statements = []
      self.item = item
      self.fields = fields
    }

    var document: String {
      let items = item ?? statements.map { #"{"sql": \#(Way.quoted($0))}"# }.joined(separator: ",")
      return #"{\#(fields)"statements": [\#(items)]}"#
    }

    static func quoted(_ text: String) -> String {
      "\""
        + text.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"").replacing(
          "\n", with: "\\n") + "\""
    }
  }

  /// Each way to write, or to get rid of READ ONLY first.
  private static let ways: [Way] =
    [
      // Plainly.
      Way(insert), Way("update w.account set balance = 0"), Way("delete from w.account"),
      Way("truncate w.account"), Way("\(insert) on conflict do nothing"),
      Way(
        "merge into w.account a using (values (3)) v(id) on a.id = v.id when not matched then insert values (v.id, 1)"
      ),
      Way("update w.accounts set balance = 0"), Way("select 1", insert),
      Way(item: #"{"sql": "insert into w.account values ($1, $2)", "batch": [[3, 1], [4, 1]]}"#),
      Way(insert, fields: #""read_only": false, "#),
      Way(
        insert, fields: #""isolation": "serializable", "deferrable": true, "read_only": false, "#),
      // In a query, and in what queries call.
      Way("with new as (\(insert) returning id) select * from new"),
      Way("with gone as (delete from w.account returning *) select count(*) from gone"),
      Way("select w.write()"), Way("select w.write_sql()"), Way("select w.write_as_owner()"),
      Way("select w.lie()"), Way("select * from w.write()"), Way("values (w.write())"),
      Way("select 1 from w.account where w.write() > 0 limit 1"),
      Way("select query_to_xml('\(insert) returning 1', true, true, '')"),
      Way("call w.write_all()"), Way("call w.commit_first()"),
      Way("do $$ begin \(insert); end $$"), Way("do $$ begin execute '\(insert)'; end $$"),
      Way("do $$ begin begin \(insert); exception when others then null; end; \(insert); end $$"),
      Way("explain analyze \(insert)"), Way("explain (analyze, costs off) select w.write()"),
      Way("prepare p as \(insert)", "execute p"),
      Way("declare c cursor for select w.write()", "fetch c"),
      Way("declare c cursor with hold for select w.write()"),
      Way("select nextval('w.counter')"), Way("select setval('w.counter', 99)"),
      Way("select lo_from_bytea(0, 'x')"), Way("select lo_create(0)"),
      Way("refresh materialized view w.total"),
      // What is made, changed or taken away.
      Way("create table w.t (a int)"), Way("create table w.t as select 1"),
      Way("select 1 into w.t"),
      Way("create unlogged table w.t (a int)"), Way("create index on w.account (balance)"),
      Way("create sequence w.s"),
      Way("create function w.f() returns int language sql as 'select 1'"),
      Way("alter table w.account add check (balance < 1000)"), Way("drop table w.account cascade"),
      Way("drop function w.lie()"), Way("grant select on w.account to public"),
      Way("comment on table w.account is 'x'"), Way("alter role current_user set work_mem = '1MB'"),
      // Out of READ ONLY.
      Way("set transaction read write", insert),
      Way("set local transaction_read_only = off", insert),
      Way("set transaction_read_only = off", insert),
      Way("set transaction_read_only to default", insert),
      Way("/* */ SET /* */ TRANSACTION -- \n READ WRITE", insert),
      Way("set transaction isolation level serializable, read write", insert),
      Way("set session characteristics as transaction read write", insert),
      Way("set default_transaction_read_only = off", insert),
      Way("reset transaction_read_only", insert),
      Way("reset transaction_read_only", insert, "set transaction read only"),
      Way("reset transaction_read_only", insert, replaceStatements("select 1")),
      Way("select set_config('transaction_read_only', null, true)", insert),
      Way("do $$ begin execute 'reset transaction_read_only'; \(insert); end $$"),
      Way("reset transaction_read_only", "truncate w.account"),
      Way("reset transaction_read_only", "drop table w.account cascade"), Way("reset all", insert),
      Way("discard all", insert),
      Way("select set_config('transaction_read_only', 'off', true)", insert),
      Way("select set_config('transaction_read_only', 'off', false)", insert),
      Way(#"select U&"\0073et_config"('transaction_read_only', 'off', false)"#, insert),
      Way(
        "select query_to_xml('select set_config(''transaction_read_only'', ''off'', true)', true, true, '')",
        insert),
      Way(
        "do $$ begin perform set_config('transaction_read_only', 'off', true); \(insert); end $$"),
      Way("do $$ begin execute 'set transaction read write'; \(insert); end $$"),
      Way("select w.write_unlocked()"),
      Way("update pg_settings set setting = 'off' where name = 'transaction_read_only'", insert),
      Way(insert, fields: #""settings": {"transaction_read_only": "off"}, "#),
      Way(insert, fields: #""settings": {"TRANSACTION_READ_ONLY": false}, "#),
      Way(insert, fields: #""settings": {"default_transaction_read_only": "off"}, "#),
      Way(insert, fields: #""settings": {"session_replication_role": "replica"}, "#),
      Way(
        item: #"{"savepoint": [{"sql": "set transaction read write"}, {"sql": "\#(insert)"}]}"#),
      Way(
        item: """
          {"savepoint": [{"sql": "select 1/0"}], "on_error": "continue"},
          {"savepoint": [{"sql": "set local transaction_read_only = off"}], "on_error": "continue"}, {"sql": "\(insert)"}
          """),
      // As somebody else.
      Way("set role WRITER", insert), Way("set local role WRITER", insert),
      Way("select set_config('role', 'WRITER', true)", insert), Way("reset role", insert),
      Way("set role none", insert), Way("set session authorization default", insert),
      Way("set session authorization WRITER", insert),
      Way(insert, fields: #""role": "WRITER", "#),
      // In another transaction.
      Way("commit", insert), Way("; commit", insert), Way("end", insert),
      Way("rollback and chain", insert),
      Way("begin read write", insert), Way("select 1; \(insert)"),
      Way("prepare transaction 'x'", insert), Way("release transom_1", insert),
      // What Transom itself stores.
      Way("select transom.emit('x', '{}')"),
      Way("select 1", fields: #""on_commit": [{"event": "x", "data": {}}], "#),
      Way(item: #"{"savepoint": [], "on_commit": [{"event": "x", "data": {}}]}"#),
    ]

  /// Serves a database as a user that owns all of the schema, with one connection, so that each request meets the session
  /// of the last one.
  private static func withKeys(
    _ body: (TestDatabase, Service, _ role: String) async throws -> Void
  ) async throws {
    try await withDatabase { db in
      let role = "\(db.name)_app"
      try await db.query(
        """
        create role \(role) login; create role \(role)_writer role \(role);
        grant create on database \(db.name) to \(role); grant create on schema public to \(role)
        """)
      let connectionString = db.connectionString.replacing("user=postgres", with: "user=\(role)")
      try await withService(
        for: connectionString, ["--pool-size", "1", "--loops", "1"],
        environment: TestKey.reader.environment(["READ_ONLY": "true"]).merging(
          TestKey.writer.environment()
        ) { $1 }
      ) { service in
        try await body(db, service, role)
      }
      try await db.query(
        "drop owned by \(role) cascade; drop role \(role)_writer; drop role \(role)")
    }
  }

  private static func reset(_ db: TestDatabase, _ role: String) async throws {
    try await db.query(
      """
      set client_min_messages = error; set role \(role); \(schema) reset role;
      alter role \(role) reset all; select lo_unlink(oid) from pg_largeobject_metadata;
      delete from transom.events; delete from transom.new_events;
      delete from transom.idempotency_keys
      """)
  }

  @Test func `none of many ways lets a read-only key store anything; most let another key`()
    async throws
  {
    #expect(Self.ways.count >= 95)
    try await Self.withKeys { db, service, role in
      let question = Self.state.replacing("ROLE", with: role)
      try await Self.reset(db, role)
      let before = try await db.value(question)
      var refused = 0
      for (number, way) in Self.ways.enumerated() {
        let document = way.document.replacing("WRITER", with: "\(role)_writer")
        let answer = try await service.post(
          document, as: .reader, idempotencyKey: "reader-\(number)")
        if answer.status != 200 { refused += 1 }
        #expect(answer.status < 500, "\(document): \(answer.body)")
        // What the way has left in its session does not help the next request.
        let next = try await service.post(Way(Self.insert).document, as: .reader)
        #expect(next.status == 422 && next.body["sqlstate"] == "25006", "\(document): \(next.body)")
        let after = try await db.value(question)
        #expect(after == before, "\(document): \(answer.body)")
      }
      #expect(refused >= Self.ways.count - 20)

      // That the check can fail: the other key stores something by most of these ways.
      var stored = 0
      var state = before
      for (number, way) in Self.ways.enumerated() {
        let document = way.document.replacing("WRITER", with: "\(role)_writer")
        _ = try await service.post(document, as: .writer, idempotencyKey: "writer-\(number)")
        // The question fails where a table is gone.
        guard (try? await db.value(question)) != state else { continue }
        stored += 1
        try await Self.reset(db, role)
        state = try await db.value(question)
      }
      #expect(stored >= 50, "\(stored) of \(Self.ways.count)")
    }
  }

  @Test func `a key cannot put its own statements into the place of another's`() async throws {
    try await Self.withKeys { db, service, role in
      try await Self.reset(db, role)
      let mine =
        #"{"row_format": "arrays", "role": "WRITER", "statements": [{"sql": "select 'mine', current_user"}]}"#
        .replacing("WRITER", with: "\(role)_writer")
      for _ in 0..<2 {
        for key in [TestKey.reader, .writer] {
          let swap = Way(Self.replaceStatements("select ''theirs'', ''somebody''")).document
          let swapped = try await service.post(swap, as: key)
          #expect(swapped.status == 200, "\(swapped.body)")
          let answer = try await service.post(mine, as: .writer)
          #expect(
            answer.body["results"][0]["rows"][0] == ["mine", .string("\(role)_writer")],
            "\(answer.body)")
        }
      }
    }
  }
}
