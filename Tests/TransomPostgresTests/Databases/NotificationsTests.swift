import TestSupport
import Testing
import TransomPostgres

struct NotificationsTests {
  @Test func `notifications come in order, those that were sent after the body began`() async throws
  {
    try await withDatabases { databases, server in
      try await databases.default.listen(to: ["Jobs", "other"]) { notifications in
        try await server.query("notify \"Jobs\", 'one'; notify jobs, 'not ours'; notify other")
        try await databases.default.execute("select pg_notify('Jobs', \("two"))")
        var seen: [String] = []
        for try await notification in notifications {
          seen.append("\(notification.channel) \(notification.payload)")
          if seen.count == 3 { break }
        }
        #expect(seen == ["Jobs one", "other ", "Jobs two"])
      }
      try await eventually("its connection is closed") {
        try await server.value(
          "select count(*) from pg_stat_activity where datname = current_database() and query like 'LISTEN%'"
        ) == "0"
      }
    }
  }

  @Test func `what came before the loss of the connection is told before it`() async throws {
    try await withDatabases { databases, server in
      try await databases.default.listen(to: ["jobs"]) { notifications in
        try await server.query("notify jobs, 'one'; notify jobs, 'two'")
        let listening =
          "pg_stat_activity where datname = current_database() and query like 'LISTEN%'"
        try await server.query("select pg_terminate_backend(pid, 60000) from \(listening)")
        var seen: [String] = []
        let error = await #expect(throws: PostgresError.self) {
          for try await notification in notifications { seen.append(notification.payload) }
        }
        #expect(error?.kind == .connectionLost)
        #expect(seen == ["one", "two"])
      }
    }
  }

  @Test func `cancellation ends the wait, and so does the loss of the connection`() async throws {
    try await withDatabases { databases, server in
      let database = try databases.default
      @Sendable func wait() async throws {
        try await database.listen(to: ["jobs"]) { for try await _ in $0 {} }
      }
      let listening =
        "from pg_stat_activity where datname = current_database() and query like 'LISTEN%'"
      let cancelled = Task { try await wait() }
      try await eventually("it listens") {
        try await server.value("select count(*) \(listening)") == "1"
      }
      cancelled.cancel()
      await #expect(throws: CancellationError.self) { try await cancelled.value }
      try await eventually("it ended") {
        try await server.value("select count(*) \(listening)") == "0"
      }
      let lost = Task { try await wait() }
      try await eventually("it listens") {
        try await server.value("select count(*) \(listening)") == "1"
      }
      try await server.query("select pg_terminate_backend(pid) \(listening)")
      let error = await #expect(throws: PostgresError.self) { try await lost.value }
      #expect(error?.kind == .connectionLost)
    }
  }
}
