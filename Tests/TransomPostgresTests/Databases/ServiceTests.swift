import Logging
import ServiceLifecycle
import TestSupport
import Testing
import TransomPostgres

struct ServiceTests {
  private struct Program: Service {
    let body: @Sendable () async throws -> Void
    func run() async throws { try await body() }
  }

  @Test func `in a service group it closes its connections when the group stops`() async throws {
    try await withDatabase { server in
      let databases = try Databases([
        "default": DatabaseConfiguration(url: server.connectionString)
      ])
      let log = Log()
      let program = Program {
        try await databases.default.atomic { tx in
          try await tx.execute("create table t (id int)")
          log.append("working")
          // The group stops while this block is at work: it is finished all the same.
          try await gracefulShutdown()
          try await tx.execute("insert into t values (1)")
        }
      }
      // Services are stopped in reverse order: the databases outlive the program that uses them.
      let group = ServiceGroup(
        services: [databases, program], gracefulShutdownSignals: [],
        logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
      try await withThrowingTaskGroup { tasks in
        tasks.addTask { try await group.run() }
        try await eventually("it works") { log.entries == ["working"] }
        await group.triggerGracefulShutdown()
        try await tasks.waitForAll()
      }
      #expect(try await server.value("select count(*) from t") == "1")
      try await eventually("the server knows that they are closed") {
        try await server.value(
          "select count(*) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"
        ) == "0"
      }
      let error = await #expect(throws: PostgresError.self) {
        try await databases.default.execute("select 1")
      }
      #expect(error?.kind == .shutDown)
    }
  }

  @Test func `a task that is cancelled shuts down, too`() async throws {
    try await withDatabase { server in
      let databases = try Databases([
        "default": DatabaseConfiguration(url: server.connectionString)
      ])
      try await databases.default.execute("select 1")
      let task = Task { try await databases.run() }
      task.cancel()
      try await task.value
      await #expect(throws: PostgresError.self) { try await databases.default.execute("select 1") }
    }
  }
}
