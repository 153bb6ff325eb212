import Logging
import TestSupport
import TransomPostgres

@testable import TransomService

/// A database with a login role of the test's own, which is gone with it.
func withRole(
  _ suffix: String, _ body: (TestDatabase, _ role: String) async throws -> Void
) async throws {
  try await withDatabase { db in
    let role = "\(db.name)_\(suffix)"
    try await db.query("create role \(role) login")
    func drop() async throws {
      try await db.query("drop owned by \(role) cascade")
      try await db.query("drop role \(role)")
    }
    do {
      try await body(db, role)
    } catch {
      try? await drop()
      throw error
    }
    try await drop()
  }
}

extension TestDatabase {
  /// A URL for libpq, as another role than the superuser.
  func connectionString(as role: String) -> String {
    connectionString.replacing("user=postgres", with: "user=\(role)")
  }

  /// Installs the schema `transom`, and returns the versions that were missing.
  @discardableResult
  func migrate(as role: String = "postgres") async throws -> [Int] {
    let database = ServiceConfiguration.Database(url: connectionString(as: role))
    return try await database.migrate(logger: Logger(label: "test"))
  }

  /// The outbox of the schema `transom`, with connections as the service has them.
  func withOutbox(_ body: (Outbox) async throws -> Void) async throws {
    let databases = try Databases([
      "default": ServiceConfiguration.Database(url: connectionString).outbox
    ])
    do {
      try await body(Outbox(in: databases.default, migrates: false))
    } catch {
      await databases.shutdown()
      throw error
    }
    await databases.shutdown()
  }

  /// Registers a webhook by SQL, and returns its number.
  @discardableResult
  func addWebhook(
    _ patterns: String..., url: String = "http://127.0.0.1:9/", ordered: Bool = false
  ) async throws -> Int {
    let values = patterns.map { "('\($0)')" }.joined(separator: ",")
    let id = try await value(
      """
      with hook as (
        insert into transom.webhooks (url, is_ordered) values ('\(url)', \(ordered)) returning id
      ), patterns as (
        insert into transom.subscriptions (pattern, webhook_id)
        select p, hook.id from hook, (values \(values)) as v (p)
      ) select id from hook
      """)
    return id.flatMap { Int($0) } ?? -1
  }

  /// Runs SQL as another role, and returns the first value.
  func value(_ sql: String, as role: String) async throws -> String? {
    try await value("set role \(role); \(sql)")
  }

  /// Whether SQL returns an event's id.
  func emits(_ sql: String, as role: String = "postgres") async throws -> Bool {
    try await value(sql, as: role)?.hasPrefix("evt_") == true
  }
}
