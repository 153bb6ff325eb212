import TestSupport
import Testing
import TransomCluster
import TransomEventLoop
import TransomPostgres
@testable import TransomService

/// A connection that is lost while the transaction is being committed: what became of it is found out on another one.
@Suite struct CommitInDoubtTests {
  /// COMMIT waits for lock 1, and refuses a 13 then.
  private static let schema = """
    create table t (n int);
    create function wait() returns trigger language plpgsql as $$
    begin
      perform pg_advisory_xact_lock(1);
      if new.n = 13 then raise 'unlucky' using errcode = '23514'; end if;
      return null;
    end $$;
    create function store(n int) returns int language sql as 'insert into t values (n) returning n';
    create constraint trigger wait after insert on t deferrable initially deferred
      for each row execute function wait();
    """

  private static func document(_ number: Int, explicit: Bool = false) -> String {
    let isolation = explicit ? #""isolation": "repeatable_read", "# : ""
    return """
      {\(isolation)"statements": [{"sql": "insert into t values ($1) returning n", "params": [\(number)]}]}
      """
  }

  /// Sends a transaction that waits in the middle of COMMIT, cuts the line, and goes on with `then`.
  private func lose(
    _ document: String, in cluster: PrivateCluster? = nil,
    then: (SideConnection) async throws -> Void,
    check: (Result<JSONTree, any Error>, TestDatabase) async throws -> Void
  ) async throws {
    func run(_ database: TestDatabase) async throws {
      try await database.query(Self.schema)
      let proxy = try FaultProxy.start(before: database.cluster)
      defer { proxy.stop() }
      try await withExecutor(for: database) {
        $0.connectionString = proxy.connectionString(database: database.name)
        $0.connections = 2
        $0.hasOutbox = document.contains("on_commit")
      } _: { harness in
        _ = try await harness.backend()
        try await withSideConnection(database) { side in
          try await side.hold(1)
          let before = proxy.bytesPassed(.toClient)
          let answer = Task { try await harness.execute(document) }
          try await database.waitForLockWaiters(1)
          // What was flushed before COMMIT comes at once, and as a whole.
          try await eventually("the results have come") { proxy.bytesPassed(.toClient) > before }
          proxy.cutAll()
          try await then(side)
          try await check(await answer.result, database)
        }
      }
    }
    if let cluster {
      try await withDatabase(in: cluster, run)
    } else {
      try await withDatabase(run)
    }
  }

  @Test(arguments: [false, true])
  func `a commit that was carried out is answered as if nothing had been lost`(
    _ explicit: Bool
  ) async throws {
    try await lose(Self.document(7, explicit: explicit)) { side in
      try await side.letGo()
    } check: { answer, database in
      let tree = try answer.get()
      #expect(tree["status"]?.text == "committed")
      #expect(tree["results"]?[0]?["rows"]?[0]?["n"]?.text == "7")
      #expect(try await database.value("select count(*) from t") == "1")
    }
  }

  @Test func `an event tells which transaction it was, too`() async throws {
    let document = """
      {"statements": [{"sql": "insert into t values (7)"}],
        "on_commit": [{"event": "a"}, {"event": "b"}]}
      """
    try await lose(document) { side in
      try await side.letGo()
    } check: { answer, database in
      let tree = try answer.get()
      #expect(tree["status"]?.text == "committed")
      #expect(tree["events"]?.elements.map { $0["event"]?.text } == ["a", "b"])
      #expect(try await database.value("select count(*) from t") == "1")
      #expect(try await database.value("select count(*) from transom.new_events") == "2")
    }
  }

  @Test(arguments: [false, true])
  func `a commit that was refused is answered as a rollback`(_ explicit: Bool) async throws {
    try await lose(Self.document(13, explicit: explicit)) { side in
      try await side.letGo()
    } check: { answer, database in
      let problem = try problem(answer)
      #expect(problem.code == "connection-lost" && problem.status == 503)
      #expect(problem.outcome == .rolledBack && problem.retryable)
      #expect(try await database.value("select count(*) from t") == "0")
    }
  }

  @Test func `a commit that gets no further is ended, so that it can be told`() async throws {
    try await lose(Self.document(7)) { _ in
    } check: { answer, database in
      let problem = try problem(answer)
      #expect(problem.code == "connection-lost" && problem.outcome == .rolledBack)
      #expect(try await database.value("select count(*) from t") == "0")
    }
  }

  @Test func `a server that comes back tells, too`() async throws {
    let cluster = try await PrivateCluster.start(.temporary(settings: TestCluster.settings))
    try await lose(Self.document(7), in: cluster) { _ in
      try await cluster.restart()
    } check: { answer, database in
      let problem = try problem(answer)
      #expect(problem.code == "connection-lost" && problem.outcome == .rolledBack)
      #expect(try await database.value("select count(*) from t") == "0")
    }
    try await cluster.stop()
  }

  @Test func `a query that stores something by a function leaves no doubt, either`() async throws {
    let document = #"{"statements": [{"sql": "select store(7) as n"}]}"#
    try await lose(document) { side in
      try await side.letGo()
    } check: { answer, database in
      let tree = try answer.get()
      #expect(tree["results"]?[0]?["rows"]?[0]?["n"]?.text == "7")
      #expect(try await database.value("select count(*) from t") == "1")
    }
  }

  @Test(.timeLimit(.minutes(2)))
  func `a server that falls silent is not asked for ever`() async throws {
    try await withDatabase { database in
      let proxy = try FaultProxy.start(before: database.cluster)
      defer { proxy.stop() }
      try await withExecutor(for: database) {
        $0.connectionString = proxy.connectionString(database: database.name)
        $0.connections = 2
      } _: { harness in
        _ = try await harness.backend()
        proxy.stall(.toServer, .toClient)
        let loop = harness.group.loops[0]
        let fate = await withTaskExecutorPreference(loop) {
          await CommitResolver(harness.pool.onLoop(0), loop).fate(of: 7, since: .now)
        }
        #expect(fate == nil)
      }
    }
  }

  @Test
  func
    `that a transaction is committed is not believed of a server that has crashed since it began`()
    async throws
  {
    try await withDatabase { database in
      try await database.query("create table t (n int)")
      try await withExecutor(for: database, { _ in }) { harness in
        func fates(of id: UInt64) async -> [CommitResolver.Fate?] {
          let loop = harness.group.loops[0]
          return await withTaskExecutorPreference(loop) {
            let resolver = CommitResolver(harness.pool.onLoop(0), loop)
            // As of a crash, there are statistics since the start only.
            let before = MonotonicInstant.now + .seconds(-1_000_000)
            return [
              await resolver.fate(of: id, since: .now), await resolver.fate(of: id, since: before),
            ]
          }
        }
        let committed = try await database.value(
          "with a as (insert into t values (1)) select pg_current_xact_id()")
        #expect(
          await fates(of: try #require(committed.flatMap { UInt64($0) })) == [.committed, nil])
        let aborted = try await database.query(
          "begin; insert into t values (2); select pg_current_xact_id(); rollback")
        let id = try #require(aborted.joined().compactMap { $0.flatMap { UInt64($0) } }.first)
        #expect(await fates(of: id) == [.aborted, .aborted])
      }
    }
  }

  @Test func `a server that stops while it is asked is asked again, one that does not know is not`()
  {
    func isOfTheMoment(_ state: SQLState) -> Bool {
      ServerError(severity: "FATAL", sqlState: state, message: "").isOfTheMoment
    }
    #expect(["57P01", "57P03", "57014", "53300", "58030"].allSatisfy(isOfTheMoment))
    #expect(!["22023", "42501", "42883"].contains(where: isOfTheMoment))
  }

  private func problem(_ answer: Result<JSONTree, any Error>) throws -> Problem {
    let error = #expect(throws: ServiceError.self) { try answer.get() }
    return try #require(error?.problem)
  }
}
