internal import TransomEventLoop
internal import TransomPostgres

// What is told of a transaction that has not ended as it should have.
extension TransactionExecutor {
  nonisolated func error(
    for ending: TransactionRun.Ending, _ job: Job
  ) -> ServiceError {
    switch ending {
    case .finished(.committed), .finished(.dryRunRolledBack), .finished(.rolledBackSilently):
      return .internalError(
        detail: "PostgreSQL answered COMMIT with ROLLBACK although no statement had failed",
        outcome: .rolledBack)
    case .finished(.commitRefused(let error)):
      return cancelled(error, at: nil, job)
        ?? .commitFailed(error)
    case .finished(.rolledBack(let failure)):
      return failed(failure, job)
    case .lost(let error, let failure):
      if let failure { return failed(failure, job) }
      if job.receivedTooMuch { return tooLarge(at: nil, job) }
      if job.interruption.reason != nil { return timedOut(job) }
      return .connectionLost(pointer: nil, detail: error.description)
    case .inDoubt(let id):
      // What only reads stores nothing, whatever became of its end.
      if job.receivedTooMuch, !job.plan.mayStore { return tooLarge(at: nil, job) }
      return .commitInDoubt(transactionID: id.map(String.init), hasKey: false)
    case .notBegun:
      return timedOut(job)
    }
  }

  /// The transaction has ended as it should have, but not all of its results could be written.
  nonisolated func incomplete(
    _ ending: TransactionRun.Ending, _ job: Job, differing batch: Int?
  ) -> ServiceError {
    if case .finished(.committed) = ending { return .committedWithoutResults }
    if let batch { return .columnsDiffer(pointer: job.plan.pointer(of: .statement(batch)) ?? "") }
    if job.interruption.reason != nil { return timedOut(job) }
    return .connectionLost(pointer: nil, detail: "it was lost before the types were looked up")
  }

  private nonisolated func failed(
    _ failure: PlanStateMachine.Failure, _ job: Job
  ) -> ServiceError {
    let pointer = job.plan.pointer(of: failure)
    if let error = failure.error, let cause = cancelled(error, at: pointer, job) { return cause }
    if failure.cause == .interruption {
      return job.receivedTooMuch
        ? tooLarge(at: pointer, job)
        : .timedOut(pointer: pointer, milliseconds: job.timeout.milliseconds, started: true)
    }
    return ServiceError(failure, at: pointer)
  }

  nonisolated func tooLarge(
    at pointer: String?, _ job: Job, isCommitted: Bool = false
  ) -> ServiceError {
    .resultTooLarge(
      pointer: job.overflowing ?? pointer, limit: job.limits.response, isCommitted: isCommitted)
  }

  /// Why a command was cancelled; nil if it was not, or not by us.
  private nonisolated func cancelled(
    _ error: ServerError, at pointer: String?, _ job: Job
  ) -> ServiceError? {
    guard error.sqlState == .queryCanceled else { return nil }
    if job.receivedTooMuch { return tooLarge(at: pointer, job) }
    guard job.interruption.reason != nil else { return nil }
    return .timedOut(pointer: pointer, milliseconds: job.timeout.milliseconds, started: true)
  }
}
