import TestSupport
import Testing
import TransomPostgres

struct AtomicTests {
  /// A database with an empty table `t`.
  private func run(_ body: (Database, TestDatabase) async throws -> Void) async throws {
    try await withDatabases { databases, server in
      let database = try databases.default
      try await database.makeTable()
      try await body(database, server)
      #expect(await database.connectionCounts.waiting == 0)
    }
  }

  @Test func `a block that returns is committed`() async throws {
    try await run { database, server in
      let value = try await database.atomic { tx in
        try await tx.execute("insert into t values (\(1))")
        return "done"
      }
      #expect(value == "done")
      #expect(try await server.query("select id from t") == [["1"]])
    }
  }

  @Test func `a block that throws is rolled back, and its error is passed on`() async throws {
    try await run { database, server in
      await #expect(throws: Boom()) {
        try await database.atomic { tx in
          try await tx.execute("insert into t values (1)")
          throw Boom()
        }
      }
      #expect(try await server.query("select id from t").isEmpty)
      try await database.insert(2)
      #expect(try await database.ids == [2])
    }
  }

  /// Whether the inner and the outer block throw; what is stored.
  @Test(arguments: [
    (false, false, [1, 2, 3]), (true, false, [1, 3]), (false, true, []), (true, true, []),
  ])
  func `an inner error that is caught undoes only the inner block`(
    innerThrows: Bool, outerThrows: Bool, stored: [Int]
  ) async throws {
    try await run { database, _ in
      try? await database.atomic { _ in
        try await database.insert(1)
        try? await database.atomic { _ in
          try await database.insert(2)
          if innerThrows { throw Boom() }
        }
        try await database.insert(3)
        if outerThrows { throw Boom() }
      }
      let seen = try await database.ids
      #expect(seen == stored)
    }
  }

  @Test func `without a savepoint an inner error marks the outer block, and nothing more is sent`()
    async throws
  {
    try await run { database, _ in
      try await database.atomic { tx in
        try await database.insert(1)
        await #expect(throws: Boom()) {
          try await tx.atomic(savepoint: false) { _ in throw Boom() }
        }
        #expect(tx.needsRollback)
        let error = await #expect(throws: PostgresError.self) { try await database.insert(2) }
        #expect(error?.kind == .needsRollback)
      }
      #expect(try await database.ids == [])
    }
  }

  @Test func `a savepoint around takes the rollback of a block without one`() async throws {
    try await run { database, _ in
      try await database.atomic { outer in
        try await database.insert(1)
        try await outer.atomic { middle in
          try await database.insert(2)
          try? await middle.atomic(savepoint: false) { _ in throw Boom() }
        }
        #expect(!outer.needsRollback)
        try await database.insert(3)
      }
      #expect(try await database.ids == [1, 3])
    }
  }

  @Test func `setRollback undoes without an error, and can be taken back`() async throws {
    try await run { database, _ in
      try await database.atomic { tx in
        try await database.insert(1)
        try tx.setRollback(true)
      }
      #expect(try await database.ids == [])
      try await database.atomic { tx in
        try await database.insert(2)
        try tx.setRollback(true)
        try tx.setRollback(false)
      }
      #expect(try await database.ids == [2])
    }
  }

  @Test func `a durable block cannot be inside another one`() async throws {
    try await run { database, _ in
      try await database.atomic(durable: true) { _ in try await database.insert(1) }
      let error = await #expect(throws: PostgresError.self) {
        try await database.atomic { tx in try await tx.atomic(durable: true) { _ in } }
      }
      #expect(error?.kind == .durableInsideAtomic)
      #expect(try await database.ids == [1])
    }
  }

  @Test func `isolation and access mode reach the server`() async throws {
    try await run { database, _ in
      let modes = try await database.atomic(
        isolation: .serializable, readOnly: true, deferrable: true
      ) { tx in
        try await tx.query(
          """
          select current_setting('transaction_isolation'), current_setting('transaction_read_only'),
            current_setting('transaction_deferrable')
          """
        ).only((String, String, String).self)
      }
      #expect(modes == ("serializable", "on", "on"))
      let error = await #expect(throws: PostgresError.self) {
        try await database.atomic(readOnly: true) { _ in try await database.insert(1) }
      }
      #expect(error?.kind == .readOnly)
      #expect(error?.statement == "insert into t values ($1)")
    }
  }

  @Test func `a block that swallows a statement's error does not pass for committed`() async throws
  {
    try await run { database, _ in
      let error = await #expect(throws: PostgresError.self) {
        try await database.atomic { tx in
          try await database.insert(1)
          _ = try? await tx.execute("select 1/0")
          // What is refused after it does not take its place.
          _ = try? await tx.execute("select 1")
        }
      }
      #expect(error?.kind == .rolledBack)
      #expect(error?.sqlState == "22012")
      let seen = try await database.ids
      #expect(seen == [])
    }
  }

  @Test func `a deferred constraint that fails at COMMIT is thrown, and nothing is stored`()
    async throws
  {
    try await run { database, _ in
      try await database.execute(
        "create table u (id int references t (id) deferrable initially deferred)")
      let log = Log()
      let error = await #expect(throws: PostgresError.self) {
        try await database.atomic { tx in
          try await tx.onCommit { log.append("hook") }
          try await tx.execute("insert into u values (1)")
        }
      }
      #expect(error?.kind == .integrity(.foreignKey))
      #expect(try await database.query("select * from u").isEmpty)
      #expect(log.entries.isEmpty)
    }
  }

  @Test func `cancellation cancels the statement on the server, and rolls back`() async throws {
    try await run { database, server in
      let task = Task {
        try await database.atomic { tx in
          try await tx.execute("insert into t values (1)")
          try await tx.execute("select pg_sleep(600)")
        }
      }
      let running = "from pg_stat_activity where state = 'active' and query like '%pg_sleep(600)%'"
      try await eventually("it runs") {
        try await server.value("select count(*) \(running) and pid <> pg_backend_pid()") == "1"
      }
      task.cancel()
      await #expect(throws: CancellationError.self) { try await task.value }
      try await eventually("it ended") {
        try await server.value("select count(*) \(running) and pid <> pg_backend_pid()") == "0"
      }
      #expect(try await database.ids == [])
    }
  }

  @Test func `a transaction is of no use after its block`() async throws {
    try await run { database, _ in
      try await database.atomic { outer in
        var kept: Transaction?
        try await outer.atomic { kept = $0 }
        let error = await #expect(throws: PostgresError.self) {
          try await kept?.execute("select 1")
        }
        #expect(error?.kind == .expired)
      }
    }
  }

  @Test func `a statement that ends the transaction itself is found out`() async throws {
    try await run { database, _ in
      let error = await #expect(throws: PostgresError.self) {
        try await database.atomic { tx in
          try await tx.execute("insert into t values (1)")
          try await tx.execute("rollback")
          try await tx.execute("insert into t values (2)")
        }
      }
      #expect(error?.kind == .connectionLost)
      let seen = try await database.ids
      #expect(seen == [])
    }
  }

  @Test func `a COMMIT by SQL ends the block: what follows is refused, and its hooks do not run`()
    async throws
  {
    try await run { database, _ in
      let log = Log()
      let error = await #expect(throws: PostgresError.self) {
        try await database.atomic { tx in
          try await tx.onCommit { log.append("hook") }
          try await tx.execute("insert into t values (1)")
          try await tx.execute("commit")
          try await tx.execute("insert into t values (2)")
        }
      }
      #expect(error?.kind == .connectionLost)
      let seen = try await database.ids
      #expect(seen == [1])
      #expect(log.entries.isEmpty)
    }
  }
}
