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
  }

  private let plan: TransactionPlan
  private let types: TypeTable
  private let rowFormat: TransactionRequest.RowFormat
  private let responseLimit: Int
  private let interruption: Interruption
  private let number: Int
  /// Which errors will be answered by running everything again.
  private let replaysConflicts: Bool
  private let renewsStatements: Bool
  private var machine: PlanStateMachine
  private var isDeallocating = false
  private var identity = Identity.unknown
  /// Whether the Idempotency-Key is this attempt's: no other transaction has used it, or will.
  private(set) var hasClaimed = false
  /// Whether more came than the limit allows: then what ran was cancelled.
  private(set) var receivedTooMuch = false
  /// The time that reading the answers and writing them as JSON took.
  private(set) var encoding = Duration.zero

  /// Attempt `number` of a plan, from 1.
  init(
    plan: TransactionPlan, number: Int, types: TypeTable, rowFormat: TransactionRequest.RowFormat,
    responseLimit: Int, interruption: Interruption, replaysConflicts: Bool, renewsStatements: Bool
  ) {
    self.plan = plan
    self.number = number
    self.types = types
    self.rowFormat = rowFormat
    self.responseLimit = responseLimit
    self.interruption = interruption
    self.replaysConflicts = replaysConflicts
    self.renewsStatements = renewsStatements
    machine = PlanStateMachine(plan)
  }

  /// Runs the plan; `writer` holds the answer if the transaction was committed, or was a dry run.
  ///
  /// On the connection's own loop that suspends for nothing but the server; from another one it moves there.
  mutating func attempt(
    _ writer: inout ResultWriter, into buffer: consuming [UInt8], on connection: PostgresConnection
  ) async -> Ending {
    writer.begin(
      dryRun: plan.isDryRun, attempts: number,
      rows: rowFormat == .objects ? .objects : .arrays, into: buffer)
    guard connection.loop.isCurrent else { return await attemptElsewhere(&writer, on: connection) }
    var progress = connection.onLoop { begin(&writer, on: $0) }
    while case .waiting(let awaited) = progress {
      let wake = await connection.wait(for: awaited, isShielded: true)
      progress = connection.onLoop { resume(after: wake, &writer, on: $0) }
    }
    return Self.ending(of: progress)
  }

  private mutating func attemptElsewhere(
    _ writer: inout ResultWriter, on connection: isolated PostgresConnection
  ) async -> Ending {
    var progress = begin(&writer, on: connection)
    while case .waiting(let awaited) = progress {
      let wake = await connection.waitOnLoop(for: awaited)
      progress = resume(after: wake, &writer, on: connection)
    }
    return Self.ending(of: progress)
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
      connection.limitReceiving(to: responseLimit)
      isDeallocating = try connection.enqueueDeallocations()
      try send(machine.first, nil, on: connection)
      return try advance(&writer, on: connection)
    } catch {
      return .ended(ending(after: error))
    }
  }

  private mutating func resume(
    after wake: Wake, _ writer: inout ResultWriter, on connection: isolated PostgresConnection
  ) -> Progress {
    defer { receivedTooMuch = connection.receivedTooMuch }
    let began = MonotonicInstant.now
    defer { encoding += MonotonicInstant.now - began }
    do throws(ConnectionError) {
      try connection.woke(wake)
      return try advance(&writer, on: connection)
    } catch {
      return .ended(ending(after: error))
    }
  }

  /// Takes all answers that are there.
  private mutating func advance(
    _ writer: inout ResultWriter, on connection: isolated PostgresConnection
  ) throws(ConnectionError) -> Progress {
    while let event = try connection.poll() {
      switch consume event {
      case .synced where isDeallocating: isDeallocating = false
      case .result where isDeallocating: continue
      case .failed where isDeallocating: continue
      case .skipped where isDeallocating: continue
      case .result(let result):
        writer.trustsJSON = connection.sendsCheckedTexts
        let effect = machine.succeeded(tagIsCommit: result.isCommit, rowCount: result.affectedRows)
        write(effect, result, &writer)
      case .failed(let error): machine.failed(error)
      case .skipped: machine.skipped()
      case .synced:
        if let outcome = try proceed(&writer, on: connection) { return .ended(.finished(outcome)) }
      }
    }
    return .waiting(for: connection.awaited)
  }

  /// Sends what comes after a sync; tells the outcome if that is nothing.
  private mutating func proceed(
    _ writer: inout ResultWriter, on connection: isolated PostgresConnection
  ) throws(ConnectionError) -> PlanStateMachine.Outcome? {
    while true {
      let next = machine.synced(
        mayRecover: mayRecover(after: machine.currentFailure, connection),
        mayProceed: interruption.reason == nil && !connection.receivedTooMuch)
      let pipeline: PlanStateMachine.Pipeline
      switch next {
      case .finished(let outcome): return outcome
      case .rollback: pipeline = .rollback
      case .proceed(let sending): pipeline = sending
      case .recover(let sending, let failure, let depth):
        writer.failGroup(depth: depth, problem: problem(failure))
        pipeline = sending
      }
      switch resolve(pipeline, writer) {
      case .success(let parameters):
        try send(pipeline, parameters, on: connection)
        return nil
      case .failure(let error):
        machine.referenceFailed(error.reason, at: error.index)
      }
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
    return interruption.reason == nil && !connection.receivedTooMuch
      && !(replaysConflicts && failure.error?.isConflict == true)
      && !(renewsStatements && failure.error?.isStaleStatement == true)
  }

  private func problem(_ failure: PlanStateMachine.Failure) -> Problem {
    ServiceError(failure, at: failure.step.flatMap(plan.pointer(of:))).problem
  }

  // MARK: Commands

  /// The parameters of the commands that a pipeline begins with, if they come from results.
  private func resolve(
    _ pipeline: PlanStateMachine.Pipeline, _ writer: borrowing ResultWriter
  ) -> Result<ResolvedParameters?, UnresolvedReference> {
    guard plan.hasReferences || plan.isIdempotent, case .run(let steps) = pipeline else {
      return .success(nil)
    }
    if plan.steps[steps.lowerBound] == .keep { return .success(answer(writer)) }
    do {
      return .success(try ReferenceResolver(plan).parameters(ofFirst: steps, from: writer))
    } catch {
      return .failure(error)
    }
  }

  /// The answer as it will be, to be kept under its key.
  private func answer(_ writer: borrowing ResultWriter) -> ResolvedParameters {
    var parameters = ParameterList()
    parameters.append(plan.parameters, at: plan.keyParameter)
    parameters.append { Hexadecimal.append(writer.finished(), to: &$0) }
    return ResolvedParameters(list: parameters, ranges: [0..<2])
  }

  private func send(
    _ pipeline: PlanStateMachine.Pipeline, _ resolved: ResolvedParameters?,
    on connection: isolated PostgresConnection
  ) throws(ConnectionError) {
    switch pipeline {
    case .run(let steps):
      try enqueue(steps, resolved, on: connection)
    case .recover(let group, let steps):
      try connection.enqueueUnnamed(plan.rollbackSQL(of: group))
      try connection.enqueueUnnamed(plan.sql(of: .release(group: group)))
      try enqueue(steps, nil, on: connection)
    case .rollback:
      try connection.enqueueUnnamed("ROLLBACK")
    }
    try connection.sync()
  }

  private func enqueue(
    _ steps: Range<Int>, _ resolved: ResolvedParameters?,
    on connection: isolated PostgresConnection
  ) throws(ConnectionError) {
    var left = steps
    if let resolved {
      for (index, range) in zip(steps, resolved.ranges) {
        try connection.enqueue(plan.sql(of: plan.steps[index]), resolved.list, range)
      }
      left = left.dropFirst(resolved.ranges.count)
    }
    for index in left {
      let step = plan.steps[index]
      if plan.isImplicit, step == .end { continue }
      if step.isTransactionControl {
        try connection.enqueueUnnamed(plan.sql(of: step))
      } else {
        try connection.enqueue(plan.sql(of: step), plan.parameters, plan.parameters(of: step))
      }
      // What was done is to be known here before it is committed.
      if step == .identify { try connection.requestFlush() }
    }
  }

  // MARK: Results

  private mutating func write(
    _ effect: PlanStateMachine.Effect, _ result: borrowing PGResultHandle,
    _ writer: inout ResultWriter
  ) {
    switch effect {
    case .none: break
    case .claimed: hasClaimed = true
    case .identified: identify(result)
    case .groupBegan: writer.beginGroup()
    case .groupReleased: writer.endGroup()
    case .emitted(let hook):
      guard result.rowCount == 1, result.columnCount == 1 else { return }
      writer.event(plan.hooks[hook].event, id: result.value(row: 0, column: 0))
    case .result(let index):
      begin(result, rowCount: result.affectedRows, index, &writer)
      writeRows(result, &writer)
      end(index, &writer)
    case .run(let index, let isFirst, let isLast, let rowCount):
      if isFirst { begin(result, rowCount: rowCount, index, &writer) }
      writeRows(result, &writer)
      guard isLast else { return }
      writer.replaceRowCount(with: rowCount)
      end(index, &writer)
    }
  }

  private mutating func identify(_ result: borrowing PGResultHandle) {
    guard result.rowCount == 1 else { return }
    guard !result.isNull(row: 0, column: 0) else { return identity = .nothingWritten }
    let digits = result.value(row: 0, column: 0)
    var id: UInt64 = 0
    for index in digits.indices { id = id &* 10 &+ UInt64(digits[index] &- UInt8(ascii: "0")) }
    identity = .transaction(id)
  }

  private func begin(
    _ result: borrowing PGResultHandle, rowCount: Int, _ index: Int, _ writer: inout ResultWriter
  ) {
    writer.beginStatement(
      id: plan.statements[index].id, command: result.command, rowCount: rowCount)
    guard result.returnsRows else { return }
    for column in 0..<result.columnCount {
      writer.column(
        name: result.columnName(column), type: types[result.columnType(column).rawValue])
    }
    writer.beginRows()
  }

  private func writeRows(_ result: borrowing PGResultHandle, _ writer: inout ResultWriter) {
    guard result.returnsRows else { return }
    let columns = result.columnCount
    for row in 0..<result.rowCount {
      writer.beginRow()
      for column in 0..<columns {
        let value = result.value(row: row, column: column)
        if value.isEmpty, result.isNull(row: row, column: column) {
          writer.null()
        } else {
          writer.value(value)
        }
      }
      writer.endRow()
    }
  }

  private func end(_ index: Int, _ writer: inout ResultWriter) {
    writer.endStatement()
    if plan.hasReferences, plan.statements[index].id != nil { writer.keepLastResult(as: index) }
  }
}
