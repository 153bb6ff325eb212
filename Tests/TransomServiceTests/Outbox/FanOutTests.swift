import Logging
import TestSupport
import Testing
import TransomCluster
import TransomPostgres
import TransomWebhooks

@testable import TransomService

/// How new events become deliveries.
@Suite struct FanOutTests {
  private func withOutbox(_ body: (Outbox, TestDatabase) async throws -> Void) async throws {
    try await withDatabase { db in
      try await db.migrate()
      try await db.withOutbox { try await body($0, db) }
    }
  }

  @Test func `an event is delivered to each webhook that takes it, once`() async throws {
    try await withOutbox { outbox, db in
      let both = try await db.addWebhook("account.created", "account.*")
      let all = try await db.addWebhook("*", ordered: true)
      try await db.addWebhook("email.*")
      let id = try #require(
        try await db.value("select transom.emit('account.created', '{\"a\": 1}')"))
      try await outbox.fanOut()
      #expect(
        try await db.query(
          """
          select e.id, e.event, e.data, d.webhook_id, d.status, d.is_ordered
          from transom.deliveries d join transom.events e on e.seq = d.event_seq order by webhook_id
          """) == [
            [id, "account.created", "{\"a\": 1}", "\(both)", "pending", "f"],
            [id, "account.created", "{\"a\": 1}", "\(all)", "pending", "t"],
          ])
      #expect(try await db.value("select count(*) from transom.new_events") == "0")
    }
  }

  @Test(arguments: [
    ("*", "a", true), ("*", "a.b.c", true), ("a.*", "a.b", true), ("a.*", "a.b.c", true),
    ("a.b.*", "a.b.c", true), ("a.b.c", "a.b.c", true), ("a.*", "a", false), ("a.*", "ab.c", false),
    ("a.b", "a.b.c", false), ("a.b.c", "a.b", false), ("A.b", "a.b", false),
    ("a.b.*", "a.b", false), ("a_b.*", "axb.c", false),
  ])
  func `a pattern takes an event`(_ pattern: String, _ event: String, _ takes: Bool) async throws {
    try await withOutbox { outbox, db in
      try await db.addWebhook(pattern)
      try await db.query("select transom.emit('\(event)', '{}')")
      try await outbox.fanOut()
      let count = try await db.value("select count(*) from transom.deliveries")
      #expect(count == (takes ? "1" : "0"))
    }
  }

  @Test func `what a receiver has said is recorded in a database of another encoding, too`()
    async throws
  {
    try await withDatabase { db in
      let name = "\(db.name)_latin"
      try await db.query("create database \(name) encoding 'LATIN1' locale 'C' template template0")
      let configuration = ServiceConfiguration.Database(
        url: db.cluster.connectionString(database: name))
      _ = try await configuration.migrate(logger: .init(label: "test"))
      let databases = try Databases(["default": configuration.outbox])
      let record = AttemptRecord(
        id: .init(event: 1, webhook: 1), verdict: .delivered, attempt: #"{"answer": "é 10 €"}"#)
      func store(_ record: AttemptRecord) async throws {
        let statements = Outbox.record([record], owner: 1, disableAfter: .seconds(60))
        _ = try await databases.default.pipeline(statements)
      }
      let error = await #expect(throws: PostgresError.self) { try await store(record) }
      #expect(error?.kind == .data)
      #expect(record.inASCII.attempt == #"{"answer": "? 10 ?"}"#)
      try await store(record.inASCII)
      await databases.shutdown()
      try await db.query("drop database \(name)")
    }
  }

  @Test func `an address that is none keeps no other event from being delivered`() async throws {
    try await withOutbox { outbox, db in
      try await db.addWebhook("a")
      // Longer than what an index takes, however it is compressed.
      try await db.query(
        """
        insert into transom.on_commit (id, event, data, url)
        select gen_random_uuid(), 'a', '{}', 'https://a/' || string_agg(md5(g::text), '')
        from generate_series(1, 400) g
        """)
      try await db.query("select transom.emit('a', '{}')")
      #expect(try await outbox.fanOut(9).dropped == 1)
      #expect(try await db.value("select count(*) from transom.deliveries") == "1")
      #expect(try await db.value("select count(*) from transom.new_events") == "0")
    }
  }

  @Test func `an event that nobody takes, or only a disabled webhook, is not kept`() async throws {
    try await withOutbox { outbox, db in
      try await db.addWebhook("a")
      try await db.query("update transom.webhooks set disabled_at = now()")
      #expect(try await db.emits("select transom.emit('a', '{}'), transom.emit('b', '{}')"))
      try await outbox.fanOut()
      #expect(try await db.value("select count(*) from transom.new_events") == "0")
      #expect(try await db.value("select count(*) from transom.events") == "0")
    }
  }

  @Test func `events of Transom's own are taken by name only`() async throws {
    try await withOutbox { outbox, db in
      try await db.addWebhook("*")
      let named = try await db.addWebhook("transaction.*")
      try await db.query(
        "insert into transom.new_events (event, data) values ('transaction.committed', '{}')")
      try await outbox.fanOut()
      #expect(try await db.query("select webhook_id from transom.deliveries") == [["\(named)"]])
    }
  }

  @Test func `a webhook gets nothing that was emitted before it was there`() async throws {
    try await withOutbox { outbox, db in
      let first = try await db.addWebhook("*")
      try await db.query("select transom.emit('a', '{}')")
      let second = try await db.addWebhook("*")
      try await db.query("select transom.emit('b', '{}')")
      try await outbox.fanOut()
      #expect(
        try await db.query(
          """
          select e.event, d.webhook_id from transom.deliveries d join transom.events e on e.seq = d.event_seq
          order by 1, 2
          """) == [["a", "\(first)"], ["b", "\(first)"], ["b", "\(second)"]])
    }
  }

  @Test func `an address of its own is one webhook that nobody sees, however many events it gets`()
    async throws
  {
    try await withOutbox { outbox, db in
      try await db.addWebhook("*")
      for batch in [2, 1] {
        try await db.query(
          """
          insert into transom.on_commit (id, url, event, data)
          select gen_random_uuid(), url, 'a', '{}'
          from (values ('http://x/'), ('http://y/')) as v (url), generate_series(1, \(batch))
          """)
        try await outbox.fanOut()
      }
      #expect(
        try await db.query(
          """
          select w.url, w.secret, count(*) from transom.webhooks w join transom.deliveries d on d.webhook_id = w.id
          where w.is_ad_hoc group by w.id order by 1
          """) == [["http://x/", nil, "3"], ["http://y/", nil, "3"]])
      #expect(try await db.value("select count(*) from transom.deliveries") == "6")
    }
  }

  @Test func `an event for one webhook goes to no other, be it disabled`() async throws {
    try await withOutbox { outbox, db in
      try await db.addWebhook("*", "webhook.*")
      let disabled = try await db.addWebhook("a")
      try await db.query(
        """
        update transom.webhooks set disabled_at = now() where id = \(disabled);
        insert into transom.new_events (event, data, webhook_id)
        values ('webhook.test', '{}', \(disabled)), ('webhook.test', '{}', 1000)
        """)
      try await outbox.fanOut()
      #expect(try await db.query("select webhook_id from transom.deliveries") == [["\(disabled)"]])
      #expect(try await db.value("select count(*) from transom.events") == "1")
    }
  }

  @Test func `no more than a limit are taken, the oldest first`() async throws {
    try await withOutbox { outbox, db in
      try await db.addWebhook("*")
      try await db.addWebhook("*")
      try await db.query("select transom.emit('n' || n, '{}') from generate_series(1, 5) n")
      let first = try await outbox.fanOut(2)
      #expect(first == (2, 4, 0))
      #expect(
        try await db.query("select event from transom.events order by seq") == [["n1"], ["n2"]])
      let rest = [
        try await outbox.fanOut(2), try await outbox.fanOut(2), try await outbox.fanOut(2),
      ]
      #expect(rest.map(\.events) == [2, 1, 0] && rest.map(\.deliveries) == [4, 2, 0])
      #expect(
        try await db.value(
          "select array_agg(event_seq order by due_at) = array_agg(event_seq order by event_seq) from transom.deliveries"
        ) == "t")
    }
  }

  @Test func `however many names and webhooks there are, each finds its own`() async throws {
    try await withOutbox { outbox, db in
      try await db.query(
        """
        insert into transom.webhooks (url) select 'http://' || n from generate_series(1, 600) n;
        insert into transom.subscriptions select 'kind.n' || id || '.*', id from transom.webhooks;
        select transom.emit('kind.n' || n || '.done', '{}') from generate_series(1, 1200) n
        """)
      try await outbox.fanOut()
      #expect(
        try await db.query(
          """
          select count(*), bool_and(e.event = 'kind.n' || d.webhook_id || '.done')
          from transom.deliveries d join transom.events e on e.seq = d.event_seq
          """) == [["600", "t"]])
      #expect(try await db.value("select count(*) from transom.events") == "600")
    }
  }

  @Test func `whoever fans out at the same time, each event is taken once, and in order`()
    async throws
  {
    try await withOutbox { outbox, db in
      try await db.addWebhook("*", ordered: true)
      try await withThrowingTaskGroup { group in
        for _ in 0..<4 {
          group.addTask {
            for _ in 0..<25 {
              try await db.query("select transom.emit('a', '{}') from generate_series(1, 4)")
            }
          }
          group.addTask { for _ in 0..<50 { _ = try await outbox.fanOut(7) } }
        }
        try await group.waitForAll()
      }
      try await outbox.fanOut()
      #expect(
        try await db.query("select count(*), count(distinct event_seq) from transom.deliveries")
          == [["400", "400"]])
      #expect(try await db.value("select count(*) from transom.events") == "400")
    }
  }

  @Test func `what a transaction emits that commits late comes behind what is on its way`()
    async throws
  {
    try await withOutbox { outbox, db in
      try await db.addWebhook("*", ordered: true)
      @Sendable func claimed() async throws -> [String] {
        var room = DeliveryLanes.Room()
        (room.prompt, room.doubtful, room.untried, room.failing) = (9, 9, 9, 9)
        let claim = Outbox.claim(room, owner: 1, lease: .seconds(60))
        return try Outbox.deliveries(try await outbox.database.query(claim)).map {
          String(decoding: $0.body, as: UTF8.self).firstMatch(of: /early|late\.[12]/).map {
            String($0.output)
          } ?? "?"
        }
      }
      try await outbox.database.atomic { tx in
        try await tx.execute("select transom.emit('late.' || n, '{}') from generate_series(1, 2) n")
        // Others, meanwhile.
        try await Task.detached {
          try await db.query("select transom.emit('early', '{}')")
          try await outbox.fanOut()
          #expect(try await claimed() == ["early"])
        }.value
      }
      try await outbox.fanOut()
      #expect(try await claimed() == [])
      for event in ["late.1", "late.2"] {
        try await db.query(
          "update transom.deliveries set status = 'delivered', finished_at = now() where leased_by is not null"
        )
        #expect(try await claimed() == [event])
      }
    }
  }

  @Test func `a webhook that has just taken one is not disabled for another one that failed`()
    async throws
  {
    try await withOutbox { outbox, db in
      let webhook = try await db.addWebhook("*")
      try await db.query("update transom.webhooks set failing_since = now() - interval '6 days'")
      func record(_ verdict: AttemptVerdict, _ event: Int) -> AttemptRecord {
        AttemptRecord(id: .init(event: event, webhook: webhook), verdict: verdict, attempt: "{}")
      }
      let records = [record(.retry(after: .seconds(5)), 1), record(.delivered, 2)]
      let statements = Outbox.record(records, owner: 1, disableAfter: .seconds(5 * 86_400))
      _ = try await outbox.database.pipeline(statements)
      let state = "select disabled_at is null and failing_since is null from transom.webhooks"
      #expect(try await db.value(state) == "t")
      try await db.query("update transom.webhooks set failing_since = now() - interval '6 days'")
      let failed = Outbox.record(
        [record(.retry(after: .seconds(5)), 1)], owner: 1, disableAfter: .seconds(5 * 86_400))
      _ = try await outbox.database.pipeline(failed)
      #expect(try await db.value(state) == "f")
    }
  }

  @Test(arguments: ["serializable", "repeatable read"])
  func `a database's own isolation is not the outbox's`(_ isolation: String) async throws {
    try await withDatabase { db in
      try await db.query(
        "alter database \(db.name) set default_transaction_isolation = '\(isolation)'")
      try await db.withOutbox { outbox in
        let own = try await outbox.database.query("show transaction_isolation").only(String.self)
        #expect(own == "read committed")
      }
    }
  }

  @Test func `the backlog is what has no deliveries yet, and what is pending`() async throws {
    try await withOutbox { outbox, db in
      try await db.addWebhook("*")
      try await db.query("select transom.emit('a', '{}') from generate_series(1, 3)")
      _ = try await outbox.fanOut(2)
      try await db.query("update transom.new_events set created_at = now() - interval '1 hour'")
      let backlog = try await outbox.backlog()
      #expect(backlog.count == 3 && backlog.age >= 3_600_000)
      try await outbox.fanOut()
      try await db.query("update transom.deliveries set due_at = now() - interval '1 hour'")
      let due = try await outbox.backlog()
      #expect(due.count == 2 && due.age >= 3_600_000)
      // What waits for somebody to enable its webhook is late for nobody.
      try await db.query("update transom.webhooks set disabled_at = now()")
      let disabled = try await outbox.backlog()
      #expect(disabled.count == 2 && disabled.age == 0)
    }
  }
}
