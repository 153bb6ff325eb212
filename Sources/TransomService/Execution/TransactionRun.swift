internal import TransomPostgres

/// Runs one attempt of a plan on a leased connection: sends what `PlanStateMachine` wants, and writes the answer
/// while the results arrive.
struct TransactionRun {
  /// How an attempt ended.
  enum Ending {
    case finished(PlanStateMachine.Outcome)
    /// The connection failed. Unless `mayBeStored`, it is certain that nothing is stored.
    case lost(ConnectionError, mayBeStored: Bool, PlanStateMachine.Failure?)
    /// It was interrupted before anything was sent.
    case notBegun
  }

  let plan: TransactionPlan
  let types: TypeTable
  let rowFormat: TransactionRequest.RowFormat
  let responseLimit: Int
  let interruption: Interruption
  /// Whether an error of this SQLSTATE will be answered by running everything again.
  let replays: @Sendable (ServerError) -> Bool

  /// Runs the plan; `writer` holds the answer if the transaction was committed, or was a dry run.
  func attempt(
    number: Int, _ writer: inout ResultWriter, into buffer: consuming [UInt8],
    on connection: isolated PostgresConnection
  ) async -> Ending {
    var machine = PlanStateMachine(plan)
    writer.begin(
      dryRun: plan.isDryRun, attempts: number,
      rows: rowFormat == .objects ? .objects : .arrays, into: buffer)
    // On the connection's loop: an interruption from now on finds something to cancel.
    guard interruption.reason == nil else { return .notBegun }
    do {
      connection.limitReceiving(to: responseLimit)
      var isDeallocating = try connection.enqueueDeallocations()
      try send(machine.first, on: connection)
      while true {
        // Ended early by `Interruption` alone.
        switch try await connection.next(isShielded: true) {
        case .synced where isDeallocating: isDeallocating = false
        case .result where isDeallocating: continue
        case .failed where isDeallocating: continue
        case .skipped where isDeallocating: continue
        case .result(let result):
          writer.trustsJSON = connection.sendsCheckedTexts
          write(machine.succeeded(tagIsCommit: result.isCommit), result, &writer)
        case .failed(let error): machine.failed(error)
        case .skipped: machine.skipped()
        case .synced:
          switch machine.synced(mayRecover: mayRecover(after: machine.currentFailure, connection)) {
          case .finished(let outcome): return .finished(outcome)
          case .rollback: try send(.rollback, on: connection)
          case .recover(let pipeline, let failure, let depth):
            writer.failGroup(depth: depth, problem: problem(failure))
            try send(pipeline, on: connection)
          }
        }
      }
    } catch {
      switch machine.fateIfLost {
      case .ended(let outcome): return .finished(outcome)
      case .notStored: return .lost(error, mayBeStored: false, machine.currentFailure)
      case .unknown: return .lost(error, mayBeStored: true, machine.currentFailure)
      }
    }
  }

  private func mayRecover(
    after failure: PlanStateMachine.Failure?, _ connection: isolated PostgresConnection
  ) -> Bool {
    guard let failure else { return true }
    return interruption.reason == nil && !connection.receivedTooMuch && !replays(failure.error)
  }

  private func problem(_ failure: PlanStateMachine.Failure) -> Problem {
    ServiceError.statementFailed(
      pointer: failure.step.flatMap(plan.pointer(of:)), failure.error
    ).problem
  }

  // MARK: Commands

  private func send(
    _ pipeline: PlanStateMachine.Pipeline, on connection: isolated PostgresConnection
  ) throws(ConnectionError) {
    switch pipeline {
    case .run(let steps):
      try enqueue(steps, on: connection)
    case .recover(let group, let steps):
      try connection.enqueueUnnamed(plan.rollbackSQL(of: group))
      try connection.enqueueUnnamed(plan.sql(of: .release(group: group)))
      try enqueue(steps, on: connection)
    case .rollback:
      try connection.enqueueUnnamed("ROLLBACK")
    }
    try connection.sync()
  }

  private func enqueue(
    _ steps: Range<Int>, on connection: isolated PostgresConnection
  ) throws(ConnectionError) {
    for index in steps {
      let step = plan.steps[index]
      if step.isTransactionControl {
        try connection.enqueueUnnamed(plan.sql(of: step))
      } else {
        try connection.enqueue(plan.sql(of: step), plan.parameters, plan.parameters(of: step))
      }
    }
  }

  // MARK: Results

  private func write(
    _ effect: PlanStateMachine.Effect, _ result: borrowing PGResultHandle,
    _ writer: inout ResultWriter
  ) {
    switch effect {
    case .none: break
    case .groupBegan: writer.beginGroup()
    case .groupReleased: writer.endGroup()
    case .result(let index): write(result, id: plan.statements[index].id, &writer)
    }
  }

  private func write(
    _ result: borrowing PGResultHandle, id: String?, _ writer: inout ResultWriter
  ) {
    writer.beginStatement(id: id, command: result.command, rowCount: result.affectedRows)
    guard result.returnsRows else {
      writer.endStatement()
      return
    }
    let columns = result.columnCount
    for column in 0..<columns {
      writer.column(
        name: result.columnName(column), type: types[result.columnType(column).rawValue])
    }
    writer.beginRows()
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
    writer.endStatement()
  }
}
