import TestSupport
import Testing

/// `transom migrate`, and what `transom serve` does of it by itself.
@Suite(.timeLimit(.minutes(2))) struct MigrateTests {
  private func migrate(_ connectionString: String) async throws -> (status: Int32, log: String) {
    let transom = try await TransomProcess.start(["migrate", "--database-url", connectionString])
    let status = try await transom.waitForExit()
    return (status, transom.log)
  }

  /// The schema's version; nil if there is none.
  private func version(_ db: TestDatabase) async throws -> String? {
    guard try await db.value("select to_regclass('transom.schema_version')") != nil else {
      return nil
    }
    return try await db.value("select max(version) from transom.schema_version")
  }

  @Test func `transom migrate installs the schema, and says so`() async throws {
    try await withDatabase { db in
      let first = try await migrate(db.connectionString)
      #expect(first.status == 0 && first.log.contains("is installed, in version 2"))
      let second = try await migrate(db.connectionString)
      #expect(second.status == 0 && second.log.contains("up to date"))
      let none = try await TransomProcess.start(["migrate"])
      let status = try await none.waitForExit()
      #expect(status != 0 && none.log.contains("--database-url"))
    }
  }

  @Test func `transom serve installs the schema unless it is told not to`() async throws {
    try await withDatabase { db in
      try await withService(for: db.connectionString, ["--no-migrate"]) { service in
        try await eventually("a warning") { service.process.log.contains("is not installed") }
      }
      #expect(try await version(db) == nil)
      try await withService(for: db.connectionString) { _ in
        let version = try await version(db)
        #expect(version == "2", "the service listens when the schema is there")
      }
    }
  }

  @Test func `a role that may not install it is an error for migrate, and a warning for serve`()
    async throws
  {
    try await withDatabase { db in
      let role = "\(db.name)_guest"
      try await db.query("create role \(role) login")
      let connectionString = db.connectionString.replacing("user=postgres", with: "user=\(role)")
      let migrated = try await migrate(connectionString)
      #expect(migrated.status != 0 && migrated.log.contains("may not install the schema transom"))
      try await withService(for: connectionString) { service in
        #expect(service.process.log.contains("there are no webhooks and no idempotency keys"))
        let answer = try await service.post(#"{"statements": [{"sql": "select 1"}]}"#)
        #expect(answer.status == 200)
        let refused = try await service.post(
          #"{"statements": [], "on_commit": [{"event": "a", "data": {}}]}"#)
        #expect(refused.status == 422 && refused.code == "webhooks-not-installed")
      }
      try await db.query("drop owned by \(role) cascade; drop role \(role)")
    }
  }
}
