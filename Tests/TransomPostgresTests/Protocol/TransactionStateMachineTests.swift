import TestSupport
import Testing

@testable import TransomPostgres

/// Random nested programs of blocks, statements, failures, hooks and flags, run by the state machine against a
/// simulated server, and by a plain model of the rules; both must store the same and keep the same hooks.
struct TransactionStateMachineTests {
  indirect enum Step {
    case insert(Int)
    case fail
    case hook(Int)
    case setRollback
    case block(savepoint: Bool, [Step], throws: Bool, isCaught: Bool)
  }

  struct Abort: Error {}

  /// A server that knows savepoints, and refuses everything in a failed transaction.
  struct Server {
    var stored: [Int] = []
    var open: [Int]?
    var savepoints: [(name: String, count: Int)] = []
    var hasFailed = false
    var roundTrips = 0

    var status: TransactionStateMachine.ServerStatus {
      open == nil ? .idle : hasFailed ? .failed : .open
    }

    /// Runs a command; false if it failed.
    mutating func run(_ sql: String) -> Bool {
      let name = sql.split(separator: " ").last.map(String.init) ?? ""
      if sql == "ROLLBACK" {
        (open, savepoints, hasFailed) = (nil, [], false)
      } else if sql.hasPrefix("ROLLBACK TO") {
        guard let index = savepoints.lastIndex(where: { $0.name == name }) else { return fail() }
        open = open.map { Array($0.prefix(savepoints[index].count)) }
        savepoints.removeSubrange((index + 1)...)
        hasFailed = false
      } else if hasFailed {
        return false
      } else if sql == "BEGIN" {
        guard open == nil else { return fail() }
        open = stored
      } else if sql == "COMMIT" {
        guard let rows = open else { return fail() }
        (stored, open, savepoints) = (rows, nil, [])
      } else if sql.hasPrefix("SAVEPOINT") {
        savepoints.append((name, open?.count ?? 0))
      } else if sql.hasPrefix("RELEASE") {
        guard let index = savepoints.lastIndex(where: { $0.name == name }) else { return fail() }
        savepoints.removeSubrange(index...)
      } else if let id = Int(sql) {
        if open == nil { stored.append(id) } else { open?.append(id) }
      } else {
        return fail()
      }
      return true
    }

    private mutating func fail() -> Bool {
      hasFailed = open != nil
      return false
    }
  }

  /// Runs a program as `ConnectionScope` does.
  struct Machine {
    var machine = TransactionStateMachine()
    var server = Server()
    var hooks: [Int] = []
    var ran: [Int] = []

    mutating func statement(_ sql: String) throws {
      let commands = try machine.commandsBeforeStatement()
      var done = 0
      for command in commands where done >= 0 {
        guard server.run(command.sql) else { break }
        done += 1
      }
      let succeeded = done == commands.count && server.run(sql)
      machine.opened(done)
      machine.answered(server.status)
      if !succeeded { throw Abort() }
    }

    mutating func run(_ steps: [Step]) throws {
      for step in steps {
        switch step {
        case .insert(let id): try statement(String(id))
        case .fail: try statement("fail")
        case .setRollback: try? machine.setRollback(true)
        case .hook(let id):
          if machine.hookRegistered() { hooks.append(id) } else { ran.append(id) }
        case .block(let savepoint, let body, let throwing, let isCaught):
          do {
            try block(savepoint, body, throwing)
          } catch  where isCaught {
            continue
          }
        }
      }
    }

    mutating func block(_ savepoint: Bool, _ body: [Step], _ throwing: Bool) throws {
      try machine.blockBegan(.init(hasSavepoint: savepoint))
      var failure: (any Error)?
      do {
        try run(body)
        if throwing { throw Abort() }
      } catch {
        failure = error
      }
      var isCommitted = false
      switch machine.blockEnded(threw: failure != nil) {
      case .nothing(let isUndone): isCommitted = !isUndone
      case .commit:
        isCommitted = server.run("COMMIT")
        machine.ended()
      case .rollback(let isFailure):
        _ = server.run("ROLLBACK")
        machine.ended()
        if isFailure { failure = Abort() }
      case .rollbackTo(let number, let isFailure):
        let back = server.run("ROLLBACK TO SAVEPOINT transom_\(number)")
        let released = server.run("RELEASE SAVEPOINT transom_\(number)")
        machine.rolledBackTo(number, succeeded: back && released)
        if isFailure { failure = Abort() }
      case .gone: Issue.record("nothing was lost")
      }
      hooks.removeSubrange(machine.hooks...)
      if !machine.isInBlock {
        machine.hooksTaken()
        if isCommitted { ran += hooks }
        hooks = []
      }
      if let failure { throw failure }
    }
  }

  /// The rules in plain words: copies are kept, and put back.
  struct Model {
    var rows: [Int] = []
    var hooks: [Int] = []
    var ran: [Int] = []
    var depth = 0
    var needsRollback = false
    var isBroken = false

    mutating func statement(_ succeeds: Bool, _ id: Int = 0) throws {
      if depth > 0, needsRollback || isBroken { throw Abort() }
      guard succeeds else {
        isBroken = depth > 0
        throw Abort()
      }
      rows.append(id)
    }

    mutating func run(_ steps: [Step]) throws {
      for step in steps {
        switch step {
        case .insert(let id): try statement(true, id)
        case .fail: try statement(false)
        case .setRollback: if depth > 0 { needsRollback = true }
        case .hook(let id): if depth > 0 { hooks.append(id) } else { ran.append(id) }
        case .block(let savepoint, let body, let throwing, let isCaught):
          do {
            try block(savepoint, body, throwing)
          } catch  where isCaught {
            continue
          }
        }
      }
    }

    mutating func block(_ savepoint: Bool, _ body: [Step], _ throwing: Bool) throws {
      let before = (rows, hooks, isBroken)
      let isOutermost = depth == 0
      let isMerged = !isOutermost && (!savepoint || needsRollback)
      depth += 1
      var failure: (any Error)?
      do {
        try run(body)
        if throwing { throw Abort() }
      } catch {
        failure = error
      }
      depth -= 1
      let isUndone = failure != nil || needsRollback
      if isMerged {
        needsRollback = isUndone
      } else {
        needsRollback = false
        // What was broken before can only be mended by who stands further out.
        let broke = isBroken && !before.2
        if isUndone || isBroken { (rows, hooks) = (before.0, before.1) }
        if broke {
          isBroken = false
          if !isUndone { failure = Abort() }
        }
      }
      if isOutermost {
        ran += hooks
        hooks = []
      }
      if let failure { throw failure }
    }
  }

  static func program(_ generator: inout SeededGenerator, depth: Int = 0) -> [Step] {
    (0..<Int.random(in: 0...4, using: &generator)).map { _ in
      let number = Int.random(in: 1...1000, using: &generator)
      switch Int.random(in: 0..<(depth < 4 ? 12 : 6), using: &generator) {
      case 0...2: return .insert(number)
      case 3: return number % 3 == 0 ? .fail : .insert(number)
      case 4: return .hook(number)
      case 5: return number % 5 == 0 ? .setRollback : .hook(number)
      default:
        let body = program(&generator, depth: depth + 1)
        return .block(
          savepoint: number % 4 != 0, body, throws: number % 5 == 1, isCaught: number % 3 != 1)
      }
    }
  }

  @Test(arguments: 0..<40)
  func `random programs store what the rules say, and keep the same hooks`(_ seed: UInt64) throws {
    var generator = SeededGenerator(seed: seed)
    for _ in 0..<500 {
      let steps = Self.program(&generator)
      var machine = Machine()
      var model = Model()
      let machineThrew = (try? machine.run(steps)) == nil
      let modelThrew = (try? model.run(steps)) == nil
      #expect(machine.server.stored == model.rows, "seed \(seed): \(steps)")
      #expect(machine.ran == model.ran, "seed \(seed): \(steps)")
      #expect(machineThrew == modelThrew, "seed \(seed): \(steps)")
      #expect(machine.server.open == nil, "seed \(seed): \(steps)")
    }
  }

  @Test
  func `a block without statements sends nothing, and one with a statement sends all in front`()
    throws
  {
    var machine = TransactionStateMachine()
    try machine.blockBegan(.init(options: .init(isolation: .serializable)))
    try machine.blockBegan(.init())
    #expect(machine.blockEnded(threw: false) == .nothing(isUndone: false))
    try machine.blockBegan(.init())
    let commands = try machine.commandsBeforeStatement()
    #expect(commands.map(\.sql) == ["BEGIN ISOLATION LEVEL SERIALIZABLE", "SAVEPOINT transom_2"])
    machine.opened(2)
    machine.answered(.open)
    #expect(machine.blockEnded(threw: false) == .nothing(isUndone: false))
    #expect(try machine.commandsBeforeStatement() == [.release(2)])
    #expect(machine.blockEnded(threw: false) == .commit)
  }
}
