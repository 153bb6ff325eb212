import TestSupport
import Testing
import TransomPostgres

@testable import TransomService

/// The schema `transom`: how it comes into a database, and for whom.
@Suite struct SchemaTests {
  @Test func `the schema is installed once, and found up to date then`() async throws {
    try await withDatabase { db in
      let versions = [try await db.migrate(), try await db.migrate()]
      #expect(versions == [[1, 2], []])
      #expect(
        try await db.query("select version from transom.schema_version order by 1") == [
          ["1"], ["2"],
        ])
    }
  }

  @Test
  func
    `a database of version 1 is updated, and what a replica of that version emits is delivered, too`()
    async throws
  {
    try await withDatabase { db in
      try await db.query("create schema transom")
      for command in Migration.all[0].commands { try await db.query(command) }
      try await db.query(
        """
        create table transom.schema_version (
          version int primary key, installed_at timestamptz not null default now());
        insert into transom.schema_version values (1)
        """)
      let hook = try await db.addWebhook("*")
      try await db.query("select transom.on_commit('before', '{}')")
      let versions = try await db.migrate()
      #expect(versions == [2])
      try await db.query("select transom.on_commit('old', '{}'); select transom.emit('new', '{}')")
      try await db.withOutbox { try await $0.fanOut() }
      #expect(
        try await db.query(
          """
          select e.event, d.webhook_id from transom.events e join transom.deliveries d on d.event_seq = e.seq
          order by e.seq
          """) == [["before", "\(hook)"], ["old", "\(hook)"], ["new", "\(hook)"]])
    }
  }

  @Test(arguments: ["read committed", "serializable"])
  func `replicas that start at the same time install it once`(_ isolation: String) async throws {
    try await withDatabase { db in
      try await db.query(
        "alter database \(db.name) set default_transaction_isolation = '\(isolation)'")
      let versions = try await withThrowingTaskGroup { group in
        for _ in 0..<6 { group.addTask { try await db.migrate() } }
        return try await group.reduce(into: []) { $0.append($1) }
      }
      #expect(versions.count { $0 == [1, 2] } == 1)
      #expect(versions.count { $0.isEmpty } == 5)
    }
  }

  @Test func `a role that owns the schema and may do nothing else installs it`() async throws {
    try await withRole("owner") { db, role in
      try await db.query("create schema transom authorization \(role)")
      let versions = [try await db.migrate(as: role), try await db.migrate(as: role)]
      #expect(versions == [[1, 2], []])
      let database = try Databases(["default": .init(url: db.connectionString(as: role))])
      let result = try await database.default.query(
        "insert into transom.on_commit (id, event, data) values (gen_random_uuid(), 'a', '{}')")
      #expect(result.rowCount == 1)
      await database.shutdown()
    }
  }

  @Test func `a role that may not create it is told what to do, and nothing is left behind`()
    async throws
  {
    try await withRole("guest") { db, role in
      await #expect {
        try await db.migrate(as: role)
      } throws: {
        "\($0)".contains("transom migrate") && "\($0)".contains("42501")
      }
      #expect(try await db.value("select to_regnamespace('transom')") == nil)
      // Nor may it use a schema that is another's.
      try await db.migrate()
      await #expect(throws: Schema.Missing.self) { try await db.migrate(as: role) }
    }
  }

  @Test func `a migration that fails leaves nothing behind`() async throws {
    try await withRole("owner") { db, role in
      try await db.query(
        """
        create schema transom authorization \(role);
        create table transom.idempotency_keys (id int)
        """)
      await #expect(throws: PostgresError.self) { try await db.migrate(as: role) }
      #expect(try await db.query("select to_regclass('transom.schema_version')") == [[nil]])
    }
  }

  @Test func `a schema that a newer program has updated is left alone`() async throws {
    try await withDatabase { db in
      try await db.migrate()
      try await db.query("insert into transom.schema_version (version) values (1000)")
      let versions = try await db.migrate()
      #expect(versions == [])
    }
  }
}
