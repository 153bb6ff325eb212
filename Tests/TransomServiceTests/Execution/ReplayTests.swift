import TestSupport
import Testing
import TransomEventLoop
import TransomPostgres
import TransomService

/// That a transaction which lost against another one, or whose prepared statements are out of
/// date, is run again as a whole, and none that may be stored is.
@Suite struct ReplayTests {
  private static let schema = """
    create table account (id int primary key, balance int not null);
    insert into account values (1, 100), (2, 100)
    """

  private static func withAccounts(
    connections: Int = 2,
    _ body: (ExecutorHarness, TestDatabase, SideConnection) async throws -> Void
  ) async throws {
    try await withExecutor {
      $0.connections = connections
    } _: { harness, database in
      try await database.query(schema)
      try await withSideConnection(database) { side in
        try await body(harness, database, side)
      }
    }
  }

  /// Reads both balances, waits for lock 1, then writes one of them.
  private static func skewed(_ fields: String) -> String {
    """
    {\(fields) "isolation": "serializable",
     "statements": [{"sql": "select sum(balance) from account"},
       {"sql": "select pg_advisory_xact_lock(1)"},
       {"sql": "update account set balance = balance - 150 where id = 1"}]}
    """
  }

  /// Runs the body's transaction up to lock 1, then commits another one, then lets it go on.
  private static func conflict(
    _ database: TestDatabase, _ side: SideConnection
  ) async throws {
    try await database.waitForLockWaiters(1)
    try await database.query(
      """
      set transaction isolation level serializable;
      select sum(balance) from account; update account set balance = balance - 150 where id = 2
      """)
    try await side.letGo()
  }

  @Test func `a serialization failure is replayed`() async throws {
    try await Self.withAccounts { harness, database, side in
      try await side.hold(1)
      async let answer = harness.execute(Self.skewed(""))
      try await Self.conflict(database, side)
      let answered = try await answer
      #expect(answered["attempts"]?.text == "2")
      #expect(answered["results"]?.elements.count == 3)
      // The second time it saw the other one's work, and ran once.
      #expect(answered["results"]?[0]?["rows"]?[0]?["sum"]?.text == "50")
      #expect(
        try await database.query("select balance from account order by id") == [["-50"], ["-50"]])
    }
  }

  @Test func `with one attempt it is told, as worth another try`() async throws {
    try await Self.withAccounts { harness, database, side in
      try await side.hold(1)
      async let failure = harness.failure(of: Self.skewed(#""max_attempts": 1,"#))
      try await Self.conflict(database, side)
      let problem = try #require(try await failure?.problem)
      #expect(problem.serverError?.sqlState == .serializationFailure)
      #expect(problem.status == 409 && problem.retryable)
      #expect(problem.outcome == .rolledBack)
      #expect(
        try await database.query("select balance from account order by id") == [["100"], ["-50"]])
    }
  }

  @Test func `a conflict inside a group that continues is replayed, not swallowed`() async throws {
    try await Self.withAccounts { harness, database, side in
      try await side.hold(1)
      async let answer = harness.execute(
        """
        {"isolation": "repeatable_read", "statements": [{"sql": "select 1 from account"},
          {"sql": "select pg_advisory_xact_lock(1)"},
          {"savepoint": [{"sql": "update account set balance = 0 where id = 2"}],
           "on_error": "continue"}]}
        """)
      try await Self.conflict(database, side)
      let answered = try await answer
      #expect(answered["attempts"]?.text == "2")
      #expect(answered["results"]?[2]?["savepoint"]?.text == "released")
      #expect(
        try await database.query("select balance from account order by id") == [["100"], ["0"]])
    }
  }

  @Test func `a deadlock is replayed, and both transactions are stored once`() async throws {
    try await Self.withAccounts { harness, database, side in
      try await side.hold(1, 2)
      func transfer(_ lock: Int, _ first: Int, _ second: Int) -> String {
        """
        {"settings": {"deadlock_timeout": "10ms"}, "max_attempts": 20, "statements": [
          {"sql": "update account set balance = balance + 1 where id = \(first)"},
          {"sql": "select pg_advisory_xact_lock(\(lock))"},
          {"sql": "update account set balance = balance + 10 where id = \(second)"}]}
        """
      }
      async let one = harness.execute(transfer(1, 1, 2))
      async let other = harness.execute(transfer(2, 2, 1))
      try await database.waitForLockWaiters(2)
      try await side.letGo()
      let attempts = try await [one, other].map { try #require($0["attempts"]?.text) }
        .compactMap { Int($0) }.sorted()
      // The one that lost may take its first row again before the other one is awake, and lose again.
      #expect(attempts.count == 2 && attempts[0] == 1 && attempts[1] >= 2, "\(attempts)")
      #expect(
        try await database.query("select balance from account order by id") == [["111"], ["111"]])
    }
  }

  @Test func `an error that is no conflict is not replayed`() async throws {
    try await Self.withAccounts { harness, database, _ in
      try await database.query("create sequence runs")
      let error = try await harness.failure(
        of: #"{"statements": [{"sql": "select nextval('runs')"}, {"sql": "select 1/0"}]}"#)
      #expect(error?.problem.serverError?.sqlState == "22012")
      #expect(try await database.value("select last_value from runs") == "1")
    }
  }

  // MARK: Prepared statements

  @Test func `a statement whose columns have changed heals by one replay`() async throws {
    try await Self.withAccounts(connections: 1) { harness, database, _ in
      let document = #"{"max_attempts": 1, "statements": [{"sql": "select * from account"}]}"#
      for column in ["c1", "c2"] {
        for expected in ["1", "1"] {
          #expect(try await harness.execute(document)["attempts"]?.text == expected)
        }
        try await database.query("alter table account add column \(column) int")
        let answer = try await harness.execute(document)
        #expect(answer["attempts"]?.text == "2")
        let names = answer["results"]?[0]?["columns"]?.elements.map { $0["name"]?.text }
        #expect(names?.last == column)
      }
    }
  }

  @Test func `it heals inside a group that continues, too`() async throws {
    try await Self.withAccounts(connections: 1) { harness, database, _ in
      let document =
        #"{"statements": [{"savepoint": [{"sql": "select * from account"}], "on_error": "continue"}]}"#
      _ = try await harness.execute(document)
      try await database.query("alter table account add column c int")
      let answer = try await harness.execute(document)
      #expect(answer["results"]?[0]?["savepoint"]?.text == "released")
    }
  }

  @Test func `all connections may have it out of date at the same time`() async throws {
    try await Self.withAccounts(connections: 4) { harness, database, side in
      let document = """
        {"statements": [{"sql": "select pg_advisory_xact_lock_shared(1)"},
          {"sql": "select * from account"}]}
        """
      for column in ["c1", "c2", "c3"] {
        // All four connections know the statement.
        try await side.hold(1)
        async let warm = Self.run(document, times: 4, harness)
        try await database.waitForLockWaiters(4)
        try await side.letGo()
        try await warm
        try await database.query("alter table account add column \(column) int")
        try await Self.run(document, times: 40, harness)
      }
    }
  }

  @Test func `it heals even if every other connection is out of date`() async throws {
    try await Self.withAccounts(connections: 2) { harness, database, side in
      let document = """
        {"statements": [{"sql": "select pg_advisory_xact_lock_shared(1)"},
          {"sql": "select * from account"}]}
        """
      try await side.hold(1)
      async let warm = Self.run(document, times: 2, harness)
      try await database.waitForLockWaiters(2)
      try await side.letGo()
      try await warm
      try await database.query("alter table account add column c int")
      // Whatever the transaction gives back goes to somebody else.
      let first = try await harness.pool.lease(onLoop: 0, until: .now + .seconds(10))
      try await side.hold(1)
      async let answer = harness.execute(document)
      try await database.waitForLockWaiters(1)
      async let second = harness.pool.lease(onLoop: 0, until: .now + .seconds(10))
      for _ in 0..<10 { await harness.group.loops[0].run {} }
      try await side.letGo()
      let taken = try await second
      await harness.pool.release(first)
      let answered = try? await answer
      await harness.pool.release(taken)
      #expect(answered?["attempts"]?.text == "2")
    }
  }

  private static func run(
    _ document: String, times: Int, _ harness: ExecutorHarness
  ) async throws {
    try await withThrowingTaskGroup { tasks in
      for _ in 0..<times { tasks.addTask { _ = try await harness.execute(document) } }
      try await tasks.waitForAll()
    }
  }

  @Test(arguments: [
    "deallocate all", "discard plans; deallocate all", "prepare transom_99 as select 1",
  ])
  func `a client that takes prepared statements or their names away harms nobody`(
    _ sql: String
  ) async throws {
    try await Self.withAccounts(connections: 1) { harness, _, _ in
      let document =
        #"{"statements": [{"sql": "select * from account where id = $1", "params": [1]}]}"#
      _ = try await harness.execute(document)
      for command in sql.split(separator: ";") {
        _ = try await harness.execute(#"{"statements": [{"sql": "\#(command)"}]}"#)
      }
      for number in 0..<120 {
        _ = try await harness.execute(document)
        _ = try await harness.execute(#"{"statements": [{"sql": "select \#(number)"}]}"#)
      }
    }
  }
}
