/// What is sent to a server at once, for one hop to the connection's loop and one round trip.
struct Exchange: Sendable {
  /// Commands of our own, in front.
  var prefix: [String] = []
  /// The statements' SQL, and which of the parameters are theirs.
  var statements: [(sql: String, parameters: Range<Int>)] = []
  var parameters = ParameterList()
  /// Commands of our own, behind.
  var suffix: [String] = []
  /// Asks for what has been done so far, before the suffix is done.
  var flushesBeforeSuffix = false
  /// Whether the rows of the only statement come one by one.
  var byRow = false
  /// Whether the statements are prepared and kept: not for those that mean another thing each time, such as FETCH.
  var isPrepared = true

  init() {}

  init(_ statement: Statement) {
    statements = [(statement.sql, 0..<statement.parameters.count)]
    parameters = statement.parameters
  }

  /// Adds a statement.
  mutating func append(_ statement: Statement) {
    let start = parameters.count
    // The usual case: the same statement with other parameters.
    parameters.append(contentsOf: statement.parameters)
    statements.append((statement.sql, start..<parameters.count))
  }

  var commandCount: Int { prefix.count + statements.count + suffix.count }
}

/// What came of one command.
enum Outcome: Sendable {
  case result(ResultStorage)
  case failed(ServerError)
  case skipped
}

/// What came of an exchange: an outcome for each command that was answered.
struct ExchangeReply: Sendable {
  var outcomes: [Outcome] = []
  /// What the server says of the transaction.
  var status = TransactionStateMachine.ServerStatus.idle
  /// Why there are no more outcomes.
  var failure: ConnectionError?

  /// The first error, and which command failed.
  var firstError: (index: Int, error: ServerError)? {
    for (index, outcome) in outcomes.enumerated() {
      if case .failed(let error) = outcome { return (index, error) }
    }
    return nil
  }
}

extension PostgresConnection {
  /// Sends everything and a sync, and waits for all answers.
  ///
  /// It is not ended by cancellation: `StatementCanceller` sees to that.
  func exchange(_ exchange: Exchange) async -> ExchangeReply {
    var reply = ExchangeReply()
    reply.outcomes.reserveCapacity(exchange.commandCount)
    do {
      try await discard(sendDeallocations())
      try send(exchange)
      while true {
        switch try await next(isShielded: true) {
        case .result(let result): reply.outcomes.append(.result(ResultStorage(result)))
        case .failed(let error): reply.outcomes.append(.failed(error))
        case .skipped: reply.outcomes.append(.skipped)
        case .synced:
          reply.status = handle.transactionStatus
          return reply
        }
      }
    } catch {
      reply.failure = error
      return reply
    }
  }

  func send(_ exchange: Exchange) throws(ConnectionError) {
    for command in exchange.prefix { try enqueueUnnamed(command) }
    for statement in exchange.statements {
      try enqueue(
        StatementText(statement.sql), exchange.parameters, statement.parameters,
        byRow: exchange.byRow,
        isPrepared: exchange.isPrepared)
    }
    if exchange.flushesBeforeSuffix { try requestFlush() }
    for command in exchange.suffix { try enqueueUnnamed(command) }
    try sync()
  }

  /// Between transactions: frees what the server holds of statements that are no longer used.
  func sendDeallocations() throws(ConnectionError) -> Bool {
    guard handle.isIdle else { return false }
    return try enqueueDeallocations()
  }

  func discard(_ isDeallocating: Bool) async throws(ConnectionError) {
    guard isDeallocating else { return }
    while true {
      switch try await next(isShielded: true) {
      case .synced: return
      case .result: continue
      case .failed: continue
      case .skipped: continue
      }
    }
  }
}
