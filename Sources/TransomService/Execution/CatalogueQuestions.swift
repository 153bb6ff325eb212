internal import TransomPostgres

/// What a run asks the catalogue, and what it has learned.
///
/// What a type is made of, only the catalogue of its database knows, and it changes: attributes are added to a
/// composite type, types are renamed, made and dropped, also by the very transaction that uses them. So a result with a
/// type that is not built in is written once it is certain that what is known of the type holds in this transaction:
///
/// 1. The connection remembers which statements returned such types. When one of them is sent again, the same
///    pipeline asks for the types' stamps (`CatalogueType.check`), right before what tells the transaction's id, else before the end:
///    no round trip more, and if they are as they were, what is known is true.
/// 2. Otherwise, such as the first time, the types are looked up when the pipeline has been answered: in the
///    transaction as long as it is open, else behind it. That is one round trip more.
/// 3. A plan that makes or changes types is cut so that each result is written before they can change again or vanish
///    (`TransactionPlan`).
///
/// The question comes before the transaction's id, so that what is known to be stored has a whole answer; but behind COMMIT
/// where all statements share one snapshot, which may be older than the types. A transaction that another one overtakes
/// with a change of a type, just between a result and the question, is answered as if it had run a moment later.
///
/// A statement with built-in types alone, nearly every one, has nothing to do with any of this.
struct CatalogueQuestions {
  enum Question {
    case check(Set<UInt32>)
    case lookUp(Set<UInt32>)
    /// Of what types a statement's parameters are.
    case description(statement: Int)
  }

  /// What is known of the database's types.
  private(set) var types: KnownTypes
  private(set) var hasLearned = false
  /// What has been sent and not been answered yet. It stands behind the plan's commands.
  private var questions: [Question] = []

  init(_ types: KnownTypes) { self.types = types }

  mutating func ask(
    _ question: Question, _ plan: TransactionPlan, on connection: isolated PostgresConnection
  ) throws(ConnectionError) {
    switch question {
    case .check(let types):
      try connection.enqueue(CatalogueType.check, CatalogueType.parameter(types), 0..<1)
    case .lookUp(let types):
      try connection.enqueue(CatalogueType.lookup, CatalogueType.parameter(types), 0..<1)
    case .description(let statement):
      try connection.enqueueDescription(of: plan.statements[statement].sql)
    }
    questions.append(question)
  }

  /// Asks whether what is known of the types that a pipeline's results may have still holds, if there are any.
  mutating func askForResults(
    _ pending: Set<UInt32>, _ plan: TransactionPlan, on connection: isolated PostgresConnection
  ) throws(ConnectionError) {
    let expected = connection.takeResultTypes()
    guard !expected.isEmpty || !pending.isEmpty else { return }
    let wanted = pending.union(expected.map(\.rawValue))
    if let closure = types.closure(of: wanted) {
      try ask(.check(closure), plan, on: connection)
    } else {
      try ask(.lookUp(wanted), plan, on: connection)
    }
  }

  /// The first question that is open has been answered, or will not be; nil if none is open.
  mutating func next() -> Question? { questions.isEmpty ? nil : questions.removeFirst() }

  mutating func learn(from answer: borrowing PGResultHandle) {
    types = types.adding(CatalogueType.rows(of: answer))
    hasLearned = true
  }
}
