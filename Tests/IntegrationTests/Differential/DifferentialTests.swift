import FoundationEssentials
import TestSupport
import Testing
import TransomEventLoop

/// Random transactions, posted to the service and executed one command at a time, with the same answers and the
/// same tables afterwards.
///
/// `TRANSOM_RANDOM_SEED` repeats a run, `TRANSOM_RANDOM_COUNT` makes a longer one: `make test-random`.
@Suite(.timeLimit(.minutes(30))) struct DifferentialTests {
  private static let workers = 4

  @Test func `the service answers and stores what one command at a time answers and stores`()
    async throws
  {
    let environment = ProcessInfo.processInfo.environment
    let seed =
      environment["TRANSOM_RANDOM_SEED"].flatMap { UInt64($0) } ?? UInt64.random(in: 0 ... .max)
    let count = environment["TRANSOM_RANDOM_COUNT"].flatMap { Int($0) } ?? 400
    print("differential test: TRANSOM_RANDOM_SEED=\(seed) TRANSOM_RANDOM_COUNT=\(count)")
    let group = try EventLoopGroup(count: 1)
    let schema = (0..<Self.workers).map(TransactionGenerator.schema(ofWorker:)).joined()
    let tally = try await withDatabase { db in
      try await withDatabase { twin in
        try await db.query(schema)
        try await twin.query(schema)
        let pool = ["--pool-size", "3", "--loops", "2"]
        return try await withService(for: db.connectionString, pool) { service in
          try await withThrowingTaskGroup(of: [String: Int].self) { tasks in
            for worker in 0..<Self.workers {
              tasks.addTask {
                let own = (count + worker) / Self.workers
                return try await DifferentialWorker.run(
                  own, seed: seed, worker: worker, service, db, twin, on: group.loops[0])
              }
            }
            return try await tasks.reduce(into: [:]) { $0.merge($1) { $0 + $1 } }
          }
        }
      }
    }
    await group.shutdown()
    print("differential test: \(tally.sorted { $0.key < $1.key })")
    // What is common must have come up, or the test would prove nothing.
    for kind in [
      "committed", "rolled_back", "statement-failed", "expectation-failed", "unresolved-reference",
      "commit-failed", "group undone",
    ] {
      #expect(tally[kind, default: 0] > 0, "seed \(seed): \(tally)")
    }
  }
}

/// One client of the service, with a twin.
private enum DifferentialWorker {
  /// Runs so many transactions, and returns how often what came of them.
  static func run(
    _ count: Int, seed: UInt64, worker: Int, _ service: Service, _ db: TestDatabase,
    _ twin: TestDatabase, on loop: EventLoop
  ) async throws -> [String: Int] {
    let client = try await service.connect()
    let checker = try await PlainConnection(to: db.connectionString, on: loop)
    let plain = try await PlainConnection(to: twin.connectionString, on: loop)
    let values = PlainValues(plain)
    var generator = TransactionGenerator(seed: seed &+ UInt64(worker), worker: worker)
    let contentSQL = TransactionGenerator.contentSQL(ofWorker: worker)
    var tally: [String: Int] = [:]
    for number in 0..<count {
      let transaction = generator.next()
      let document = transaction.document
      let expected = try await PlainExecution.answer(to: transaction, on: plain, values)
      let answer = try await client.post(document)
      let seen = answer.body.comparable
      let name: Comment = "seed \(seed), worker \(worker), transaction \(number): \(document)"
      try #require(seen == expected, name)
      if answer.status == 200, !transaction.changesTypes {
        try #require(answer.body["attempts"] == 1, name)
      }
      let content = try await checker.run(contentSQL).rows
      let expectedContent = try await plain.run(contentSQL).rows
      try #require(content == expectedContent, name)
      tally[answer.code ?? answer.body["status"].text ?? "", default: 0] += 1
      if document.contains("continue"), "\(seen)".contains("\"error\"") {
        tally["group undone", default: 0] += 1
      }
    }
    await client.close()
    await checker.close()
    await plain.close()
    return tally
  }
}

extension JSON {
  /// The members of an answer that the plain execution knows, too.
  fileprivate var comparable: JSON {
    guard case .object(let members) = self else { return self }
    if members["type"] != nil { return problem }
    return .object(
      members.filter { $0.key != "attempts" }.mapValues { value in
        switch value {
        case .array(let elements): .array(elements.map(\.comparableResult))
        default: value
        }
      })
  }

  private var comparableResult: JSON {
    guard case .object(var members) = self, members["savepoint"] != nil else { return self }
    if let error = members["error"] { members["error"] = error.problem }
    if case .array(let inner)? = members["results"] {
      members["results"] = .array(inner.map(\.comparableResult))
    }
    return .object(members)
  }

  private var problem: JSON {
    guard case .object(let members) = self else { return self }
    let known: Set = [
      "type", "status", "outcome", "statement", "sqlstate", "server_detail", "constraint",
      "position",
    ]
    return .object(
      members.filter { name, value in
        switch name {
        // Of errors of the server: where else Transom itself points to, and what it says, is its own affair.
        case "pointer", "detail": members["sqlstate"] != nil
        default: known.contains(name)
        }
      })
  }
}
