internal import TransomEventLoop
internal import TransomPostgres

/// One attempt of a plan on a leased connection: sends what `PlanStateMachine` wants, and writes the answer while
/// the results arrive.
struct TransactionRun: ~Copyable {
  /// How an attempt ended.
  enum Ending {
    case finished(PlanStateMachine.Outcome)
    /// The connection failed, and it is certain that nothing is stored.
    case lost(ConnectionError, PlanStateMachine.Failure?)
    /// The connection failed at the transaction's end. If its id is known, all results have come.
    case inDoubt(transactionID: UInt64?)
    /// It was interrupted before anything was sent.
    case notBegun

    var isCommitted: Bool {
      if case .finished(.committed) = self { true } else { false }
    }
  }

  /// What is known of the transaction's id.
  private enum Identity {
    case unknown
    case nothingWritten
    case transaction(UInt64)
  }

  private enum Progress {
    case ended(Ending)
    case waiting(for: PostgresConnection.Awaited)
    /// What there is of the answer is to be passed on first.
    case full
  }

  let plan: TransactionPlan
  let rowFormat: TransactionRequest.RowFormat
  /// The size of the answer, in bytes.
  let responseLimit: Int
  let interruption: Interruption
  private let number: Int
  /// Which errors will be answered by running everything again.
  private let replaysConflicts: Bool
  private let renewsStatements: Bool
  var machine: PlanStateMachine
  private var isDeallocating = false
  private var identity = Identity.unknown
  /// Whether the Idempotency-Key is this attempt's: no other transaction has used it, or will.
  var hasClaimed = false
  /// How many of the plan's commands have not been answered; what else is answered are the questions behind them.
  var unanswered = 0
  /// How many of them stand behind the questions.
  var unansweredBehind = 0
  var questions: CatalogueQuestions
  var parameters: StatementParameters
  /// Those of the hooks that the pipeline begins with.
  var hooks = ResolvedParameters()
  var pending = PendingResults()
  /// The types of the columns of the batch that is being answered; nil if it returns no rows.
  private var batchColumns: [OID]?
  /// The batch one of whose runs had other columns than the first one, which was known when the end was on its way.
  private(set) var differingBatch: Int?
  /// The answer, if it is passed on while the transaction runs. One or none, and not in here: it is large, mostly not
  /// there, and a run is moved from place to place.
  var streamed: [StreamedAnswer]
  /// Whether a sync was reached and not been dealt with.
  private var isSynced = false
  /// How the transaction ended, while its results are still pending.
  var outcome: PlanStateMachine.Outcome?
  /// Whether more came than the limit allows: then what ran was cancelled.
  private(set) var receivedTooMuch = false
  /// The statement by whose result the answer became larger than is allowed.
  var overflowing: Int?
  /// When the answers came.
  var times: AnswerTimes
  /// The time that reading the answers and writing them as JSON took.
  private(set) var encoding = Duration.zero

  /// Attempt `number` of a plan, from 1.
  init(
    plan: TransactionPlan, number: Int, types: KnownTypes, rowFormat: TransactionRequest.RowFormat,
    responseLimit: Int, interruption: Interruption, replaysConflicts: Bool, renewsStatements: Bool,
    times: AnswerTimes, streamed: [StreamedAnswer] = []
  ) {
    self.times = times
    self.plan = plan
    self.number = number
    self.rowFormat = rowFormat
    self.responseLimit = responseLimit
    self.interruption = interruption
    self.replaysConflicts = replaysConflicts
    self.renewsStatements = renewsStatements
    machine = PlanStateMachine(plan)
    questions = CatalogueQuestions(types)
    parameters = StatementParameters(plan)
    self.streamed = streamed
  }

  /// What is known of the types by now; nil if nothing was learned.
  var learnedTypes: KnownTypes? { questions.hasLearned ? questions.types : nil }

  /// Whether a part of the answer is on its way to the client already.
  var hasBegunStream: Bool { isStreamed && streamed[0].hasBegun }

  var isStreamed: Bool { !streamed.isEmpty }

  /// Whether results could not be written: what their types are could not be found out, or the runs of a batch differ.
  var isIncomplete: Bool { !pending.isEmpty || differingBatch != nil }

  /// Runs the plan; `writer` holds the answer if the transaction was committed, or was a dry run.
  ///
  /// On the connection's own loop that suspends for nothing but the server; from another one it moves there.
  mutating func attempt(
    _ writer: inout ResultWriter, into buffer: consuming [UInt8], on connection: PostgresConnection
  ) async -> Ending {
    if let form = plan.neon {
      writer.begin(form, into: buffer)
    } else {
      writer.begin(
        dryRun: plan.isDryRun, attempts: number,
        rows: rowFormat == .objects ? .objects : .arrays, into: buffer)
    }
    guard connection.loop.isCurrent, !isStreamed else {
      return await attemptOnLoop(&writer, on: connection)
    }
    var progress = connection.onLoop { begin(&writer, on: $0) }
    while case .waiting(let awaited) = progress {
      let wake = await connection.wait(for: awaited, isShielded: true)
      progress = connection.onLoop { resume(after: wake, &writer, on: $0) }
    }
    return Self.ending(of: progress)
  }

  /// The same on another loop, or with a client who may have to be waited for.
  private mutating func attemptOnLoop(
    _ writer: inout ResultWriter, on connection: isolated PostgresConnection
  ) async -> Ending {
    var progress = begin(&writer, on: connection)
    while true {
      await passLinesOn(on: connection)
      switch progress {
      case .ended(let ending): return ending
      case .full: progress = resume(after: nil, &writer, on: connection)
      case .waiting(let awaited):
        let wake = await connection.waitOnLoop(for: awaited)
        progress = resume(after: wake, &writer, on: connection)
      }
    }
  }

  private static func ending(of progress: Progress) -> Ending {
    guard case .ended(let ending) = progress else { preconditionFailure("an attempt waits on") }
    return ending
  }

  private mutating func begin(
    _ writer: inout ResultWriter, on connection: isolated PostgresConnection
  ) -> Progress {
    // From now on an interruption finds something to cancel, on this very loop.
    guard interruption.reason == nil else { return .ended(.notBegun) }
    defer { receivedTooMuch = connection.receivedTooMuch }
    do throws(ConnectionError) {
      connection.limitReceiving(to: receiveBudget, endsRow: plan.mayStore && !plan.endsApart)
      connection.prepareStatements(!plan.setsSearchPath)
      isDeallocating = try connection.enqueueDeallocations()
      if !(try send(machine.first, writer, on: connection)) {
        if let outcome = try proceed(&writer, on: connection) { return .ended(.finished(outcome)) }
      }
      return try advance(&writer, on: connection)
    } catch {
      return .ended(ending(after: error))
    }
  }

  private mutating func resume(
    after wake: Wake?, _ writer: inout ResultWriter, on connection: isolated PostgresConnection
  ) -> Progress {
    defer { receivedTooMuch = connection.receivedTooMuch }
    let began = MonotonicInstant.now
    defer {
      encoding += MonotonicInstant.now - began
      times.noted(at: began)
    }
    do throws(ConnectionError) {
      if let wake { try connection.woke(wake) }
      return try advance(&writer, on: connection)
    } catch {
      return .ended(ending(after: error))
    }
  }

  /// Takes all answers that are there.
  private mutating func advance(
    _ writer: inout ResultWriter, on connection: isolated PostgresConnection
  ) throws(ConnectionError) -> Progress {
    if isSynced, let outcome = try proceed(&writer, on: connection) {
      return .ended(.finished(outcome))
    }
    isSynced = false
    while let event = try connection.poll() {
      switch consume event {
      case .synced where isDeallocating: isDeallocating = false
      case .result where isDeallocating: continue
      case .failed where isDeallocating: continue
      case .skipped where isDeallocating: continue
      case .result(let result): succeeded(result, &writer, on: connection)
      case .failed(let error): failed(error)
      case .skipped: skipped()
      case .synced:
        guard !holdsLines else {
          isSynced = true
          return .full
        }
        if let outcome = try proceed(&writer, on: connection) { return .ended(.finished(outcome)) }
      }
      if isFull { return .full }
    }
    return .waiting(for: connection.awaited)
  }

  /// Sends what comes after a sync; tells the outcome if that is nothing.
  private mutating func proceed(
    _ writer: inout ResultWriter, on connection: isolated PostgresConnection
  ) throws(ConnectionError) -> PlanStateMachine.Outcome? {
    while true {
      if let outcome { return outcome }
      if machine.isHalfway { noteSize(of: writer, by: nil, on: connection) }
      let mayProceed = interruption.reason == nil && !connection.receivedTooMuch
      if machine.isHalfway, mayProceed, try lookUp(on: connection) { return nil }
      let next = machine.synced(
        mayRecover: mayRecover(after: machine.currentFailure, connection), mayProceed: mayProceed)
      let pipeline: PlanStateMachine.Pipeline
      switch next {
      case .finished(let ended):
        guard ended == .committed || ended == .dryRunRolledBack, try lookUp(on: connection) else {
          return ended
        }
        outcome = ended
        return nil
      case .rollback: pipeline = .rollback
      case .proceed(let sending): pipeline = sending
      case .recover(let sending, let failure, let depth):
        let problem = self.problem(failure)
        if pending.isEmpty {
          writer.failGroup(depth: depth, problem: problem)
        } else {
          pending.appendFailure(ofGroupAt: depth, problem)
        }
        if isStreamed { streamed[0].failGroup(depth: depth, problem: problem) }
        pipeline = sending
      }
      if try send(pipeline, writer, on: connection) { return nil }
    }
  }

  private func ending(after error: ConnectionError) -> Ending {
    switch machine.fateIfLost {
    case .ended(let outcome): .finished(outcome)
    case .notStored: .lost(error, machine.failureIfLost)
    case .unknown:
      switch identity {
      case .nothingWritten: .lost(error, machine.failureIfLost)
      case .transaction(let id): .inDoubt(transactionID: id)
      case .unknown: .inDoubt(transactionID: nil)
      }
    }
  }

  private func mayRecover(
    after failure: PlanStateMachine.Failure?, _ connection: isolated PostgresConnection
  ) -> Bool {
    guard let failure else { return true }
    guard interruption.reason == nil && !connection.receivedTooMuch else { return false }
    return hasBegunStream
      || !(replaysConflicts && failure.error?.isConflict == true)
        && !(renewsStatements && failure.error?.isStaleStatement == true)
  }

  private func problem(_ failure: PlanStateMachine.Failure) -> Problem {
    ServiceError(failure, at: plan.pointer(of: failure)).problem
  }

  /// Has a batch fail one of whose runs has other columns than the first one, so that there is nothing to be written.
  mutating func noteColumns(
    _ effect: inout PlanStateMachine.Effect, _ result: borrowing PGResultHandle
  ) {
    guard case .run(let statement, let isFirst, _, _) = effect else { return }
    if isFirst {
      batchColumns = result.returnsRows ? result.columnTypes : nil
    } else if !result.hasColumns(of: batchColumns) {
      if machine.columnsDiffer(of: statement) { effect = .none } else { differingBatch = statement }
    }
  }

  /// Whether a row that comes by itself has the columns of the first run, if it is of a later one.
  func takes(_ row: borrowing PGResultHandle) -> Bool {
    !machine.isAnsweringRerun || row.hasColumns(of: batchColumns)
  }

  /// Whether a command's result holds the transaction's id: of the inserts of events only the one that is to tell it has a row.
  func tellsID(
    _ effect: PlanStateMachine.Effect, _ result: borrowing PGResultHandle
  ) -> Bool {
    switch effect {
    case .identified: true
    case .emitted: result.returnsRows
    case .none, .claimed, .groupBegan, .groupReleased, .result, .run: false
    }
  }

  mutating func identify(_ result: borrowing PGResultHandle) {
    guard result.rowCount == 1 else { return }
    guard !result.isNull(row: 0, column: 0) else { return identity = .nothingWritten }
    let digits = result.value(row: 0, column: 0)
    var id: UInt64 = 0
    for index in digits.indices { id = id &* 10 &+ UInt64(digits[index] &- UInt8(ascii: "0")) }
    identity = .transaction(id)
  }
}
