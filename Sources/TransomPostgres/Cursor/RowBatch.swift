/// The rows of a running statement that have not all been fetched: they come in batches, so that a hop to the loop is
/// paid for once in hundreds of rows, and memory stays bounded however many there are.
struct RowBatch: Answers {
  /// What came of the commands before the statement.
  private(set) var prefix: [Outcome] = []
  /// The rows, in order; mostly one result holds all of them.
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

  init(commandsBefore: Int = 0, keepsRows: Bool = true) {
    self.commandsBefore = commandsBefore
    self.keepsRows = keepsRows
  }

  mutating func take(
    from connection: isolated PostgresConnection
  ) throws(ConnectionError) -> PostgresConnection.Awaited? {
    var gathered = GatheredRows()
    do throws(ConnectionError) {
      let awaited = try gather(&gathered, from: connection)
      rows = gathered.finish()
      return awaited
    } catch {
      rows = gathered.finish()
      throw error
    }
  }

  private mutating func gather(
    _ gathered: inout GatheredRows, from connection: isolated PostgresConnection
  ) throws(ConnectionError) -> PostgresConnection.Awaited? {
    while !gathered.isFull {
      guard let event = try connection.poll(after: &isDeallocating) else {
        // Rows that are there are not kept waiting for what is not; but nobody asks for more behind an error, and the sync
        // would be taken for the answer to what is sent next.
        return gathered.isEmpty || error != nil ? connection.awaited : nil
      }
      let isPrefix = prefix.count < commandsBefore
      switch consume event {
      case .result(let result) where isPrefix: prefix.append(.result(ResultStorage(result)))
      case .failed(let error) where isPrefix:
        prefix.append(.failed(error))
        self.error = error
      case .skipped where isPrefix: prefix.append(.skipped)
      case .result(let result) where !result.isSingleRow: ending = ResultStorage(result)
      case .result(let result): if keepsRows { gathered.append(result) }
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
}

/// Rows that came one by one, put together. libpq takes some 2 KiB for a result, of which a row by itself is a small part.
private struct GatheredRows: ~Copyable {
  private static let mostRows = 128
  private static let mostBytes = 1 << 20
  /// A result of this size is mostly its row, and not worth a copy.
  private static let leastBytesAlone = 1 << 14

  private var full: [ResultStorage] = []
  private var open: PGResultHandle?
  private var rows = 0
  private var bytes = 0

  var isEmpty: Bool { rows == 0 }
  var isFull: Bool { rows >= Self.mostRows || bytes >= Self.mostBytes }

  mutating func append(_ row: consuming PGResultHandle) {
    rows += 1
    let size = row.memorySize
    if size < Self.leastBytesAlone, let grown = open?.append(rowOf: row) {
      bytes += grown
      return
    }
    bytes += size
    closeOpen()
    open = consume row
  }

  private mutating func closeOpen() {
    if let result = open.take() { full.append(ResultStorage(result)) }
  }

  mutating func finish() -> [ResultStorage] {
    closeOpen()
    return exchange(&full, with: [])
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
