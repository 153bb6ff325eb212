import Glibc
import Synchronization
import TestSupport
import Testing
import TransomCluster
import TransomPostgres
import TransomService

/// That no answer is wrong about what is stored, wherever the connection ends.
@Suite struct LostConnectionTests {
  private static let waiting = """
    {"statements": [{"sql": "insert into t values (1)"},
      {"sql": "select pg_advisory_xact_lock(1)"}, {"sql": "insert into t values (2)"}]}
    """

  /// Runs a transaction up to lock 1, has its server process ended, and returns the problem.
  private static func ending(
    _ document: String, _ harness: ExecutorHarness, _ database: TestDatabase,
    _ end: (_ backend: Int32) async throws -> Void
  ) async throws -> Problem {
    let backend = try await harness.backend()
    async let failure = harness.failure(of: document)
    try await database.waitForLockWaiters(1)
    try await end(backend)
    return try #require(try await failure?.problem)
  }

  @Test func `a server process that is told to end has rolled back, and says so`() async throws {
    try await withExecutor { harness, database in
      try await database.query(TransactionTree.schema)
      try await withSideConnection(database) { side in
        try await side.hold(1)
        let problem = try await Self.ending(Self.waiting, harness, database) {
          try await database.query("select pg_terminate_backend(\($0))")
        }
        #expect(problem.outcome == .rolledBack && problem.retryable)
        #expect(problem.status == 503)
        #expect(problem.serverError?.sqlState == "57P01")
        #expect(problem.statement == "/statements/1")
        try await side.letGo()
      }
      #expect(try await database.value("select count(*) from t") == "0")
      _ = try await harness.execute(Self.waiting)
      #expect(try await database.value("select count(*) from t") == "2")
    }
  }

  @Test(arguments: [
    ("", "commit-in-doubt", Outcome.unknown),
    // Nothing of these is ever stored.
    (#""dry_run": true,"#, "connection-lost", .rolledBack),
  ])
  func `a server process that is killed leaves the doubt that there is`(
    _ fields: String, _ code: String, _ outcome: Outcome
  ) async throws {
    // All of the server's processes end with it.
    let cluster = try await PrivateCluster.start(.temporary(settings: TestCluster.settings))
    try await withDatabase(in: cluster) { database in
      try await withExecutor(for: database) { _ in
      } _: { harness in
        try await database.query(TransactionTree.schema)
        let side = try await SideConnection(database)
        try await side.hold(1)
        let document = Self.waiting.replacing(#"{"statements""#, with: #"{\#(fields) "statements""#)
        let problem = try await Self.ending(document, harness, database) { kill($0, SIGKILL) }
        await side.close()
        #expect(problem.code == code && problem.outcome == outcome)
        #expect(problem.status == 503)
        try await eventually("the service works again") {
          (try? await harness.execute(Self.waiting)) != nil
        }
        #expect(try await database.value("select count(*) from t") == "2")
      }
    }
    try await cluster.stop()
  }

  /// Each row's number, and what its transaction's client was told.
  private final class Claims: Sendable {
    let told = Mutex<[Int: Outcome]>([:])
  }

  /// What else is in a transaction that stores a row.
  enum Company: Sendable, CaseIterable {
    case nothing
    /// One round trip more.
    case failingGroup
    /// A type that the server is asked about behind the transaction, in the same round trip.
    case knownType
    /// A type that is looked up behind the transaction, and one of a parameter before it.
    case newTypes

    /// Whether others can connect as soon as the line is cut, to find out what became of the transaction.
    fileprivate var isFoundOut: Bool { self != .nothing }

    fileprivate func statements(_ number: Int) -> (before: String, behind: String) {
      switch self {
      case .nothing: ("", "")
      case .failingGroup:
        (#"{"savepoint": [{"sql": "select 1/0"}], "on_error": "continue"},"#, "")
      case .knownType: ("", #", {"sql": "select array['x'::mood]"}"#)
      case .newTypes:
        (
          "",
          #", {"sql": "select 'x'::mood c\#(number) where $1::int[] is not null", "params": [[1]]}"#
        )
      }
    }
  }

  /// One row, and its company.
  private static func document(_ number: Int, _ company: Company) -> String {
    let (before, behind) = company.statements(number)
    return """
      {"timeout_ms": 10000, "statements": [\(before)
        {"sql": "insert into t values ($1)", "params": [\(number)]}, {"sql": "select 7"}\(behind)]}
      """
  }

  @Test(arguments: Company.allCases)
  func `wherever the answer is cut off, nothing is told that is not so`(
    _ company: Company
  ) async throws {
    let told = try await Self.sweep(.toClient, company, by: company == .newTypes ? 3 : 1)
    if company == .failingGroup { #expect(told.contains(.rolledBack)) }
  }

  @Test(arguments: Company.allCases)
  func `wherever the commands are cut off, nothing is told that is not so`(
    _ company: Company
  ) async throws {
    _ = try await Self.sweep(.toServer, company, by: company == .newTypes ? 9 : 3)
  }

  /// Cuts the line after 1, 1 + `step`, … bytes, up to where the transaction gets through.
  ///
  /// - Returns: all that was told.
  private static func sweep(
    _ direction: FaultProxy.Direction, _ company: Company, by step: Int
  ) async throws -> Set<Outcome> {
    try await withDatabase { database in
      try await database.query(TransactionTree.schema + "; create type mood as enum ('x')")
      let claims = Claims()
      // Side by side, each with a line of its own.
      try await withThrowingTaskGroup { tasks in
        for worker in 0..<4 {
          tasks.addTask {
            try await Self.sweep(
              direction, company, from: 1 + worker * step, by: 4 * step, database, claims)
          }
        }
        try await tasks.waitForAll()
      }
      try await database.waitForQuiet()
      let rows = try await database.query("select n from t where n < 1000000")
      let stored = Set(rows.compactMap { $0[0].flatMap { Int($0) } })
      let told = claims.told.withLock { $0 }
      for (number, outcome) in told {
        switch outcome {
        case .committed: #expect(stored.contains(number), "cut after \(number) bytes")
        case .rolledBack, .notStarted:
          #expect(!stored.contains(number), "cut after \(number) bytes")
        case .unknown: break
        }
      }
      #expect(stored.count == rows.count && stored.isSubset(of: told.keys))
      #expect(told.count * step > 80)
      return Set(told.values)
    }
  }

  private static func sweep(
    _ direction: FaultProxy.Direction, _ company: Company, from first: Int, by step: Int,
    _ database: TestDatabase, _ claims: Claims
  ) async throws {
    let proxy = try FaultProxy.start(before: database.cluster)
    defer { proxy.stop() }
    try await withExecutor(for: database) {
      $0.connectionString = proxy.connectionString(database: database.name)
    } _: { harness in
      var number = first
      var isWhole = false
      while !isWhole {
        // A new connection, which knows the statements then; the end of the last one may not be known yet.
        let warming = document(1_000_000 + number, company)
        try await eventually("a new connection") {
          try await harness.failure(of: warming) == nil
        }
        let before = proxy.bytesPassed(direction)
        proxy.cut(after: number, direction, by: number % 8 < 4 ? .close : .reset)
        let allowed = number
        let sent = document(number, company)
        let isThrough = Mutex(false)
        async let running = {
          defer { isThrough.withLock { $0 = true } }
          return try await Self.outcome(of: sent, harness)
        }()
        if company.isFoundOut {
          try await eventually("it is cut off or through") {
            isThrough.withLock { $0 } || proxy.bytesPassed(direction) - before >= allowed
          }
          proxy.pass()
        }
        let outcome = try await running
        // More bytes were allowed than there are.
        isWhole = proxy.bytesPassed(direction) - before < number
        proxy.pass()
        claims.told.withLock { $0[number] = outcome }
        if isWhole { #expect(outcome == .committed) }
        number += step
      }
    }
  }

  private static func outcome(
    of document: String, _ harness: ExecutorHarness
  ) async throws -> Outcome {
    try await harness.failure(of: document)?.problem.outcome ?? .committed
  }
}
