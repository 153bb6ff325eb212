package import TransomPostgres

/// Runs a plan: which commands go out together, and what each answer means for the transaction.
///
/// Everything about savepoints is decided here, and nowhere else.
///
/// The theory: the whole plan goes out as one pipeline. If a command fails, PostgreSQL skips the rest of the
/// pipeline and leaves the transaction in its failed state. Then a second pipeline undoes the innermost
/// group around the failure that continues on error, and goes on behind that group; or, if there is none, rolls
/// the whole transaction back. Each failing group costs one round trip more; nothing else does.
///
/// An implicit transaction has no COMMIT: the sync commits, and if a command fails the server has rolled everything
/// back by then. An error of the commit itself, such as a deferred constraint's, comes after all answers, before `synced`.
///
/// Where a statement needs an earlier result, its own is expected to be of some size, or the runs of a batch may have different
/// columns, the plan is cut, and the next pipeline goes out when the one before has been answered.
///
/// Rules:
/// 1. A command is answered in the order in which it was sent, by `succeeded`, `failed` or `skipped`; `synced`
///    ends each pipeline and tells what to do next.
/// 2. The transaction is committed if, and only if, the COMMIT's own tag says so; an implicit one if the sync comes
///    without an error before it.
package struct PlanStateMachine: Sendable {
  /// Commands that go out together, with a sync at their end.
  package enum Pipeline: Equatable, Sendable {
    case run(Range<Int>)
    /// Undo a group, then go on.
    case recover(group: Int, then: Range<Int>)
    case rollback

    /// The steps of the plan that are in it.
    package var steps: Range<Int> {
      switch self {
      case .run(let steps), .recover(_, let steps): steps
      case .rollback: 0..<0
      }
    }
  }

  /// What a success means for the answer.
  package enum Effect: Equatable, Sendable {
    case none
    /// A statement's result is to be written.
    case result(statement: Int)
    /// One run's share of a batch's result; `rowCount` is that of all runs so far.
    case run(statement: Int, isFirst: Bool, isLast: Bool, rowCount: Int)
    /// A hook's event is stored. If it is the last one, the result may hold the transaction's id (`TransactionPlan.identifying`).
    case emitted(hook: Int)
    case groupBegan(Int)
    case groupReleased(Int)
    /// The Idempotency-Key is this transaction's.
    case claimed
    /// The result holds the transaction's id, be it that of the report; NULL if nothing has been written.
    case identified
  }

  /// What to do after a sync.
  package enum Next: Equatable, Sendable {
    /// All was well so far: send the next pipeline.
    case proceed(Pipeline)
    /// The group was undone on the server's side: say so in the answer; then send the pipeline.
    case recover(Pipeline, failed: Failure, depth: Int)
    case rollback
    case finished(Outcome)
  }

  /// A class, because an error has many fields and hardly any transaction has an error: what may hold one stays small.
  package final class Failure: Equatable, Sendable {
    package enum Cause: Equatable, Sendable {
      case server(ServerError)
      /// The statement found another number of rows than was expected.
      case expectation(TransactionRequest.Expectation, rowCount: Int)
      /// A run of a batch has other columns than the first one.
      case columns
      /// A reference leads to nothing; in words.
      case reference(String)
      /// A parameter is not what the server's type of it wants.
      case parameter(InvalidParameter)
      /// There is nothing to go on for: the time is over, or nobody waits any more.
      case interruption
    }

    /// The step that failed; nil for a command of ours that undoes a group.
    package let step: TransactionPlan.Step?
    package let cause: Cause

    package init(step: TransactionPlan.Step?, _ cause: Cause) {
      self.step = step
      self.cause = cause
    }

    package convenience init(step: TransactionPlan.Step?, error: ServerError) {
      self.init(step: step, .server(error))
    }

    /// What the server said, if it was the server.
    package var error: ServerError? {
      if case .server(let error) = cause { error } else { nil }
    }

    package static func == (a: Failure, b: Failure) -> Bool {
      a.step == b.step && a.cause == b.cause
    }
  }

  /// How the transaction ended. Nothing is stored but in the first case.
  package enum Outcome: Equatable, Sendable {
    case committed
    case dryRunRolledBack
    case rolledBack(Failure)
    /// COMMIT was refused, such as for a deferred constraint.
    indirect case commitRefused(ServerError)
    /// COMMIT was answered with ROLLBACK, although nothing had failed.
    case rolledBackSilently
  }

  /// What is known of a transaction whose connection is lost.
  package enum Fate: Equatable, Sendable {
    /// The end was answered: all is known.
    case ended(Outcome)
    case notStored
    /// COMMIT is on its way, and may be carried out.
    case unknown
  }

  private let plan: TransactionPlan
  /// What was sent last, or is to be sent.
  package private(set) var pipeline: Pipeline
  /// How many commands of the pipeline have been answered.
  private var answered = 0
  private var failure: Failure?
  /// Whether the failure undoes everything, whatever the groups say: the server has gone on behind it.
  private var undoesAll = false
  /// The rows of a batch's runs so far.
  private var rowCount = 0
  /// The failure that the rollback under way is for.
  private var fatal: Failure?
  private var ended: Outcome?

  package init(_ plan: TransactionPlan) {
    self.plan = plan
    pipeline = .run(plan.pipeline(from: 0))
  }

  /// The pipeline to send, at first.
  package var first: Pipeline { .run(plan.pipeline(from: 0)) }

  /// The failure that has been reported and not been dealt with.
  package var currentFailure: Failure? { failure ?? fatal }

  /// The failure that ended the transaction, if the connection is lost now: none that a group would have held up.
  package var failureIfLost: Failure? {
    guard let failure else { return fatal }
    return groupToRecover(failure) == nil ? failure : nil
  }

  /// What is stored if the connection is lost now.
  package var fateIfLost: Fate {
    if let ended { return .ended(ended) }
    guard sentEnd == plan.steps.count, !plan.isDryRun, !plan.isReadOnly else { return .notStored }
    guard let failure else { return .unknown }
    // The server skips what stands behind an error. One at COMMIT may come from after it was carried out.
    return failure.step == .end ? .unknown : .notStored
  }

  /// The statement that is answered next, if it is one.
  package var answering: Int? {
    switch step(at: answered) {
    case .statement(let index), .rerun(let index, _): index
    default: nil
    }
  }

  /// Whether that is not the first run of a batch.
  package var isAnsweringRerun: Bool {
    if case .rerun = step(at: answered) { true } else { false }
  }

  // MARK: Answers

  /// A command succeeded. Its tag matters for COMMIT only, and the number of rows that it counts for statements.
  package mutating func succeeded(tagIsCommit: Bool, rowCount: Int = 0) -> Effect {
    defer { answered += 1 }
    guard let step = step(at: answered), !undoesAll else { return .none }
    switch step {
    case .begin, .snapshot, .role, .setting, .keep, .verify: return .none
    case .report: return plan.tellsID(step) ? .identified : .none
    case .emit(let hook): return .emitted(hook: hook)
    case .claim: return .claimed
    case .identify: return .identified
    case .statement(let index): return statementSucceeded(index, run: 0, rowCount)
    case .rerun(let index, let run): return statementSucceeded(index, run: run, rowCount)
    case .savepoint(let group): return .groupBegan(group)
    case .release(let group): return .groupReleased(group)
    case .end:
      ended = plan.isDryRun ? .dryRunRolledBack : tagIsCommit ? .committed : .rolledBackSilently
      return .none
    }
  }

  private mutating func statementSucceeded(_ index: Int, run: Int, _ rows: Int) -> Effect {
    let statement = plan.statements[index]
    rowCount = run == 0 ? rows : rowCount + rows
    // A run before has failed: `columnsDiffer`.
    guard failure == nil else { return .none }
    let isLast = run + 1 == statement.runs ?? 1
    if isLast, let expectation = statement.expectation, !expectation.isMet(by: rowCount) {
      failure = Failure(step: .statement(index), .expectation(expectation, rowCount: rowCount))
      return .none
    }
    guard statement.runs != nil else { return .result(statement: index) }
    return .run(statement: index, isFirst: run == 0, isLast: isLast, rowCount: rowCount)
  }

  /// A run of a batch, the last command that succeeded, has other columns than the first one: the batch fails. False if the
  /// end is on its way already.
  ///
  /// The server knows nothing of it. What was sent behind the batch it has done, too, such as to leave the group: then there
  /// is no savepoint any more that undoes the batch, or another group's has its name.
  package mutating func columnsDiffer(of statement: Int) -> Bool {
    guard let sentEnd, sentEnd < plan.steps.count else { return false }
    failure = Failure(step: .statement(statement), .columns)
    switch plan.steps[sentEnd - 1] {
    case .statement(statement), .rerun(statement, _): break
    default: undoesAll = true
    }
    return true
  }

  /// One of the first commands of the pipeline to be sent refers to nothing: instead of being sent, the pipeline ends.
  package mutating func referenceFailed(_ reason: String, at index: Int = 0) {
    failure = Failure(step: step(at: index), .reference(reason))
  }

  /// A step of the pipeline to be sent has a parameter that cannot be sent: instead of being sent, the pipeline ends.
  package mutating func parameterFailed(_ parameter: InvalidParameter, at index: Int) {
    failure = Failure(step: step(index), .parameter(parameter))
  }

  /// The steps of the pipeline to be sent go out later, from this one on: something has to be found out first.
  package mutating func postpone(from index: Int) {
    switch pipeline {
    case .run(let steps): pipeline = .run(steps.lowerBound..<index)
    case .recover(let group, let steps):
      pipeline = .recover(group: group, then: steps.lowerBound..<index)
    case .rollback: break
    }
  }

  /// Whether all was well so far, and more of the plan is to be sent.
  package var isHalfway: Bool {
    guard let sentEnd else { return false }
    return failure == nil && fatal == nil && sentEnd < plan.steps.count
  }

  package mutating func failed(_ error: ServerError) {
    defer { answered += 1 }
    guard !undoesAll else { return }
    failure = Failure(step: step(at: answered), error: error)
  }

  package mutating func skipped() { answered += 1 }

  /// A pipeline has ended. Unless `mayRecover`, a failure undoes everything, whatever the groups say: because
  /// the time is over, or because the whole transaction will be run again.
  ///
  /// Unless `mayProceed`, nothing is sent but what undoes everything.
  package mutating func synced(mayRecover: Bool = true, mayProceed: Bool = true) -> Next {
    if let ended { return .finished(ended) }
    if let fatal { return .finished(.rolledBack(fatal)) }
    if plan.isImplicit, failure == nil, !isHalfway {
      ended = .committed
      return .finished(.committed)
    }
    if isHalfway, let next = sentEnd {
      guard mayProceed else { return undo(Failure(step: nil, .interruption)) }
      begin(.run(plan.pipeline(from: next)))
      return .proceed(pipeline)
    }
    guard let failure = exchange(&failure, with: nil) else {
      // Every pipeline but a rollback holds the end, which is answered or skipped after a failure.
      return .finished(.rolledBackSilently)
    }
    if failure.step == .end {
      guard !plan.isDryRun, let error = failure.error else {
        return .finished(.rolledBack(failure))
      }
      return .finished(.commitRefused(error))
    }
    guard !plan.isImplicit else { return .finished(.rolledBack(failure)) }
    guard mayRecover, let group = groupToRecover(failure) else { return undo(failure) }
    begin(.recover(group: group, then: plan.recovery(from: plan.groups[group].next)))
    return .recover(pipeline, failed: failure, depth: plan.groups[group].depth)
  }

  private mutating func undo(_ failure: Failure) -> Next {
    fatal = failure
    begin(.rollback)
    return .rollback
  }

  // MARK: How it works

  private mutating func begin(_ next: Pipeline) {
    pipeline = next
    answered = 0
  }

  /// The step behind the last one of the pipeline; nil if the pipeline undoes everything.
  private var sentEnd: Int? {
    switch pipeline {
    case .run(let steps), .recover(_, let steps): steps.upperBound
    case .rollback: nil
    }
  }

  /// The step whose answer is number `index` of the pipeline; nil for commands that undo.
  private func step(at index: Int) -> TransactionPlan.Step? {
    switch pipeline {
    case .run(let steps): step(steps.lowerBound + index)
    // ROLLBACK TO and RELEASE come first.
    case .recover(_, let steps): index < 2 ? nil : step(steps.lowerBound + index - 2)
    case .rollback: nil
    }
  }

  /// What fails behind the last command is the end of the transaction.
  private func step(_ index: Int) -> TransactionPlan.Step {
    index < plan.steps.count ? plan.steps[index] : .end
  }

  /// The innermost group around the failure that continues on error.
  private func groupToRecover(_ failure: Failure) -> Int? {
    guard let step = failure.step, !undoesAll else { return nil }
    var group = plan.group(of: step)
    while let current = group {
      if plan.groups[current].continuesOnError { return current }
      group = plan.groups[current].place.group
    }
    return nil
  }
}

/// A parameter that cannot be what the server's type of it wants.
package struct InvalidParameter: Equatable, Sendable {
  /// Where its flaw is, from the statement on: `/params/0/1/2`.
  package var pointer: String
  /// The flaw in words.
  package var reason: String

  package init(pointer: String, reason: String) {
    self.pointer = pointer
    self.reason = reason
  }
}
