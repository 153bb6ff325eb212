/// The rows of a running statement that have not all been fetched: they come in batches, so that a hop to the loop is
/// paid for once in hundreds of rows, and memory stays bounded however many there are.
struct RowBatch: Sendable {
  /// What came of the commands before the statement.
  var prefix: [Outcome] = []
  var rows: [ResultStorage] = []
  /// The result that ends the rows, with the number of them, or the whole of it if the statement returns no rows.
  var ending: ResultStorage?
  var error: ServerError?
  var failure: ConnectionError?
  /// Nothing more comes.
  var isLast = false
  var status = TransactionStateMachine.ServerStatus.idle
}

extension PostgresConnection {
  private static let batchRows = 512
  private static let batchBytes = 1 << 20

  /// Sends a statement whose rows come one by one, and fetches the first batch.
  func beginRows(_ exchange: Exchange) async -> RowBatch {
    do {
      try await discard(sendDeallocations())
      try send(exchange)
    } catch {
      return RowBatch(failure: error, isLast: true)
    }
    return await fetchRows(commandsBefore: exchange.prefix.count)
  }

  /// Fetches the next batch. If `keepsRows` is false, they are thrown away, all of them.
  func fetchRows(commandsBefore: Int = 0, keepsRows: Bool = true) async -> RowBatch {
    var batch = RowBatch()
    var bytes = 0
    do {
      while batch.rows.count < Self.batchRows, bytes < Self.batchBytes {
        let isPrefix = batch.prefix.count < commandsBefore
        switch try await next(isShielded: true) {
        case .result(let result) where isPrefix:
          batch.prefix.append(.result(ResultStorage(result)))
        case .failed(let error) where isPrefix:
          batch.prefix.append(.failed(error))
          batch.error = error
        case .skipped where isPrefix: batch.prefix.append(.skipped)
        case .result(let result):
          if !result.isSingleRow {
            batch.ending = ResultStorage(result)
          } else if keepsRows {
            bytes += result.memorySize
            batch.rows.append(ResultStorage(result))
          }
        case .failed(let error): batch.error = error
        case .skipped: continue
        case .synced:
          batch.isLast = true
          batch.status = handle.transactionStatus
          return batch
        }
      }
    } catch {
      batch.failure = error
      batch.isLast = true
    }
    return batch
  }
}
