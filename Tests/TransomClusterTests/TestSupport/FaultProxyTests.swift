import TestSupport
import Testing
import TransomCluster

/// What the tests of other targets rely on.
@Suite struct FaultProxyTests {
  @Test func `a proxy that has no orders passes everything on`() async throws {
    try await withDatabase { db in
      let proxy = try FaultProxy.start(before: db.cluster)
      defer { proxy.stop() }
      let rows = try await psql("select repeat('x', 1000000)", through: proxy, db)
      #expect(rows.output.count == 1_000_001)
      #expect(proxy.acceptedConnections == 1)
      #expect(proxy.bytesPassed(.toClient) > 1_000_000)
      try await eventually("the connection's end") { proxy.openConnections == 0 }
    }
  }

  @Test(arguments: [0, 1, 8, 100, 1000])
  func `a line that is cut in the answer is an error of the client`(_ count: Int) async throws {
    try await withDatabase { db in
      let proxy = try FaultProxy.start(before: db.cluster)
      defer { proxy.stop() }
      proxy.cut(after: count, .toClient)
      let outcome = try await psql("select repeat('x', 1000000)", through: proxy, db)
      #expect(!outcome.succeeded)
      #expect(proxy.bytesPassed(.toClient) == count)
      proxy.pass()
      #expect(try await psql("select 1", through: proxy, db).output == "1\n")
    }
  }

  @Test func `stalled answers arrive when they are let through`() async throws {
    try await withDatabase { db in
      let proxy = try FaultProxy.start(before: db.cluster)
      defer { proxy.stop() }
      proxy.stall(.toClient)
      async let outcome = psql("select 1", through: proxy, db)
      try await eventually("the start-up message") { proxy.bytesPassed(.toServer) > 0 }
      #expect(proxy.bytesPassed(.toClient) == 0)
      proxy.pass()
      #expect(try await outcome.output == "1\n")
    }
  }

  @Test func `connections are refused on order, and cut all at once`() async throws {
    try await withDatabase { db in
      let proxy = try FaultProxy.start(before: db.cluster)
      defer { proxy.stop() }
      async let sleeper = psql("select pg_sleep(60)", through: proxy, db)
      try await eventually("the sleeper") {
        try await db.value("select count(*) from pg_stat_activity where wait_event = 'PgSleep'")
          == "1"
      }
      proxy.refuseConnections()
      #expect(try await !psql("select 1", through: proxy, db).succeeded)
      proxy.cutAll(by: .reset)
      #expect(try await !sleeper.succeeded)
    }
  }

  private func psql(
    _ sql: String, through proxy: FaultProxy, _ db: TestDatabase
  ) async throws -> Command.Outcome {
    var command = Command(
      try #require(db.cluster.installation.tool("psql")),
      ["-XAtq", "-d", proxy.connectionString(database: db.name), "-c", sql])
    command.maximumOutput = 2 << 20
    return try await command.run()
  }
}
