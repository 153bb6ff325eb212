internal import TransomEventLoop

/// What is sent to a server at once, for one hop to the connection's loop and one round trip.
struct Exchange: Sendable {
  /// Commands of our own, in front.
  var prefix: [String] = []
  /// The statements' SQL, and which of the parameters are theirs.
  var statements: [(text: StatementText, parameters: Range<Int>)] = []
  var parameters = ParameterList()
  /// Commands of our own, behind.
  var suffix: [String] = []
  /// Asks for what has been done so far, before the suffix is done.
  var flushesBeforeSuffix = false
  /// Whether the rows of the only statement come one by one.
  var byRow = false
  /// Whether the statements are prepared and kept: not for those that mean another thing each time, such as FETCH.
  var isPrepared = true
  /// Whether the rows of the statements' results are counted, and the results thrown away as they come.
  var countsOnly = false

  init() {}

  init(_ statement: Statement) {
    parameters = statement.parameters
    statements = [(StatementText(statement.sql), 0..<parameters.count)]
  }

  /// Adds a statement.
  ///
  /// - Throws: `PostgresError` if the parameters of all of them together are too large.
  mutating func append(_ statement: Statement) throws(PostgresError) {
    guard parameters.bytes.count + statement.parameters.bytes.count < Int(Int32.max) else {
      throw PostgresError(.encoding, "the parameters are larger than 2 GiB")
    }
    let start = parameters.count
    parameters.append(contentsOf: statement.parameters)
    // The usual case: the same statement with other parameters.
    let last = statements.last?.text
    let isSame = last?.sql.hasSameBytes(as: statement.sql) == true
    let text = isSame ? last : nil
    statements.append((text ?? StatementText(statement.sql), start..<parameters.count))
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
struct ExchangeReply: Answers {
  var outcomes: [Outcome] = []
  /// What the server says of the transaction.
  var status = TransactionStateMachine.ServerStatus.idle
  /// Why there are no more outcomes.
  var failure: ConnectionError?
  var isDeallocating = false
  /// From this outcome on results are counted only.
  fileprivate var countedFrom = Int.max
  private var countedResults = 0
  /// The rows of the results that were counted only.
  private(set) var countedRows = 0
  /// Whether one of those was of anything but SELECT.
  private(set) var countedChanges = false

  /// The first error, and which command failed.
  var firstError: (index: Int, error: ServerError)? {
    for (index, outcome) in outcomes.enumerated() {
      if case .failed(let error) = outcome {
        return (index < countedFrom ? index : index + countedResults, error)
      }
    }
    return nil
  }

  mutating func take(
    from connection: isolated PostgresConnection
  ) throws(ConnectionError) -> PostgresConnection.Awaited? {
    while let event = try connection.poll(after: &isDeallocating) {
      switch consume event {
      case .result(let result) where outcomes.count < countedFrom:
        outcomes.append(.result(ResultStorage(result)))
      case .result(let result): count(result)
      case .failed(let error): outcomes.append(.failed(error))
      case .skipped: outcomes.append(.skipped)
      case .synced:
        status = connection.handle.transactionStatus
        return nil
      }
    }
    return connection.awaited
  }

  private mutating func count(_ result: borrowing PGResultHandle) {
    countedResults += 1
    countedRows += result.affectedRows
    if !result.isSelect { countedChanges = true }
  }
}

extension PostgresConnection {
  /// Sends everything and a sync, and waits for all answers.
  @inline(__always)
  nonisolated func exchange(_ exchange: Exchange) async -> ExchangeReply {
    var reply = ExchangeReply()
    if exchange.countsOnly {
      reply.countedFrom = exchange.prefix.count
    } else {
      reply.outcomes.reserveCapacity(exchange.commandCount)
    }
    return await collect(reply, sending: exchange)
  }

  /// The same; a server that has not answered within `limit` loses the connection.
  func exchange(_ exchange: Exchange, within limit: Duration) async -> ExchangeReply {
    // On the loop, so that it is cancelled before the connection is anybody else's.
    let timer = loop.schedule(at: .now + limit) { self.onLoop { $0.close() } }
    defer { loop.cancel(timer) }
    return await self.exchange(exchange)
  }

  func send(_ exchange: Exchange) throws(ConnectionError) {
    for command in exchange.prefix { try enqueueUnnamed(command) }
    // A block's own SQL may have taken away what its COMMIT needs.
    let isPrepared =
      exchange.isPrepared && !(exchange.flushesBeforeSuffix && statements.mayLackStatements)
    for statement in exchange.statements {
      try enqueue(
        statement.text, exchange.parameters, statement.parameters, byRow: exchange.byRow,
        isPrepared: isPrepared)
    }
    if exchange.flushesBeforeSuffix { try requestFlush() }
    for command in exchange.suffix { try enqueueUnnamed(command) }
    try sync()
  }
}
