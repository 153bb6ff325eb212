/// The rows of a running statement that have not all been fetched: they come in batches, so that a hop to the loop is
/// paid for once in hundreds of rows, and memory stays bounded however many there are.
struct RowBatch: Answers {
  private static let mostRows = 128
  private static let mostBytes = 1 << 20

  /// What came of the commands before the statement.
  private(set) var prefix: [Outcome] = []
  private(set) var rows: [ResultStorage] = []
  /// The result that ends the rows, with the number of them, or the whole of it if the statement returns no rows.
  private(set) var ending: ResultStorage?
  private(set) var error: ServerError?
  var failure: ConnectionError? {
    didSet { isLast = true }
  }
  /// Nothing more comes.
  private(set) var isLast = false
  private(set) var status = TransactionStateMachine.ServerStatus.idle

  var isDeallocating = false
  private let commandsBefore: Int
  /// Whether rows are kept, or thrown away, all of them.
  private let keepsRows: Bool
  private var bytes = 0

  init(commandsBefore: Int = 0, keepsRows: Bool = true) {
    self.commandsBefore = commandsBefore
    self.keepsRows = keepsRows
  }

  mutating func take(
    from connection: isolated PostgresConnection
  ) throws(ConnectionError) -> PostgresConnection.Awaited? {
    while rows.count < Self.mostRows, bytes < Self.mostBytes {
      guard let event = try connection.poll(after: &isDeallocating) else {
        // What is there is not kept waiting for what is not.
        return rows.isEmpty ? connection.awaited : nil
      }
      let isPrefix = prefix.count < commandsBefore
      switch consume event {
      case .result(let result) where isPrefix: prefix.append(.result(ResultStorage(result)))
      case .failed(let error) where isPrefix:
        prefix.append(.failed(error))
        self.error = error
      case .skipped where isPrefix: prefix.append(.skipped)
      case .result(let result): take(result)
      case .failed(let error): self.error = error
      case .skipped: continue
      case .synced:
        isLast = true
        status = connection.handle.transactionStatus
        return nil
      }
    }
    return nil
  }

  private mutating func take(_ result: consuming PGResultHandle) {
    guard result.isSingleRow else { return ending = ResultStorage(result) }
    guard keepsRows else { return }
    bytes += result.memorySize
    rows.append(ResultStorage(result))
  }
}

extension PostgresConnection {
  /// Sends a statement whose rows come one by one, and fetches the first batch.
  nonisolated func beginRows(_ exchange: Exchange) async -> RowBatch {
    await collect(RowBatch(commandsBefore: exchange.prefix.count), sending: exchange)
  }

  /// Fetches the next batch. If `keepsRows` is false, they are thrown away, all of them.
  nonisolated func fetchRows(keepsRows: Bool = true) async -> RowBatch {
    await collect(RowBatch(keepsRows: keepsRows))
  }
}
