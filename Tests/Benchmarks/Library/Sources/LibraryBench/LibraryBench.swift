import Foundation
import TransomPostgres

/// One workload of `library.py`: how often it was done, in which time, and what it cost.
///
///     LibraryBench URL WORKLOAD SECONDS SCALE TASKS CONNECTIONS
///
/// One task has a connection of its own all the time; of several, each takes one from the pool each time.
@main
struct LibraryBench {
  /// Why there is nothing to report.
  private struct Failure: Error, CustomStringConvertible {
    let description: String
  }

  let database: Database
  let scale: Int
  /// As cheap as that of the other side, which makes no system call either.
  var random = SplitMix()

  static func main() async throws { try await measure(CommandLine.arguments) }

  /// Off the main actor, to which `main` is bound.
  @concurrent private static func measure(_ arguments: [String]) async throws {
    guard arguments.count == 7, let seconds = Double(arguments[3]), let scale = Int(arguments[4]),
      let tasks = Int(arguments[5]), let connections = Int(arguments[6])
    else {
      throw Failure(description: "usage: LibraryBench URL WORKLOAD SECONDS SCALE TASKS CONNECTIONS")
    }
    var configuration = DatabaseConfiguration(url: arguments[1])
    configuration.pool.size = connections
    let databases = try Databases(["default": configuration])
    let database = try databases.default
    let workload = arguments[2]
    if tasks == 1 {
      try await database.withConnection { _ in
        var bench = LibraryBench(database: database, scale: scale)
        try await bench.perform(workload)
        let before = Usage.now
        before.report(try await bench.run(workload, until: before.start + .seconds(seconds)))
      }
    } else {
      try await all(tasks, database, scale) { bench in
        try await bench.perform(workload)
        return 0
      }
      let before = Usage.now
      let end = before.start + .seconds(seconds)
      before.report(
        try await all(tasks, database, scale) { bench in try await bench.run(workload, until: end) }
      )
    }
    await databases.shutdown()
  }

  /// How often so many tasks did something, all of them.
  @discardableResult
  private static func all(
    _ tasks: Int, _ database: Database, _ scale: Int,
    _ body: @escaping @Sendable (inout LibraryBench) async throws -> Int
  ) async throws -> Int {
    try await withThrowingTaskGroup(of: Int.self) { group in
      for _ in 0..<tasks {
        group.addTask {
          var bench = LibraryBench(database: database, scale: scale)
          return try await body(&bench)
        }
      }
      return try await group.reduce(0, +)
    }
  }

  private mutating func run(
    _ workload: String, until end: ContinuousClock.Instant
  ) async throws -> Int {
    var count = 0
    repeat {
      try await perform(workload)
      count += 1
    } while ContinuousClock.now < end
    return count
  }

  private mutating func perform(_ workload: String) async throws {
    switch workload {
    case "select": try await select()
    case "atomic": try await atomic()
    case "atomic-pipeline": try await atomicPipeline()
    case "many": try await many()
    case "iterate": try await iterate()
    default: throw Failure(description: "no such workload: \(workload)")
    }
  }

  private mutating func select() async throws {
    let aid = Int.random(in: 1...100_000 * scale, using: &random)
    let found = try await database.query(
      "select aid, abalance from pgbench_accounts where aid = \(aid)"
    ).only((Int, Int).self)
    guard found.0 == aid else { throw Failure(description: "wrong answer") }
  }

  /// The statements of pgbench's TPC-B-like transaction.
  private mutating func statements() -> [Statement] {
    let aid = Int.random(in: 1...100_000 * scale, using: &random)
    let bid = Int.random(in: 1...scale, using: &random)
    let tid = Int.random(in: 1...10 * scale, using: &random)
    let delta = Int.random(in: -5000...5000, using: &random)
    return [
      "update pgbench_accounts set abalance = abalance + \(delta) where aid = \(aid)",
      "select abalance from pgbench_accounts where aid = \(aid)",
      "update pgbench_tellers set tbalance = tbalance + \(delta) where tid = \(tid)",
      "update pgbench_branches set bbalance = bbalance + \(delta) where bid = \(bid)",
      """
      insert into pgbench_history (tid, bid, aid, delta, mtime)
      values (\(tid), \(bid), \(aid), \(delta), current_timestamp)
      """,
    ]
  }

  private mutating func atomic() async throws {
    let statements = statements()
    try await database.atomic { tx in
      for statement in statements { try await tx.execute(statement) }
    }
  }

  private mutating func atomicPipeline() async throws {
    let statements = statements()
    try await database.atomic { tx in
      let results = try await tx.pipeline(statements)
      guard results.allSatisfy({ $0.rowCount == 1 }) else {
        throw Failure(description: "wrong answer")
      }
    }
  }

  private func many() async throws {
    let count = try await database.withConnection { connection in
      try await connection.executeMany(1...10_000) {
        "insert into pgbench_history (tid, bid, aid, delta) values (1, 1, \($0), 0)"
      }
    }
    guard count == 10_000 else { throw Failure(description: "wrong answer") }
  }

  private func iterate() async throws {
    let sum = try await database.withConnection { connection in
      try await connection.cursor { cursor in
        var sum = 0
        try await cursor.execute("select g, 'some text' from generate_series(1, 1000000) g")
        for try await row in cursor { sum += try row.decode((Int, String).self).0 }
        return sum
      }
    }
    guard sum == 1_000_000 * 1_000_001 / 2 else { throw Failure(description: "wrong answer") }
  }
}

/// What the process has used of the processors.
struct Usage {
  let start: ContinuousClock.Instant
  /// User and system time, in seconds.
  private let cpu: Double

  static var now: Usage {
    var usage = rusage()
    getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
    func seconds(_ time: timeval) -> Double { Double(time.tv_sec) + Double(time.tv_usec) / 1e6 }
    return Usage(
      start: ContinuousClock.now, cpu: seconds(usage.ru_utime) + seconds(usage.ru_stime))
  }

  /// Tells what has been used since, for doing something `count` times.
  func report(_ count: Int) {
    let now = Usage.now
    let time = (now.start - start) / .seconds(1)
    print(#"{"count": \#(count), "seconds": \#(time), "cpu": \#(now.cpu - cpu)}"#)
  }
}

/// A generator of random numbers (Steele, Lea and Flood, 2014).
struct SplitMix: RandomNumberGenerator {
  private var state = UInt64.random(in: .min ... .max)

  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
    return mixed ^ (mixed >> 31)
  }
}
