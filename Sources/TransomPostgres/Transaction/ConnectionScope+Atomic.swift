internal import Logging
internal import TransomEventLoop

extension ConnectionScope {
  /// Runs an atomic block.
  func atomic<Result>(
    _ request: TransactionStateMachine.Request, _ body: (Transaction) async throws -> Result
  ) async throws -> Result {
    let isOutermost = with { !$0.machine.isInBlock }
    return try await database.observedBlock(isOutermost: isOutermost) {
      try await runBlock(request, body)
    }
  }

  private func runBlock<Result>(
    _ request: TransactionStateMachine.Request, _ body: (Transaction) async throws -> Result
  ) async throws -> Result {
    try begin(request)
    let transaction = Transaction(self)
    let result: Result
    do {
      result = try await body(transaction)
    } catch {
      transaction.isExpired = true
      // The body's own error is the one to tell.
      try? await end(threw: true)
      throw error
    }
    transaction.isExpired = true
    try await end(threw: false)
    return result
  }

  func begin(_ request: TransactionStateMachine.Request) throws(PostgresError) {
    do {
      try with { state throws(TransactionStateMachine.Refusal) in
        if !state.machine.isInBlock {
          state.lastFailure = nil
          state.beganAt = .now
          state.mayHaveWritten = request.options.isReadOnly != true
        }
        try state.machine.blockBegan(request)
      }
    } catch {
      throw PostgresError(error)
    }
  }

  func end(threw: Bool) async throws {
    // Its rows are of no use to anybody any more, and what we send comes behind them. But those of a cursor around the block
    // are read on: if the block has sent anything, they have been fetched.
    if with({ $0.streamDepth >= $0.machine.depth }) { try? await abandonStream() }
    // A task that is cancelled wants nothing more to be done.
    let isCancelled = !threw && Task.isCancelled && with { $0.machine.depth == 1 }
    let ending = with { $0.machine.blockEnded(threw: threw || isCancelled) }
    switch ending {
    case .nothing(let isUndone):
      try await finish(isUndone ? nil : "committed")
    case .gone(let isFailure):
      try await finish(nil)
      if isFailure { throw PostgresError(.endedEarly) }
    case .commit:
      try await commit()
      try await finish("committed")
    case .rollback(let isFailure):
      _ = await send(["ROLLBACK"])
      with { $0.machine.ended() }
      database.countTransaction("rolled_back")
      try await finish(nil)
      if isFailure { throw rolledBack() }
    case .rollbackTo(let number, let isFailure):
      let name = "transom_\(number)"
      let reply = await send(["ROLLBACK TO SAVEPOINT \(name)", "RELEASE SAVEPOINT \(name)"])
      if let reply {
        with { $0.machine.rolledBackTo(number, succeeded: reply.firstError == nil) }
      }
      try await finish(nil)
      if isFailure { throw rolledBack() }
    }
    if isCancelled { throw CancellationError() }
  }

  private func rolledBack() -> PostgresError {
    PostgresError(
      .rolledBack, "the block was rolled back, because a statement in it had failed",
      server: with { $0.lastFailure })
  }

  /// Forgets the hooks of what is undone; after the outermost block, runs those that are left.
  private func finish(_ outcome: String?) async throws {
    let hooks = with { state -> [Hook] in
      state.hooks.removeSubrange(min(state.machine.hooks, state.hooks.count)...)
      guard !state.machine.isInBlock else { return [] }
      state.machine.hooksTaken()
      return exchange(&state.hooks, with: [])
    }
    guard !with({ $0.machine.isInBlock }) else { return }
    if !with({ $0.keepsConnection }) { release() }
    guard let outcome else { return }
    database.countTransaction(outcome)
    for hook in hooks { try await run(hook) }
  }

  func run(_ hook: Hook) async throws {
    guard hook.isRobust else { return try await hook.body() }
    do {
      try await hook.body()
    } catch {
      database.logger.error(
        "a robust onCommit hook failed",
        metadata: ["database": "\(database.alias)", "error": "\(error)"])
    }
  }

  /// Runs a hook after the commit, or at once outside of a transaction.
  func onCommit(_ hook: Hook) async throws {
    let waits = with { state in
      guard state.machine.hookRegistered() else { return false }
      state.hooks.append(hook)
      return true
    }
    if !waits { try await run(hook) }
  }

  // MARK: COMMIT

  private func commit() async throws {
    guard let connection = with({ $0.lease?.connection }) else {
      preconditionFailure("an open transaction has a connection")
    }
    let mayHaveWritten = with { $0.mayHaveWritten }
    let asks = mayHaveWritten && database.configuration.resolvesCommitInDoubt
    var exchange = Exchange()
    if asks {
      exchange = Exchange(Statement(sql: "SELECT pg_current_xact_id_if_assigned()::text"))
      exchange.flushesBeforeSuffix = true
    }
    exchange.suffix = ["COMMIT"]
    let reply = await connection.exchange(exchange)
    if reply.outcomes.count == exchange.commandCount, case .result(let result) = reply.outcomes.last
    {
      if reply.failure != nil { lost() } else { with { $0.machine.ended() } }
      guard result.handle.isCommit else { throw try await undone(rolledBack()) }
      return
    }
    // A server that is stopped while it commits does not tell whether it has: `FATAL` decides nothing.
    if let (index, error) = reply.firstError,
      error.severity == "ERROR" || index + 1 < exchange.commandCount
    {
      if reply.failure != nil {
        lost()
      } else if reply.status != .idle {
        // What ran before COMMIT was cancelled late.
        _ = await send(["ROLLBACK"])
      }
      with { $0.machine.ended() }
      // Taken away by a function, where its SQL does not show: the next transaction shall not fail by it, too.
      if error.isStaleStatement { await connection.forgetStatements() }
      throw try await undone(PostgresError(error))
    }
    lost()
    try await resolve(mayHaveWritten ? .init(reply, wasAskedFor: asks) : .none)
  }

  private func undone(_ error: PostgresError) async throws -> PostgresError {
    with { state in
      state.machine.hooksTaken()
      state.hooks = []
    }
    database.countTransaction("rolled_back")
    try await finish(nil)
    return error
  }

  /// The number by which the server knows a transaction; it gets one with its first change.
  private enum TransactionNumber {
    case unknown
    case none
    case known(String)

    init(_ reply: ExchangeReply, wasAskedFor: Bool) {
      guard wasAskedFor, case .result(let result) = reply.outcomes.first,
        result.handle.rowCount == 1
      else {
        self = .unknown
        return
      }
      self = PostgresValue(result, row: 0, column: 0).text.map { .known($0) } ?? .none
    }
  }

  /// Finds out on another connection what became of a COMMIT whose answer was lost.
  ///
  /// A transaction without a number has stored nothing, whether it was committed or not, so it is not in doubt. All the
  /// same it is no success: a serializable one may have been refused at COMMIT for what it read. Only a NOTIFY, which gets
  /// its number at COMMIT, may have been sent without our knowing.
  private func resolve(_ number: TransactionNumber) async throws {
    let id: String?
    switch number {
    case .none: throw try await undone(Self.notCommitted)
    case .unknown: id = nil
    case .known(let number): id = number
    }
    let begin = with { $0.beganAt }
    let deadline = ContinuousClock.now + database.configuration.inDoubtLimit
    while let id, ContinuousClock.now < deadline {
      switch await fate(of: id, since: begin, by: deadline) {
      case .committed: return
      case .aborted: throw try await undone(Self.notCommitted)
      case .inProgress, nil: await pause(.milliseconds(50))
      }
    }
    throw try await undone(
      PostgresError(
        .commitInDoubt(transactionID: id),
        "the connection was lost at COMMIT: whether it was done is not known"))
  }

  private static let notCommitted = PostgresError(
    .connectionLost, "the connection was lost at COMMIT, and nothing is stored")

  /// How long the answer to one question may take.
  private static let limitOfQuestion = Duration.seconds(3)

  /// Nil if nobody tells. A server that does not answer in time loses the connection.
  private func fate(
    of transactionID: String, since begin: MonotonicInstant, by deadline: ContinuousClock.Instant
  ) async -> TransactionFate? {
    guard let lease = try? await database.lease(onLoop: loop, isShielded: true) else { return nil }
    let reply = await lease.connection.exchange(
      Exchange(Statement(sql: TransactionFate.sql, parameters: [transactionID])),
      within: min(deadline - .now, Self.limitOfQuestion))
    await database.pool.release(lease)
    guard case .result(let result) = reply.outcomes.first, result.handle.rowCount == 1 else {
      return nil
    }
    return TransactionFate(
      status: PostgresValue(result, row: 0, column: 0).text,
      statisticsAge: PostgresValue(result, row: 0, column: 1).text, since: begin)
  }

  /// Waits, also in a cancelled task.
  private func pause(_ duration: Duration) async {
    await Task { try? await Task.sleep(for: duration) }.value
  }
}
