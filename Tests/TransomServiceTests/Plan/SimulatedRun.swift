import TransomPostgres
import TransomService

/// Carries out what `PlanStateMachine` decides, on a simulated server, and writes down what a
/// client would be told.
struct SimulatedRun {
  private(set) var outcome: PlanStateMachine.Outcome?
  private(set) var results: [TransactionModel.Result] = []
  private(set) var roundTrips = 0
  private(set) var server = SimulatedServer()
  /// What was wrong with what the machine said on its way.
  private(set) var mistakes: [String] = []

  private let tree: TransactionTree
  private let plan: TransactionPlan
  private let groupFaults: [Int: TransactionTree.GroupFault]
  private var machine: PlanStateMachine
  /// The results of each open group, and at the bottom of the transaction itself.
  private var frames: [[TransactionModel.Result]] = [[]]
  private var failures = 0
  private var commitIsAnswered = false

  private struct Command {
    var sql: String
    var number: Int?
    var fault: SimulatedServer.Fault?
  }

  init(_ tree: TransactionTree) throws {
    self.tree = tree
    plan = TransactionPlan(try tree.request())
    groupFaults = tree.groupFaults
    machine = PlanStateMachine(plan)
    var pipeline = machine.first
    while let next = try run(pipeline) { pipeline = next }
    results = frames[0]
    if frames.count != 1 { mistakes.append("\(frames.count - 1) groups are left open") }
  }

  /// Sends a pipeline, and returns the next one.
  private mutating func run(
    _ pipeline: PlanStateMachine.Pipeline
  ) throws -> PlanStateMachine.Pipeline? {
    roundTrips += 1
    let answers = commands(of: pipeline).map { server.execute($0.sql, $0.number, fault: $0.fault) }
    let refusal = server.sync(fault: tree.fault == .commit ? .refused : nil)
    checkFate()
    for answer in answers {
      switch answer {
      case .success(let isCommit):
        commitIsAnswered = commitIsAnswered || isCommit
        record(machine.succeeded(tagIsCommit: isCommit))
      case .failed(let state): machine.failed(ServerError(sqlState: state, message: ""))
      case .skipped: machine.skipped()
      }
      checkFate()
    }
    if let refusal { machine.failed(ServerError(sqlState: refusal, message: "")) }
    checkFate()
    let mayRecover = failures != tree.lastFailure
    failures += 1
    switch machine.synced(mayRecover: mayRecover) {
    case .finished(let outcome):
      self.outcome = outcome
      if tree.isImplicit, failures == 1 { commitIsAnswered = outcome == .committed }
      checkFate()
      return nil
    case .rollback:
      checkFate()
      frames = [[]]
      return .rollback
    case .proceed(let next):
      checkFate()
      return next
    case .recover(let next, let failure, let depth):
      checkFate()
      undo(depth, failure)
      return next
    }
  }

  /// What would be told if the connection were lost now: the server may have carried out the
  /// whole pipeline, or no more than what was answered.
  private mutating func checkFate() {
    switch machine.fateIfLost {
    case .ended(.committed) where !commitIsAnswered:
      mistakes.append("told to be stored, but may not be")
    case .notStored where server.hasCommitted:
      mistakes.append("told not to be stored, but is")
    case .ended, .notStored, .unknown: break
    }
  }

  private mutating func record(_ effect: PlanStateMachine.Effect) {
    switch effect {
    case .none, .claimed, .identified: break
    case .result(let statement): append(.statement(number(of: statement) ?? -1))
    case .emitted: mistakes.append("an event, though there is none")
    case .run: mistakes.append("a run of a batch, though there is none")
    case .groupBegan: frames.append([])
    case .groupReleased: append(.released(frames.popLast() ?? []))
    }
  }

  private mutating func undo(_ depth: Int, _ failure: PlanStateMachine.Failure) {
    guard depth < frames.count else {
      mistakes.append("no group is open at depth \(depth)")
      return
    }
    let results = frames[depth]
    frames.removeSubrange(depth...)
    let pointer = failure.step.flatMap(plan.pointer(of:))
    append(.rolledBack(at: pointer, failure.error?.sqlState ?? "", results))
  }

  private mutating func append(_ result: TransactionModel.Result) {
    frames[frames.count - 1].append(result)
  }

  // MARK: Commands

  private func commands(of pipeline: PlanStateMachine.Pipeline) -> [Command] {
    switch pipeline {
    // The end of an implicit transaction is the sync.
    case .run(let steps): return plan.steps[plan.isImplicit ? steps.dropLast() : steps].map(command)
    case .rollback: return [Command(sql: "ROLLBACK")]
    case .recover(let group, let steps):
      let fault = groupFaults[group]
      return [
        Command(sql: plan.rollbackSQL(of: group), fault: fault == .rollback ? .refused : nil),
        Command(
          sql: plan.releaseSQL(of: group),
          fault: fault == .releaseAfterRollback ? .refused : nil),
      ] + plan.steps[steps].map(command)
    }
  }

  private func command(_ step: TransactionPlan.Step) -> Command {
    var command = Command(sql: plan.sql(of: step))
    if case .statement(let index) = step { command.number = number(of: index) }
    command.fault = fault(of: step)
    return command
  }

  private func number(of statement: Int) -> Int? {
    plan.parameters.text(at: plan.statements[statement].parameters.lowerBound).flatMap { Int($0) }
  }

  private func fault(of step: TransactionPlan.Step) -> SimulatedServer.Fault? {
    switch (step, tree.fault) {
    case (.begin, .begin), (.role, .role), (.setting, .setting), (.end, .commit): return .refused
    case (.end, .commitUndone): return .undone
    case (.savepoint(let group), _): return groupFaults[group] == .savepoint ? .refused : nil
    case (.release(let group), _): return groupFaults[group] == .release ? .refused : nil
    default: return nil
    }
  }
}
