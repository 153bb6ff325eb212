import Synchronization
import TestSupport
import Testing
import TransomPostgres

struct CommitInDoubtTests {
  /// Inserts a row through a proxy that ends the connection after so many bytes of COMMIT's answer.
  private func run(
    bytes: Int, limit: Duration, _ check: (PostgresError.Kind?, Bool) async throws -> Void
  ) async throws {
    try await withDatabase { server in
      let proxy = try FaultProxy.start(before: server.cluster)
      defer { proxy.stop() }
      var configuration = DatabaseConfiguration(
        url: proxy.connectionString(database: server.name))
      configuration.inDoubtLimit = limit
      let databases = try Databases(["default": configuration])
      let database = try databases.default
      try await database.makeTable()
      let log = Log()
      let lines = Mutex(0)
      let commit = Task { () -> PostgresError.Kind? in
        do {
          try await database.atomic { tx in
            try await database.insert(1)
            try await tx.onCommit { log.append("committed") }
            // The one that made the table may still be open beside ours: it is cleaned up meanwhile.
            lines.withLock { $0 = proxy.openConnections }
            proxy.cut(after: bytes, .toClient)
          }
          return nil
        } catch {
          return (error as? PostgresError)?.kind
        }
      }
      try await eventually("it is stored") {
        try await server.value("select count(*) from t") == "1"
      }
      try await eventually("the line is cut") {
        proxy.openConnections < lines.withLock { $0 } || log.entries.count > 0
      }
      proxy.pass()
      let kind = await commit.value
      try await check(kind, !log.entries.isEmpty)
      await databases.shutdown()
    }
  }

  @Test func `a COMMIT whose answer is lost is looked up by the transaction's number`() async throws
  {
    // The number's answer takes 96 bytes and a few digits, COMMIT's begins behind them.
    try await run(bytes: 112, limit: .seconds(60)) { kind, hooksRan in
      #expect(kind == nil)
      #expect(hooksRan)
    }
  }

  @Test func `without the number it is in doubt, which is said`() async throws {
    try await run(bytes: 1, limit: .seconds(60)) { kind, hooksRan in
      #expect(kind == .commitInDoubt(transactionID: nil))
      #expect(!hooksRan)
    }
  }
}
