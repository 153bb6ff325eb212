import FoundationEssentials
import TestSupport
import Testing
import TransomCluster
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

  @Test func `a server that hangs up on cancel requests ends nothing but those`() async throws {
    try await withDatabase { database in
      try await withFolder([:]) { folder in
        let cluster = database.cluster
        let server = "\(cluster.socketDirectory)/.s.PGSQL.\(cluster.port)"
        let path = "\(folder)/.s.PGSQL.5432"
        let proxy = try FaultProxy.start(before: .unix(path: server), at: .unix(path: path))
        defer { proxy.stop() }
        let conninfo = "host=\(folder) port=5432 user=postgres dbname=\(database.name)"
        try await withConnection(ConnectionConfiguration(conninfo: conninfo)) { connection in
          let seen = Task { try await outcomes(["select pg_sleep(60)"], on: connection) }
          try await eventuallyRuns("sleep", connection, database)
          // What listens at the path from now on. Some connections are closed before they are written to: as a rule that
          // is a signal, which ends the process.
          try FileManager.default.removeItem(atPath: path)
          let other = try HangUpServer.start(at: .unix(path: path))
          defer { other.stop() }
          for _ in 0..<300 { await connection.cancelRunning() }
          try await eventually("all have been tried") { other.acceptedConnections == 300 }
          try await database.query(
            """
            select pg_cancel_backend(pid) from pg_stat_activity
            where datname = current_database() and query like 'select pg_sleep%'
            """
          )
          #expect(try await seen.value == ["failed 57014"])
        }
      }
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
