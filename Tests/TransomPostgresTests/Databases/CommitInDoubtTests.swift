import Synchronization
import TestSupport
import Testing
import TransomPostgres

struct CommitInDoubtTests {
  /// Inserts a row through a proxy that ends the connection after so many bytes of COMMIT's answer.
  private func run(
    bytes: Int, limit: Duration, isCancelled: Bool = false,
    _ check: (PostgresError.Kind?, Bool) async throws -> Void
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
      if isCancelled { commit.cancel() }
      proxy.pass()
      let kind = await commit.value
      try await check(kind, !log.entries.isEmpty)
      await databases.shutdown()
    }
  }

  @Test(arguments: [false, true])
  func `a COMMIT whose answer is lost is looked up by the transaction's number`(
    isCancelled: Bool
  ) async throws {
    // The number's answer takes 96 bytes and a few digits, COMMIT's begins behind them.
    try await run(bytes: 112, limit: .seconds(60), isCancelled: isCancelled) { kind, hooksRan in
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

  /// Whether the block is read-only, after how many bytes of COMMIT's answer the line is cut, and what is thrown.
  @Test(arguments: [
    // The answer that there is no number comes whole: nothing can have been stored.
    (false, 100, PostgresError.Kind.connectionLost),
    // Nobody knows what a function in the SELECT may have written.
    (false, 1, .commitInDoubt(transactionID: nil)),
    (true, 1, .connectionLost),
  ])
  func `a block that only reads is in doubt only if it could have stored something`(
    isReadOnly: Bool, bytes: Int, kind: PostgresError.Kind
  ) async throws {
    try await withDatabase { server in
      let proxy = try FaultProxy.start(before: server.cluster)
      defer { proxy.stop() }
      let databases = try Databases([
        "default": DatabaseConfiguration(url: proxy.connectionString(database: server.name))
      ])
      let log = Log()
      let error = await #expect(throws: PostgresError.self) {
        try await databases.default.atomic(readOnly: isReadOnly ? true : nil) { tx in
          try await tx.execute("select 1")
          try await tx.onCommit { log.append("committed") }
          proxy.cut(after: bytes, .toClient)
        }
      }
      #expect(error?.kind == kind)
      #expect(log.entries.isEmpty)
      await databases.shutdown()
    }
  }

  @Test func `a server process that is terminated while it commits is found to have aborted`()
    async throws
  {
    try await withDatabases { databases, server in
      try await server.query(
        """
        create table t (id int primary key);
        create function wait() returns trigger language plpgsql as
          'begin perform pg_advisory_xact_lock(1); return null; end';
        create constraint trigger wait after insert on t deferrable initially deferred
          for each row execute function wait();
        """)
      let database = try databases.default
      let log = Log()
      // It waits for our lock inside of its COMMIT.
      try await databases["other"].atomic { tx in
        try await tx.execute("select pg_advisory_xact_lock(1)")
        let commit = Task {
          try await database.atomic { tx in
            try await tx.onCommit { log.append("committed") }
            try await database.insert(1)
          }
        }
        let waiting =
          "from pg_stat_activity where datname = current_database() and wait_event = 'advisory'"
        try await eventually("it commits") {
          try await server.value("select count(*) \(waiting) and query = 'COMMIT'") == "1"
        }
        try await server.query("select pg_terminate_backend(pid) \(waiting)")
        let error = await #expect(throws: PostgresError.self) { try await commit.value }
        #expect(error?.kind == .connectionLost)
        #expect(error?.message == "the connection was lost at COMMIT, and nothing is stored")
      }
      #expect(log.entries.isEmpty)
      let seen = try await database.ids
      #expect(seen == [])
    }
  }
}
