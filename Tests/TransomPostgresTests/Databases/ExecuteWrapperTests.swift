import TestSupport
import Testing
import TransomPostgres

struct ExecuteWrapperTests {
  private func run(
    _ body: (Databases, Connection, Log) async throws -> Void
  ) async throws {
    try await withDatabases { databases, _ in
      try await databases.default.makeTable()
      try await databases.default.withConnection { try await body(databases, $0, Log()) }
    }
  }

  /// Notes what it is told, and executes.
  private func noting(_ log: Log, as name: String = "") -> ExecuteWrapper {
    { context, execute in
      log.append("\(name)\(context.database) \(context.isMany ? "many" : "one"): \(context.sql)")
      try await execute()
    }
  }

  @Test func `it is told the SQL, and whether it is executed many times`() async throws {
    try await run { _, connection, log in
      try await connection.withExecuteWrapper(noting(log)) {
        #expect(try await connection.query("select \(17)::int").only(Int.self) == 17)
        try await connection.executeMany(1...3) { "insert into t values (\($0))" }
        try await connection.cursor { try await $0.execute("select id from t") }
        _ = try await connection.pipeline(["select 1", "select 2"])
        try await connection.copy("copy t from stdin", rows: [4]) { CopyRow($0) }
      }
      try await connection.execute("select 'not seen'")
      #expect(
        log.entries == [
          "default one: select $1::int", "default many: insert into t values ($1)",
          "default one: select id from t", "default many: select 1; …",
          "default one: copy t from stdin",
        ])
    }
  }

  @Test func `it sees statements, but not what atomic blocks send`() async throws {
    try await run { databases, connection, log in
      try await connection.withExecuteWrapper(noting(log)) {
        try await databases.default.atomic { tx in
          try await tx.atomic { try await $0.execute("insert into t values (1)") }
        }
      }
      #expect(log.entries == ["default one: insert into t values (1)"])
    }
  }

  @Test func `the one that was there first is outermost`() async throws {
    try await run { _, connection, log in
      try await connection.withExecuteWrapper(noting(log, as: "outer ")) {
        try await connection.withExecuteWrapper(noting(log, as: "inner ")) {
          try await connection.execute("select 1")
        }
      }
      #expect(log.entries == ["outer default one: select 1", "inner default one: select 1"])
    }
  }

  @Test func `it can refuse: then inner ones are not asked, and the server sees nothing`()
    async throws
  {
    try await run { _, connection, log in
      await #expect(throws: Boom()) {
        try await connection.withExecuteWrapper({ _, _ in throw Boom() }) {
          try await connection.withExecuteWrapper(noting(log)) {
            try await connection.execute("insert into t values (1)")
          }
        }
      }
      #expect(log.entries.isEmpty)
      let stored = try await connection.query("select id from t").count
      #expect(stored == 0)
    }
  }

  @Test func `one that neither executes nor throws makes the statement fail`() async throws {
    try await run { _, connection, _ in
      let error = await #expect(throws: PostgresError.self) {
        try await connection.withExecuteWrapper({ _, _ in }) {
          try await connection.execute("the database never sees this")
        }
      }
      #expect(error?.kind == .canceled)
      #expect(error?.statement == "the database never sees this")
    }
  }

  @Test func `it sees the error of its statement, and passes it on`() async throws {
    try await run { _, connection, log in
      let error = await #expect(throws: PostgresError.self) {
        try await connection.withExecuteWrapper({ _, execute in
          do {
            try await execute()
          } catch {
            log.append("\((error as? PostgresError)?.sqlState?.code ?? "none")")
            throw error
          }
        }) { try await connection.execute("select 1/0") }
      }
      #expect(error?.sqlState == "22012")
      #expect(log.entries == ["22012"])
    }
  }

  @Test func `it belongs to one connection`() async throws {
    try await run { databases, connection, log in
      try await connection.withExecuteWrapper(noting(log)) {
        try await databases["other"].execute("select 1")
        try await databases.withIndependentConnections {
          try await databases.default.execute("select 2")
        }
      }
      #expect(log.entries.isEmpty)
    }
  }
}
