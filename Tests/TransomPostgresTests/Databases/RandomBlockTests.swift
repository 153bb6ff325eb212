import TestSupport
import Testing
import TransomPostgres

/// Random nested programs of blocks, statements, failures, hooks and flags on a real server, held against the model of the
/// rules that the state machine is held against, too.
struct RandomBlockTests {
  private typealias Step = TransactionStateMachineTests.Step
  private typealias Model = TransactionStateMachineTests.Model

  private struct Program: Sendable {
    let database: Database
    let log = Log()

    func run(_ steps: [Step], in block: Transaction? = nil) async throws {
      for step in steps {
        switch step {
        case .insert(let id): try await database.execute("insert into r (id) values (\(id))")
        case .fail: try await database.execute("select 1 / 0")
        case .setRollback: try block?.setRollback(true)
        case .hook(let id): try await database.onCommit { [log] in log.append("\(id)") }
        case .block(let savepoint, let body, let throwing, let isCaught):
          do {
            try await database.atomic(savepoint: savepoint) { tx in
              try await run(body, in: tx)
              if throwing { throw Boom() }
            }
          } catch  where isCaught {
            continue
          }
        }
      }
    }
  }

  @Test(arguments: 100..<106)
  func `random programs store what the rules say, and run the same hooks`(_ seed: UInt64)
    async throws
  {
    try await withDatabases { databases, _ in
      let database = try databases.default
      try await database.execute(
        "create table r (number int generated always as identity, id int)")
      var generator = SeededGenerator(seed: seed)
      for _ in 0..<40 {
        let steps = TransactionStateMachineTests.program(&generator)
        var model = Model()
        let modelThrew = (try? model.run(steps)) == nil
        let program = Program(database: database)
        let threw: Bool
        do {
          try await program.run(steps)
          threw = false
        } catch {
          threw = true
        }
        let stored = try await database.query("select id from r order by number").decode(Int.self)
        #expect(stored == model.rows, "seed \(seed): \(steps)")
        #expect(program.log.entries == model.ran.map { "\($0)" }, "seed \(seed): \(steps)")
        #expect(threw == modelThrew, "seed \(seed): \(steps)")
        try await database.execute("delete from r")
      }
      #expect(await database.connectionCounts.waiting == 0)
    }
  }
}
