import TestSupport
import Testing
import TransomEventLoop
import TransomPostgres
import TransomService

/// That a transaction ends when its time is over, nobody waits for it, or its result is too large:
/// on the server, too, with nothing stored.
@Suite struct InterruptionTests {
  /// Stores a row, then waits for an advisory lock, then stores another one.
  private static func waiting(_ fields: String = "") -> String {
    """
    {\(fields) "statements": [{"sql": "insert into t values (1)"},
      {"sql": "select pg_advisory_xact_lock(1)"}, {"sql": "insert into t values (2)"}]}
    """
  }

  /// A database whose lock 1 is held, and a harness with one connection.
  private static func withLock(
    _ change: (inout ExecutorHarness.Configuration) -> Void = { _ in },
    _ body: (ExecutorHarness, TestDatabase, SideConnection) async throws -> Void
  ) async throws {
    try await withExecutor(change) { harness, database in
      try await database.query(TransactionTree.schema)
      try await withSideConnection(database) { side in
        try await side.hold(1)
        try await body(harness, database, side)
      }
    }
  }

  /// The error of a document whose time is over as soon as it waits for lock 1.
  private static func timeOver(
    _ document: String, _ harness: ExecutorHarness, _ database: TestDatabase
  ) async throws -> Problem? {
    let interruption = Interruption()
    async let failure = harness.failure(of: document, interruption)
    try await database.waitForLockWaiters(1)
    interruption.interrupt(.timedOut)
    return try await failure?.problem
  }

  @Test func `when the time is over, the statement is cancelled and all is rolled back`()
    async throws
  {
    try await Self.withLock { harness, database, _ in
      let backend = try await harness.backend()
      let problem = try #require(try await Self.timeOver(Self.waiting(), harness, database))
      #expect(problem.code == "timeout" && problem.status == 504)
      #expect(problem.outcome == .rolledBack)
      #expect(problem.statement == "/statements/1")
      // Before the answer went out, not some time after it.
      #expect(
        try await database.value(
          "select count(*) from pg_stat_activity where pid = \(backend) and state <> 'idle'") == "0"
      )
      #expect(try await database.value("select count(*) from t") == "0")
      // The cancellation may still be on its way: it must not meet the next transaction.
      #expect(try await harness.backend() != backend)
    }
  }

  @Test func `the configured limit is the most that a request gets`() async throws {
    try await Self.withLock {
      $0.limits.timeout = .milliseconds(100)
    } _: { harness, _, _ in
      for fields in ["", #""timeout_ms": 60000,"#] {
        let error = try await harness.failure(of: Self.waiting(fields))
        #expect(error?.problem.code == "timeout")
      }
    }
  }

  @Test func `a group that continues does not outlive the time`() async throws {
    try await Self.withLock { harness, database, _ in
      let problem = try await Self.timeOver(
        """
        {"statements": [{"sql": "insert into t values (1)"},
          {"savepoint": [{"sql": "select pg_advisory_xact_lock(1)"}], "on_error": "continue"}]}
        """, harness, database)
      #expect(problem?.code == "timeout")
      #expect(problem?.statement == "/statements/1/savepoint/0")
      #expect(try await database.value("select count(*) from t") == "0")
    }
  }

  @Test func `time that is over at COMMIT is told as such`() async throws {
    try await Self.withLock { harness, database, _ in
      try await database.query(
        """
        create function wait() returns trigger language plpgsql as
          $$ begin perform pg_advisory_xact_lock(1); return null; end $$;
        create constraint trigger waits after insert on t deferrable initially deferred
          for each row execute function wait()
        """)
      let problem = try await Self.timeOver(
        #"{"statements": [{"sql": "insert into t values (1)"}]}"#, harness, database)
      #expect(problem?.code == "timeout")
      #expect(problem?.outcome == .rolledBack)
      #expect(try await database.value("select count(*) from t") == "0")
    }
  }

  @Test(arguments: 1...12)
  func `time that is over just as the commands go out does not let them run on`(
    _ milliseconds: Int
  ) async throws {
    try await Self.withLock { harness, database, _ in
      for _ in 0..<4 {
        _ = try await harness.backend()
        let begin = ContinuousClock.now
        let error = try await harness.failure(
          of: Self.waiting(#""timeout_ms": \#(1 + milliseconds / 4),"#))
        #expect(error?.problem.code == "timeout", "\(String(describing: error))")
        #expect(ContinuousClock.now - begin < .seconds(4))
      }
      #expect(try await database.value("select count(*) from t") == "0")
    }
  }

  @Test func `a client that is gone ends its transaction`() async throws {
    try await Self.withLock { harness, database, _ in
      let interruption = Interruption()
      async let failure = harness.failure(of: Self.waiting(), interruption)
      try await database.waitForLockWaiters(1)
      interruption.interrupt(.clientGone)
      #expect(try await failure != nil)
      try await database.waitForQuiet()
      #expect(try await database.value("select count(*) from t") == "0")
    }
  }

  @Test func `what is interrupted before it begins does not begin`() async throws {
    try await Self.withLock { harness, database, _ in
      let document = #"{"statements": [{"sql": "insert into t values (1)"}]}"#
      let early = Interruption()
      early.interrupt(.clientGone)
      #expect(try await harness.failure(of: document, early) != nil)
      // About when it begins to wait for the only connection, and is given it.
      for _ in 0..<20 {
        let lease = try await harness.pool.lease(onLoop: 0, until: .now + .seconds(10))
        let late = Interruption()
        async let failure = harness.failure(of: document, late)
        await harness.group.loops[0].run {}
        late.interrupt(.clientGone)
        await harness.pool.release(lease)
        #expect(try await failure?.problem.outcome == .notStarted)
      }
      #expect(try await database.value("select count(*) from t") == "0")
    }
  }

  @Test func `time that is over while waiting for a connection started nothing`() async throws {
    try await Self.withLock { harness, _, _ in
      let lease = try await harness.pool.lease(onLoop: 0, until: .now + .seconds(10))
      let error = try await harness.failure(of: Self.waiting(#""timeout_ms": 30,"#))
      await harness.pool.release(lease)
      #expect(error?.problem.code == "timeout")
      #expect(error?.problem.outcome == .notStarted)
    }
  }

  @Test func `a pool that stays busy is told as such`() async throws {
    try await Self.withLock {
      $0.pool.waitLimit = .milliseconds(100)
    } _: { harness, _, _ in
      try await eventually("a connection is there") { (try? await harness.backend()) != nil }
      let lease = try await harness.pool.lease(onLoop: 0, until: .now + .seconds(10))
      let error = try await harness.failure(of: Self.waiting())
      await harness.pool.release(lease)
      #expect(error?.problem.code == "pool-timeout" && error?.problem.status == 503)
      #expect(error?.problem.outcome == .notStarted)
    }
  }

  @Test(arguments: [
    (#"{"sql": "select g, repeat('x', 100) from generate_series(1, 5000000) g"}"#, "/statements/1"),
    (
      #"{"savepoint": [{"sql": "select g, repeat('x', 100) from generate_series(1, 5000000) g"}], "#
        + #""on_error": "continue"}"#, "/statements/1/savepoint/0"
    ),
  ])
  func `a result over the limit is cancelled, and all is rolled back`(
    _ item: String, _ pointer: String
  ) async throws {
    try await withExecutor {
      $0.limits.response = 100_000
    } _: { harness, database in
      try await database.query(TransactionTree.schema)
      let backend = try await harness.backend()
      let error = try await harness.failure(
        of: #"{"statements": [{"sql": "insert into t values (1)"}, \#(item)]}"#)
      let problem = try #require(error?.problem)
      #expect(problem.code == "result-too-large" && problem.status == 422)
      #expect(problem.outcome == .rolledBack)
      #expect(problem.statement == pointer)
      #expect(try await database.value("select count(*) from t") == "0")
      // The limit is each transaction's own.
      #expect(try await harness.backend() != backend)
    }
  }
}
