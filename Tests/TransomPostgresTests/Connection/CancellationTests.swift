import TestSupport
import Testing
import TransomEventLoop
import TransomPostgres

struct CancellationTests {
  @Test func `a task that is cancelled cancels what runs, and hears the server's answer`()
    async throws
  {
    try await withConnection { connection, database in
      let task = Task {
        try await outcomes(["BEGIN", "select pg_sleep(30)", "COMMIT"], on: connection)
      }
      try await eventuallyRuns("sleep", connection, database)
      task.cancel()
      #expect(try await task.value == ["BEGIN", "failed 57014", "skipped"])
      #expect(await !connection.isReusable)
    }
  }

  @Test func `a task that was cancelled before hears what became of its commands`() async throws {
    try await withConnection { connection, database in
      try await database.query("create table t (a int)")
      let task = Task {
        while !Task.isCancelled { await Task.yield() }
        return try await outcomes(["BEGIN", "insert into t values (1)", "COMMIT"], on: connection)
      }
      task.cancel()
      let seen = try await task.value
      #expect(seen.count == 3)
      // Told is what is stored.
      let stored = try await database.value("select count(*) from t")
      #expect(stored == (seen.last == "COMMIT" ? "1" : "0"))
    }
  }

  @Test func `a loop that ends before a cancellation keeps neither itself nor the connection`()
    async throws
  {
    weak var kept: PostgresConnection?
    try await withDatabase { database in
      try await withConnection(
        ConnectionConfiguration(conninfo: database.connectionString)
      ) { connection in
        kept = connection
        connection.keepCancelling(for: .seconds(60)) { true }
        // Its first timer is there then.
        await connection.loop.run {}
      }
    }
    #expect(kept == nil)
  }
}
