import TestSupport
import Testing
import TransomEventLoop
import TransomPostgres

struct PostgresConnectionTests {
  @Test func `a transaction goes out as one pipeline, and its results come back in order`()
    async throws
  {
    try await withConnection { connection, _ in
      for _ in 0..<3 {
        let seen = try await outcomes(
          [
            "BEGIN", "create table if not exists t (id int)", "insert into t values (1), (2)",
            "select id from t", "COMMIT",
          ], on: connection)
        #expect(seen.first == "BEGIN" && seen.last == "COMMIT" && seen.count == 5)
        #expect(await connection.isReusable)
      }
      #expect(
        try await outcomes(["select id from t"], on: connection) == ["SELECT 1,2,1,2,1,2"])
    }
  }

  @Test func `an error skips what follows, whether it comes from parsing or from running`()
    async throws
  {
    try await withConnection { connection, _ in
      for bad in ["selec 1", "select 1/0"] {
        for _ in 0..<2 {
          let seen = try await outcomes(["BEGIN", bad, "select 2", "COMMIT"], on: connection)
          let code = bad == "selec 1" ? "42601" : "22012"
          #expect(seen == ["BEGIN", "failed \(code)", "skipped", "skipped"])
          #expect(await !connection.isReusable)
          #expect(try await outcomes(["ROLLBACK"], on: connection) == ["ROLLBACK"])
          #expect(await connection.isReusable)
        }
      }
    }
  }

  @Test func `a result of many megabytes arrives whole`() async throws {
    try await withConnection { connection, _ in
      let seen = try await outcomes(
        [
          "select repeat('x', 3000000)",
          "select sum(length(repeat('y', 100000))) from generate_series(1, 100)",
        ],
        on: connection)
      #expect(seen[0].count == 3_000_007)
      #expect(seen[1] == "SELECT 10000000")
    }
  }

  @Test func `statements and answers that fill both sides' buffers do not lock each other`()
    async throws
  {
    try await withConnection { connection, _ in
      let seen = try await outcomes(
        (0..<400).map { "select '\(String(repeating: "z", count: 20_000))\($0)'" }, on: connection)
      #expect(seen.count == 400)
      #expect(seen.last?.hasSuffix("z399") == true)
    }
  }

  @Test func `more statements than the cache holds are deallocated on the server`() async throws {
    try await withConnection({ $0.preparedStatementLimit = 4 }) { connection, _ in
      for number in 0..<20 {
        #expect(try await outcomes(["select \(number)"], on: connection) == ["SELECT \(number)"])
        try await deallocate(on: connection)
      }
      let count = "select count(*) from pg_prepared_statements"
      _ = try await outcomes([count], on: connection)
      try await deallocate(on: connection)
      #expect(try await outcomes([count], on: connection) == ["SELECT 4"])
    }
  }

  private func deallocate(on connection: isolated PostgresConnection) async throws {
    guard try connection.enqueueDeallocations() else { return }
    while true {
      switch try await connection.next() {
      case .synced: return
      case .result: continue
      case .failed: throw ConnectionError.outOfStep
      case .skipped: throw ConnectionError.outOfStep
      }
    }
  }

  @Test func `a server process that is killed is reported, and nothing hangs`() async throws {
    try await withConnection { connection, database in
      async let seen = outcomes(["BEGIN", "select pg_sleep(30)", "COMMIT"], on: connection)
      try await eventuallyRuns("sleep", connection, database)
      try await database.query("select pg_terminate_backend(\(connection.processID))")
      // The last error of the server may come first; then the connection is gone.
      do {
        #expect(try await seen.contains("failed 57P01"))
      } catch let error as ConnectionError {
        guard case .lost = error else { throw error }
      }
      #expect(await !connection.isReusable)
    }
  }

  @Test func `a cancelled statement fails with 57014, and the connection is not used again`()
    async throws
  {
    try await withConnection { connection, database in
      async let seen = outcomes(["select pg_sleep(30)"], on: connection)
      try await eventuallyRuns("sleep", connection, database)
      await connection.cancelRunning()
      #expect(try await seen == ["failed 57014"])
      #expect(await !connection.isReusable)
    }
  }

  @Test func `a server that cannot be reached gives libpq's reason`() async throws {
    let group = try EventLoopGroup(count: 1)
    await #expect(throws: ConnectError.self) {
      _ = try await PostgresConnection.connect(
        ConnectionConfiguration(conninfo: "host=127.0.0.1 port=1 dbname=x"), on: group.loops[0])
    }
    await group.shutdown()
  }
}
