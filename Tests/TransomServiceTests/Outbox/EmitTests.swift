import TestSupport
import Testing

/// `transom.emit`, the SQL function, and `transom.on_commit`, the view that the service emits by.
@Suite struct EmitTests {
  private func withSchema(_ body: (TestDatabase) async throws -> Void) async throws {
    try await withDatabase { db in
      try await db.migrate()
      try await body(db)
    }
  }

  private static let onCommit = """
    insert into transom.on_commit (id, event, data) values (gen_random_uuid(), 'a', '{}')
    """

  @Test func `an event's id is a UUID of version 7`() async throws {
    try await withSchema { db in
      let id = try #require(try await db.value("select transom.emit('a', '{}')"))
      #expect(id.wholeMatch(of: /evt_[0-9a-f]{12}7[0-9a-f]{3}[89ab][0-9a-f]{15}/) != nil)
      let milliseconds = "('x0000' || substr(replace(id::text, '-', ''), 1, 12))::bit(64)::bigint"
      #expect(
        try await db.value(
          """
          select to_timestamp(\(milliseconds) / 1000.0) between now() - interval '1 minute' and now()
          from transom.new_events
          """) == "t")
    }
  }

  @Test func `what is rolled back, in whole or to a savepoint, emits nothing`() async throws {
    try await withSchema { db in
      try await db.addWebhook("*")
      try await db.query(
        """
        begin; select transom.emit('whole', '{}'); rollback;
        begin; select transom.emit('kept', '{}'); savepoint s;
        select transom.emit('inner', '{}'); rollback to s; commit
        """)
      #expect(try await db.query("select event from transom.new_events") == [["kept"]])
    }
  }

  @Test(arguments: [
    "null, '{}'", "'', '{}'", "'a..b', '{}'", "'a.', '{}'", "'a b', '{}'", "'a.*', '{}'",
    "repeat('a', 129), '{}'", "'a', null", "'transaction.committed', '{}'", "'webhook.test', '{}'",
    "'a', jsonb_build_object('x', repeat('x', 1100000))",
  ])
  func `an event that cannot be one is refused`(_ arguments: String) async throws {
    try await withSchema { db in
      try await db.addWebhook("*")
      await #expect {
        try await db.query("select transom.emit(\(arguments))")
      } throws: {
        "\($0)".contains("event")
      }
    }
  }

  @Test func `a role that is granted it may emit, and neither read events nor secrets`()
    async throws
  {
    try await withRole("app") { db, role in
      try await db.migrate()
      try await db.addWebhook("*")
      let emit = "select transom.emit('a', '{}')"
      await #expect { try await db.value(emit, as: role) } throws: { "\($0)".contains("denied") }
      try await db.query(
        """
        grant usage on schema transom to \(role);
        grant execute on function transom.emit(text, jsonb) to \(role)
        """)
      #expect(try await db.emits(emit, as: role))
      for table in [
        "webhooks", "new_events", "on_commit", "events", "deliveries", "subscriptions",
        "idempotency_keys",
      ] {
        await #expect {
          try await db.value("select count(*) from transom.\(table)", as: role)
        } throws: {
          "\($0)".contains("denied")
        }
      }
    }
  }

  @Test func `on_commit is the service's own, whatever role is set`() async throws {
    try await withRole("app") { db, role in
      try await db.migrate()
      // The session's user is the superuser.
      try await db.query("set role \(role); \(Self.onCommit)")
      #expect(try await db.value("select count(*) from transom.new_events") == "1")
      let session = Psql(cluster: db.cluster)
      await #expect {
        try await session.query("set session authorization \(role); \(Self.onCommit)", in: db.name)
      } throws: {
        "\($0)".contains("check option")
      }
      // Nor can what is there be read or changed through it.
      for sql in ["select id from", "update", "delete from"] {
        let set = sql == "update" ? " set event = 'b'" : ""
        await #expect {
          try await db.value("\(sql) transom.on_commit\(set)", as: role)
        } throws: {
          "\($0)".contains("denied")
        }
      }
    }
  }

  @Test(arguments: [
    "'a b', '{}'", "repeat('a', 129), '{}'", "'a', null", "null, '{}'",
    "'a', jsonb_build_object('x', repeat('x', 8400000))",
  ])
  func `on_commit refuses what cannot be an event`(_ values: String) async throws {
    try await withSchema { db in
      await #expect {
        try await db.query(
          "insert into transom.on_commit (id, event, data) values (gen_random_uuid(), \(values))")
      } throws: {
        "\($0)".contains(values.contains("null") ? "null value" : "check option")
      }
    }
  }

  @Test func `nobody's search path or temporary table gets in between`() async throws {
    try await withSchema { db in
      try await db.addWebhook("*")
      try await db.query(
        """
        create function public.length(text) returns int language sql as 'select 1/0';
        create temp table webhooks (id int); create temp table pg_class (id int);
        set search_path = pg_temp, public, pg_catalog;
        select transom.emit('a', '{}');
        \(Self.onCommit)
        """)
      #expect(try await db.value("select count(*) from transom.new_events") == "2")
    }
  }
}
