import FoundationEssentials
import TestSupport
import Testing
import TransomEventLoop
import TransomPostgres
import TransomService

/// Random transactions on a real server, against the plain model.
@Suite struct RandomExecutionTests {
  @Test(arguments: [UInt64.random(in: 0 ... .max), 1])
  func `PostgreSQL stores, and the answer holds, what a plain walk over the request says`(
    _ seed: UInt64
  ) async throws {
    try await withExecutor {
      $0.loops = 2
      $0.connections = 6
    } _: { harness, database in
      try await database.query(TransactionTree.schema)
      var generator = TreeGenerator(seed: seed, hasFaults: false)
      let trees = (0..<600).map { _ in generator.next() }
      // All at once on a few connections, which the loops lend to each other.
      try await withThrowingTaskGroup { tasks in
        for worker in 0..<8 {
          tasks.addTask {
            for number in stride(from: worker, to: trees.count, by: 8) {
              let name: Comment = "seed \(seed), tree \(number): \(trees[number])"
              let seen = try await Self.run(trees[number], harness, onLoop: worker % 2)
              try #require(seen == Self.expected(trees[number]), name)
            }
          }
        }
        try await tasks.waitForAll()
      }
      let stored = trees.flatMap { TransactionModel($0).stored }
      #expect(stored.count > 100)
      #expect(
        try await database.query("select n from t order by n") == stored.sorted().map { ["\($0)"] },
        "seed \(seed)")
      #expect(try await database.value("select count(*) from child") == "0")
    }
  }

  @Test(arguments: [UInt64.random(in: 0 ... .max), 1])
  func `each failing group costs one round trip, and nothing else does`(
    _ seed: UInt64
  ) async throws {
    try await withExecutor { harness, database in
      try await database.query(TransactionTree.schema)
      try await withTrace(harness) { trace in
        var generator = TreeGenerator(seed: seed, hasFaults: false)
        let trees = (0..<60).map { _ in generator.next() }
        for tree in trees { _ = try await Self.run(tree, harness, onLoop: 0) }
        // One more, which gets the only connection when it has been cleaned up.
        _ = try await harness.backend()
        let (syncs, cleanUps) = (try trace.syncs, try trace.cleanUps)
        let expected = trees.reduce(1) { $0 + TransactionModel($1).roundTrips }
        #expect(syncs == expected + cleanUps, "seed \(seed)")
      }
    }
  }

  @Test(arguments: [true, false])
  func `a transaction is one round trip, with role, settings and groups`(
    _ preparesStatements: Bool
  ) async throws {
    try await withExecutor {
      $0.preparesStatements = preparesStatements
    } _: { harness, database in
      try await database.query(TransactionTree.schema)
      try await withTrace(harness) { trace in
        for round in 1...3 {
          _ = try await harness.execute(
            """
            {"isolation": "serializable", "role": "postgres", "settings": {"a.b": "c"},
             "statements": [{"sql": "insert into t values ($1)", "params": [1]},
               {"savepoint": [{"sql": "select count(*) from t"},
                 {"savepoint": [{"sql": "insert into t values ($1)", "params": [2]}]}]}]}
            """)
          let syncs = try trace.syncs
          #expect(syncs == round)
        }
      }
    }
  }

  // MARK: What comes of it

  private enum Seen: Equatable {
    case answered(status: String, [TransactionModel.Result])
    case failed(code: String, at: String?, SQLState)
    case other(String)
  }

  private static func expected(_ tree: TransactionTree) -> Seen {
    let model = TransactionModel(tree)
    return switch model.outcome {
    case .committed: .answered(status: "committed", model.results)
    case .dryRun: .answered(status: "rolled_back", model.results)
    case .rolledBack(let pointer, let state):
      .failed(code: "statement-failed", at: pointer, state)
    case .commitRefused: .failed(code: "commit-failed", at: nil, "23503")
    case .undoneSilently: .other("undone")
    }
  }

  private static func run(
    _ tree: TransactionTree, _ harness: ExecutorHarness, onLoop loop: Int
  ) async throws -> Seen {
    do {
      let answer = try await harness.execute(try tree.request(), onLoop: loop)
      return .answered(
        status: answer["status"]?.text ?? "", answer["results"]?.elements.map(result) ?? [])
    } catch let error as ServiceError {
      let problem = error.problem
      guard let cause = problem.serverError, problem.outcome == .rolledBack else {
        return .other("\(error)")
      }
      return .failed(code: problem.code, at: problem.statement, cause.sqlState)
    }
  }

  private static func result(_ json: JSONTree) -> TransactionModel.Result {
    let inner = json["results"]?.elements.map(result) ?? []
    switch json["savepoint"]?.text {
    case "released": return .released(inner)
    case "rolled_back":
      let error = json["error"]
      return .rolledBack(
        at: error?["statement"]?.text, SQLState(error?["sqlstate"]?.text ?? ""), inner)
    default: return .statement(json["id"]?.text.flatMap { Int($0.dropFirst()) } ?? -1)
    }
  }
}

/// libpq's own record of what the pool's only connection sends and receives.
struct ProtocolTrace {
  let path: String

  /// How often the client has said that it waits for the server.
  var syncs: Int {
    get throws {
      let text = try String(contentsOfFile: path, encoding: .utf8)
      return text.split(separator: "\n").count { $0.hasPrefix("F\t") && $0.contains("\tSync") }
    }
  }

  /// How often the session was cleaned up, which nobody waits for.
  var cleanUps: Int {
    get throws {
      let text = try String(contentsOfFile: path, encoding: .utf8)
      return text.split(separator: "\n").count {
        $0.contains("\tParse") && $0.contains("RESET ALL")
      }
    }
  }
}

/// Traces the pool's only connection.
func withTrace(
  _ harness: ExecutorHarness, _ body: (ProtocolTrace) async throws -> Void
) async throws {
  let path =
    FileManager.default.temporaryDirectory.path + "/transom-trace-\(UInt64.random(in: 0 ... .max))"
  defer { try? FileManager.default.removeItem(atPath: path) }
  let lease = try await harness.pool.lease(onLoop: 0, until: .now + .seconds(10))
  await lease.connection.trace(to: path)
  await harness.pool.release(lease)
  try await body(ProtocolTrace(path: path))
}
