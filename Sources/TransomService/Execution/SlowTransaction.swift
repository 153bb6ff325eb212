internal import Logging
internal import TransomEventLoop
internal import TransomPostgres

/// When the answers to a transaction's statements came, as far as that is worth to be told.
///
/// PostgreSQL sends the answers to a pipeline when 8 KiB of them have gathered, or at its end. So what is known is when the
/// answers to some statements came together, and how long they took together: a step. Where a pipeline is cut, for a
/// reference or an expectation, or a statement returns much, steps are short.
struct AnswerTimes {
  struct Step {
    /// The last statement whose answer had come.
    var statement: Int
    var at: MonotonicInstant
  }

  /// Shorter ones are told together with the next: most transactions note none.
  private let shortest: Duration
  let start: MonotonicInstant
  private var last: MonotonicInstant
  private var statement = -1
  private(set) var steps: [Step] = []

  init(from start: MonotonicInstant, shortest: Duration) {
    self.start = start
    last = start
    self.shortest = shortest
  }

  /// An answer to this statement has come.
  mutating func answered(_ statement: Int) { self.statement = max(self.statement, statement) }

  /// Everything that came at this time has been taken.
  mutating func noted(at now: MonotonicInstant) {
    guard now - last >= shortest, statement > steps.last?.statement ?? -1 else { return }
    steps.append(Step(statement: statement, at: now))
    last = now
  }
}

/// A transaction that took long, for the log: its statements and times, and no value of a parameter.
final class SlowTransaction: Sendable {
  /// Of a statement's text.
  private static let textLimit = 1000
  /// Of all.
  private static let statementLimit = 100

  let metadata: Logger.Metadata

  init(_ job: TransactionExecutor.Job, outcome: Outcome, error: ServiceError?) {
    let timing = job.timing
    var metadata: Logger.Metadata = [
      "database": "\(job.alias)", "result": "\(outcome.rawValue)",
      "attempts": .stringConvertible(job.attempts),
      "duration_ms": Self.milliseconds(timing.queue + timing.execute),
      "queue_ms": Self.milliseconds(timing.queue),
      "execute_ms": Self.milliseconds(timing.execute),
      "encode_ms": Self.milliseconds(timing.encode),
    ]
    if let problem = error?.problem {
      metadata["problem"] = "\(problem.code)"
      metadata["statement"] = problem.statement.map { "\($0)" }
      metadata["sqlstate"] = problem.serverError.map { "\($0.sqlState.code)" }
    }
    if job.attempts > 0 { metadata["steps"] = .array(Self.steps(job)) }
    self.metadata = metadata
  }

  /// Those of the last attempt: the statements of each, and how long they took together. What was not answered comes last,
  /// with the transaction's end.
  private static func steps(_ job: TransactionExecutor.Job) -> [Logger.MetadataValue] {
    var first = 0
    guard let times = job.times else { return [] }
    var last = times.start
    var steps: [Logger.MetadataValue] = []
    let count = min(job.plan.statements.count, statementLimit)
    let end = AnswerTimes.Step(statement: job.plan.statements.count - 1, at: job.endedAt)
    for step in times.steps + [end] {
      let numbers = first..<max(first, min(step.statement + 1, count))
      steps.append(
        .dictionary([
          "ms": milliseconds(step.at - last),
          "statements": .array(numbers.map { statement($0, of: job.plan) }),
        ]))
      first = max(first, step.statement + 1)
      last = step.at
    }
    return steps
  }

  private static func statement(_ number: Int, of plan: TransactionPlan) -> Logger.MetadataValue {
    .dictionary([
      "at": "\(plan.pointer(of: .statement(number)) ?? "")",
      "sql": "\(plan.statements[number].sql.sql.prefix(textLimit))",
    ])
  }

  private static func milliseconds(_ duration: Duration) -> Logger.MetadataValue {
    .stringConvertible(Double(duration.microseconds) / 1000)
  }
}
