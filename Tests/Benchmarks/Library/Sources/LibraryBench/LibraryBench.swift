import Foundation
import TransomPostgres

/// One workload of `library.py`, on one connection: how often it was done, in which time, and what it cost.
///
///     LibraryBench URL WORKLOAD SECONDS SCALE
@main
struct LibraryBench {
  /// Why there is nothing to report.
  private struct Failure: Error, CustomStringConvertible {
    let description: String
  }

  let database: Database
  let scale: Int

  static func main() async throws {
    let arguments = CommandLine.arguments
    guard arguments.count == 5, let seconds = Double(arguments[3]), let scale = Int(arguments[4])
    else {
      throw Failure(description: "usage: LibraryBench URL WORKLOAD SECONDS SCALE")
    }
    let databases = try Databases(["default": DatabaseConfiguration(url: arguments[1])])
    let database = try databases.default
    let bench = LibraryBench(database: database, scale: scale)
    // The task's own connection is used all the time.
    try await database.withConnection { _ in try await bench.run(arguments[2], seconds) }
    await databases.shutdown()
  }

  private func run(_ workload: String, _ seconds: Double) async throws {
    // Once before it counts, so that statements are prepared.
    try await perform(workload)
    let cpu = Self.cpuSeconds
    let start = ContinuousClock.now
    var count = 0
    repeat {
      try await perform(workload)
      count += 1
    } while ContinuousClock.now - start < .seconds(seconds)
    let time = (ContinuousClock.now - start) / .seconds(1)
    print(#"{"count": \#(count), "seconds": \#(time), "cpu": \#(Self.cpuSeconds - cpu)}"#)
  }

  private func perform(_ workload: String) async throws {
    switch workload {
    case "select": try await select()
    case "atomic": try await atomic()
    case "atomic-pipeline": try await atomicPipeline()
    case "many": try await many()
    case "iterate": try await iterate()
    default: throw Failure(description: "no such workload: \(workload)")
    }
  }

  private func select() async throws {
    let aid = Int.random(in: 1...100_000 * scale)
    let found = try await database.query(
      "select aid, abalance from pgbench_accounts where aid = \(aid)"
    ).only((Int, Int).self)
    guard found.0 == aid else { throw Failure(description: "wrong answer") }
  }

  /// The statements of pgbench's TPC-B-like transaction.
  private func statements() -> [Statement] {
    let aid = Int.random(in: 1...100_000 * scale)
    let bid = Int.random(in: 1...scale)
    let tid = Int.random(in: 1...10 * scale)
    let delta = Int.random(in: -5000...5000)
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

  private func atomic() async throws {
    try await database.atomic { tx in
      for statement in statements() { try await tx.execute(statement) }
    }
  }

  private func atomicPipeline() async throws {
    try await database.atomic { tx in
      let results = try await tx.pipeline(statements())
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

  /// User and system time of this process, in seconds.
  private static var cpuSeconds: Double {
    var usage = rusage()
    getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
    func seconds(_ time: timeval) -> Double { Double(time.tv_sec) + Double(time.tv_usec) / 1e6 }
    return seconds(usage.ru_utime) + seconds(usage.ru_stime)
  }
}
