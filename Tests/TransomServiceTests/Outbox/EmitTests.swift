import TestSupport
import Testing

/// `transom.emit`, the SQL function.
@Suite struct EmitTests {
  private func withSchema(_ body: (TestDatabase) async throws -> Void) async throws {
    try await withDatabase { db in
      try await db.migrate()
      try await body(db)
    }
  }

  @Test func `an event is stored for each webhook that takes it, once`() async throws {
    try await withSchema { db in
      let both = try await db.addWebhook("account.created", "account.*")
      let all = try await db.addWebhook("*")
      try await db.addWebhook("email.*")
      let id = try #require(
        try await db.value("select transom.emit('account.created', '{\"a\": 1}')"))
      #expect(id.wholeMatch(of: /evt_[0-9a-f]{32}/) != nil)
      #expect(
        try await db.query(
          """
          select e.id, e.event, e.data, d.webhook_id, d.status
          from transom.deliveries d join transom.events e on e.seq = d.event_seq order by webhook_id
          """) == [
            [id, "account.created", "{\"a\": 1}", "\(both)", "pending"],
            [id, "account.created", "{\"a\": 1}", "\(all)", "pending"],
          ])
    }
  }

  @Test(arguments: [
    ("*", "a", true), ("*", "a.b.c", true), ("a.*", "a.b", true), ("a.*", "a.b.c", true),
    ("a.b.*", "a.b.c", true), ("a.b.c", "a.b.c", true), ("a.*", "a", false), ("a.*", "ab.c", false),
    ("a.b", "a.b.c", false), ("a.b.c", "a.b", false), ("A.b", "a.b", false),
    ("a.b.*", "a.b", false),
  ])
  func `a pattern takes an event`(_ pattern: String, _ event: String, _ takes: Bool) async throws {
    try await withSchema { db in
      try await db.addWebhook(pattern)
      try await db.query("select transom.emit('\(event)', '{}')")
      let count = try await db.value("select count(*) from transom.deliveries")
      #expect(count == (takes ? "1" : "0"))
    }
  }

  @Test func `an event that nobody takes, or only a disabled webhook, is not kept`() async throws {
    try await withSchema { db in
      try await db.addWebhook("a")
      try await db.query("update transom.webhooks set disabled_at = now()")
      #expect(try await db.emits("select transom.emit('a', '{}')"))
      #expect(try await db.value("select count(*) from transom.events") == "0")
    }
  }

  @Test func `events of Transom's own are taken by name only`() async throws {
    try await withSchema { db in
      try await db.addWebhook("*")
      let named = try await db.addWebhook("transaction.*")
      try await db.query("select transom.committed('default', 'req', 1)")
      #expect(try await db.query("select webhook_id from transom.deliveries") == [["\(named)"]])
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
      #expect(try await db.query("select event from transom.events") == [["kept"]])
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
      for table in ["webhooks", "events", "deliveries", "subscriptions", "idempotency_keys"] {
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
      let emit = "select transom.on_commit('a', '{}')"
      // The session's user is the superuser.
      #expect(try await db.emits(emit, as: role))
      let session = Psql(cluster: db.cluster)
      await #expect {
        try await session.query("set session authorization \(role); \(emit)", in: db.name)
      } throws: {
        "\($0)".contains("denied")
      }
    }
  }

  @Test func `an address of its own is one webhook that nobody sees, however many events it gets`()
    async throws
  {
    try await withSchema { db in
      for _ in 0..<3 { try await db.query("select transom.on_commit_to('http://x/', 'a', '{}')") }
      #expect(
        try await db.query("select url, is_ad_hoc, secret from transom.webhooks") == [
          ["http://x/", "t", nil]
        ])
      #expect(try await db.value("select count(*) from transom.deliveries") == "3")
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
        select transom.emit('a', '{}')
        """)
      #expect(try await db.value("select count(*) from transom.deliveries") == "1")
    }
  }
}
