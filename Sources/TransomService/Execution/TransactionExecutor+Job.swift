internal import TransomEventLoop
internal import TransomPostgres

extension TransactionExecutor {
  /// A request on its way.
  struct Job {
    var plan: TransactionPlan
    /// Matters if the plan is idempotent.
    let key: IdempotencyKey?
    let rowFormat: TransactionRequest.RowFormat
    let alias: String
    let database: LoopPool
    let deadline: MonotonicInstant
    let timeout: Duration
    let maxAttempts: Int
    let interruption: Interruption
    let limits: ExecutionLimits
    let stream: AnswerStream?
    /// Where the answer is written; empty while a writer has it, so that it has one owner.
    var buffer: [UInt8]
    var attempts = 0
    var timing = TransactionAnswer.Timing()
    /// Whether the results of the last attempt were larger than the limit.
    var receivedTooMuch = false
    /// By which statement's, if it is known.
    var overflowing: String?
    /// How many attempts were our own affair, whatever number of them the client allowed.
    var ownAttempts = 0
    /// Statements that PostgreSQL had prepared and that no longer fit the catalogue are replaced once.
    var hasRenewedStatements = false
    /// Whether a part of the answer is on its way to the client already.
    var hasBegunStream = false
    /// Whether an attempt with an Idempotency-Key may be stored: the next one finds out.
    var isInDoubt = false
    /// Whether another request has used the Idempotency-Key, or may be about to: what became of that is not known yet.
    var isKeyTaken = false
    /// Whether the answer was kept from an earlier request.
    var isReplay = false
    /// When the answers of the last attempt came, and when it had ended.
    var times: AnswerTimes?
    var endedAt = MonotonicInstant(sinceOrigin: .zero)

    var isSlow: Bool {
      guard let limit = limits.slowFrom else { return false }
      return timing.queue + timing.execute >= limit
    }

    mutating func takeBuffer() -> [UInt8] { exchange(&buffer, with: []) }

    var mayReplay: Bool {
      attempts - ownAttempts < maxAttempts && interruption.reason == nil && !hasBegunStream
    }

    /// Whether so much came of the last attempt that it was cancelled, to be run again with an end that waits until all of
    /// it was counted.
    var shouldEndApart: Bool {
      receivedTooMuch && plan.mayStore && !plan.endsApart && interruption.reason == nil
    }
  }
}
