internal import TransomPostgres

// What comes back: answers to the plan's commands, then those to the questions behind them.
extension TransactionRun {
  mutating func succeeded(
    _ result: consuming PGResultHandle, _ writer: inout ResultWriter,
    on connection: isolated PostgresConnection
  ) {
    if let question = nextQuestion() {
      return answered(question, result, &writer, on: connection)
    }
    if isStreamed { return succeededStreaming(result, &writer, on: connection) }
    unanswered -= 1
    var effect = machine.succeeded(tagIsCommit: result.isCommit, rowCount: result.affectedRows)
    if tellsID(effect, result) { identify(result) }
    if effect == .identified { return }
    if effect == .claimed { return hasClaimed = true }
    noteColumns(&effect, result)
    if let statement = effect.statement { times.answered(statement) }
    // Neon's driver is told types by their OIDs.
    let types = plan.neon == nil ? result.catalogueTypes : []
    if let statement = effect.statement, !types.isEmpty {
      connection.note(resultTypes: types, of: plan.statements[statement].sql)
    }
    let trustsJSON = connection.sendsCheckedTexts
    if pending.isEmpty, effect.statement == nil || types.isEmpty {
      writer.trustsJSON = trustsJSON
      writer.write(effect, result, of: plan, questions.types.table)
      if writer.byteCount > sizeBudget {
        noteSize(of: writer, by: effect.statement, on: connection)
      }
    } else if effect != .none {
      pending.append(effect, result, types, trustsJSON: trustsJSON)
    }
  }

  mutating func failed(_ error: ServerError) {
    let question = nextQuestion()
    if question == nil, unanswered > 0 { unanswered -= 1 }
    if case .description(let statement) = question {
      parameters.described(statement, [])
      // An implicit transaction has not begun: what is wrong with the statement is said again when that runs.
      if plan.isImplicit { return }
    }
    if outcome == nil { machine.failed(error) }
  }

  mutating func skipped() {
    guard let question = nextQuestion() else {
      unanswered -= 1
      return machine.skipped()
    }
    // In a transaction block it is asked again, once the group that failed before it is undone. An implicit transaction
    // fails as a whole.
    if case .description(let statement) = question, plan.isImplicit {
      parameters.described(statement, [])
    }
  }

  /// The question that is answered now; nil if it is a command of the plan, or the sync.
  private mutating func nextQuestion() -> CatalogueQuestions.Question? {
    unanswered > unansweredBehind ? nil : questions.next()
  }

  private mutating func answered(
    _ question: CatalogueQuestions.Question, _ result: consuming PGResultHandle,
    _ writer: inout ResultWriter, on connection: isolated PostgresConnection
  ) {
    switch question {
    case .description(let statement):
      let types = result.parameterTypes
      connection.note(parameterTypes: types, of: plan.statements[statement].sql)
      parameters.described(statement, types)
      if isStreamed { streamed[0].described(statement, result, on: connection) }
    case .lookUp(let types):
      questions.learn(from: result)
      parameters.lookedUp(types)
      if isStreamed { streamed[0].lookedUp(types) }
      if pending.types.isSubset(of: types) { writePending(&writer, on: connection) }
    case .check(let types):
      if questions.types.hold(for: types, by: result), pending.types.isSubset(of: types) {
        writePending(&writer, on: connection)
      }
    }
  }

  private mutating func writePending(
    _ writer: inout ResultWriter, on connection: isolated PostgresConnection
  ) {
    pending.write(to: &writer, of: plan, questions.types.table)
    noteSize(of: writer, by: nil, on: connection)
  }

  /// Looks up what is not known of types, on its own; false if there is nothing to look up.
  mutating func lookUp(
    on connection: isolated PostgresConnection
  ) throws(ConnectionError) -> Bool {
    guard !pending.isEmpty else { return false }
    try questions.ask(.lookUp(pending.types), plan, on: connection)
    try connection.sync()
    return true
  }
}

extension PlanStateMachine.Effect {
  /// The statement whose result it is.
  var statement: Int? {
    switch self {
    case .result(let statement), .run(let statement, _, _, _): statement
    case .none, .claimed, .emitted, .groupBegan, .groupReleased, .identified: nil
    }
  }
}
