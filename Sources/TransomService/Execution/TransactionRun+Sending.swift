internal import TransomPostgres

// What goes out: the plan's commands, and what has to be known before.
extension TransactionRun {
  /// Sends a pipeline, or as much of it as can be sent before something is known. False: nothing was sent, as the
  /// statement that it begins with cannot be run.
  mutating func send(
    _ pipeline: PlanStateMachine.Pipeline, _ writer: borrowing ResultWriter,
    on connection: isolated PostgresConnection
  ) throws(ConnectionError) -> Bool {
    var open: [CatalogueQuestions.Question] = []
    if plan.hasReferences || !plan.arrays.isEmpty || isStreamed {
      do throws(Unsendable) {
        open = try prepare(pipeline, writer, on: connection)
      } catch {
        return false
      }
    }
    switch machine.pipeline {
    case .run: break
    case .recover(let group, _):
      try connection.enqueueUnnamed(plan.rollbackSQL(of: group))
      try connection.enqueueUnnamed(plan.releaseSQL(of: group))
      unanswered += 2
    case .rollback:
      try connection.enqueueUnnamed("ROLLBACK")
      unanswered += 1
    }
    unansweredBehind = 0
    try enqueue(machine.pipeline.steps, writer, on: connection)
    for question in open { try questions.ask(question, plan, on: connection) }
    if pipeline != .rollback, unansweredBehind == 0 {
      try questions.askForResults(pending.types, plan, on: connection)
    }
    try connection.sync()
    return true
  }

  private mutating func enqueue(
    _ steps: Range<Int>, _ writer: borrowing ResultWriter,
    on connection: isolated PostgresConnection
  ) throws(ConnectionError) {
    let ofPlan = plan.parameters
    for index in steps {
      let step = plan.steps[index]
      if plan.isImplicit, step == .end { continue }
      // Once the transaction's id is known, so is all that its answer takes: a lost COMMIT that was carried out after all
      // is answered with the results. But a snapshot may be older than the types.
      if index == plan.identifying, !plan.keepsSnapshot {
        try questions.askForResults(pending.types, plan, on: connection)
        unansweredBehind = steps.upperBound - index - (plan.isImplicit ? 1 : 0)
      }
      unanswered += 1
      switch plan.command(of: step) {
      case .control(let sql): try connection.enqueueUnnamed(sql)
      case .statement(let text):
        if step == .keep {
          let answer = answer(writer)
          try connection.enqueue(text, answer, 0..<answer.count)
        } else if case .emit = step, index - steps.lowerBound < hooks.ranges.count {
          try connection.enqueue(text, hooks.list, hooks.ranges[index - steps.lowerBound])
        } else if !parameters.isEmpty, let (own, range) = ownParameters(of: step) {
          try connection.enqueue(text, own, range, byRow: comesByRow(step))
        } else {
          try connection.enqueue(
            text, ofPlan, plan.parameters(of: step), byRow: comesByRow(step))
        }
      }
      // What was done is to be known here before it is committed.
      if index == plan.identifying { try connection.requestFlush() }
    }
  }

  /// The answer as it will be, to be kept under its key.
  private func answer(_ writer: borrowing ResultWriter) -> ParameterList {
    var parameters = ParameterList()
    parameters.append(plan.parameters, at: plan.keyParameter)
    parameters.append { Hexadecimal.append(writer.finished(), to: &$0) }
    return parameters
  }

  private func ownParameters(of step: TransactionPlan.Step) -> (ParameterList, Range<Int>)? {
    let (number, run): (Int, Int)
    switch step {
    case .statement(let statement): (number, run) = (statement, 0)
    case .rerun(let statement, let rerun): (number, run) = (statement, rerun)
    case .begin, .claim, .snapshot, .role, .setting, .savepoint, .release, .emit, .report, .keep,
      .verify, .identify, .end:
      return nil
    }
    guard let own = parameters[number] else { return nil }
    let count = plan.statements[number].parameters(ofRun: run).count
    return (own, run * count..<(run + 1) * count)
  }

  // MARK: Parameters

  /// The pipeline's first statement cannot be run; the machine knows.
  private struct Unsendable: Error {}

  /// Finds the values of the references that a pipeline begins with, and gives arrays their form. Where the types that
  /// this takes are not known, the pipeline is cut, and the questions for them are what is to be sent behind it.
  private mutating func prepare(
    _ pipeline: PlanStateMachine.Pipeline, _ writer: borrowing ResultWriter,
    on connection: isolated PostgresConnection
  ) throws(Unsendable) -> [CatalogueQuestions.Question] {
    let values = try resolve(pipeline, writer)
    var open: [CatalogueQuestions.Question] = []
    for index in pipeline.steps {
      guard case .statement(let number) = plan.steps[index] else { continue }
      if isStreamed, let question = streamed[0].question(before: number, on: connection) {
        machine.postpone(from: index)
        return [question]
      }
      let found = index == pipeline.steps.lowerBound ? values : nil
      if let found, found.arrays.isEmpty {
        parameters.resolved(found, of: number)
        continue
      }
      guard found != nil || plan.statements[number].hasArrays else { continue }
      do throws(StatementParameters.Hindrance) {
        try parameters.encode(number, found, questions.types.table, on: connection)
      } catch {
        try postpone(from: index, number, error, &open)
        // All that an implicit transaction needs is asked for before it begins: it cannot be cut.
        guard plan.isImplicit else { return open }
      }
    }
    return open
  }

  private mutating func postpone(
    from index: Int, _ number: Int, _ hindrance: StatementParameters.Hindrance,
    _ open: inout [CatalogueQuestions.Question]
  ) throws(Unsendable) {
    switch hindrance {
    case .undescribed: open.append(.description(statement: number))
    case .unknown(let types): open.append(.lookUp(types))
    case .flaw(let parameter):
      // Nothing of it was sent, and what is sent later is not to be.
      guard case .run(let steps) = machine.pipeline, plan.isImplicit || steps.lowerBound == index
      else { break }
      machine.parameterFailed(parameter, at: index)
      throw Unsendable()
    }
    machine.postpone(from: plan.isImplicit ? 0 : index)
  }

  /// The parameters of the statement or of the hooks that a pipeline begins with, if they refer to results.
  private mutating func resolve(
    _ pipeline: PlanStateMachine.Pipeline, _ writer: borrowing ResultWriter
  ) throws(Unsendable) -> StatementParameters.Values? {
    hooks = ResolvedParameters()
    guard case .run(let steps) = pipeline, let first = steps.first else { return nil }
    var resolver = ReferenceResolver(plan, responseLimit: responseLimit)
    do {
      switch plan.steps[first] {
      case .statement(let index) where !plan.statements[index].references.isEmpty:
        return try resolver.parameters(of: index, from: writer)
      case .emit(let hook) where plan.hooks[hook].template != nil:
        hooks = try resolver.parameters(ofHooks: steps, from: writer)
        return nil
      default: return nil
      }
    } catch {
      machine.referenceFailed(error.reason, at: error.index)
      throw Unsendable()
    }
  }
}
