internal import Synchronization

/// The rows of one statement of a cursor, as far as they were fetched and not read.
final class RowStream: Sendable {
  private struct State {
    var rows: [ResultStorage] = []
    var ending: ResultStorage?
    var failure: (any Error)?
    var isComplete = false
  }

  private let state = Mutex(State())

  /// Whether nothing is left on the server.
  var isComplete: Bool { state.withLock { $0.isComplete } }
  /// The result that ended the rows; nil before their end.
  var ending: ResultStorage? { state.withLock { $0.ending } }

  func append(_ batch: RowBatch, failure: (any Error)?) {
    state.withLock { state in
      state.rows += batch.rows
      state.ending = batch.ending ?? state.ending
      state.failure = failure ?? state.failure
      state.isComplete = batch.isLast
    }
  }

  /// The rows that were not fetched have been thrown away.
  func abandon() {
    state.withLock { state in
      state.isComplete = true
      state.failure = PostgresError.expired("a cursor")
    }
  }

  /// Takes the rows that were fetched.
  ///
  /// - Throws: the error that ended them, once they have all been taken.
  func take() throws -> [ResultStorage] {
    let (rows, failure) = state.withLock { state in
      (exchange(&state.rows, with: []), state.failure)
    }
    if rows.isEmpty, let failure { throw failure }
    return rows
  }
}

extension ConnectionScope {
  /// Sends a statement whose rows are fetched in batches, and fetches the first one.
  func stream(_ statement: Statement) async throws -> RowStream {
    try await finishStream()
    var isSecond = false
    while true {
      try Task.checkCancellation()
      let commands = try commandsBeforeStatement()
      let connection = try await connection()
      var exchange = Exchange(statement)
      exchange.byRow = true
      exchange.prefix = commands.map(\.sql)
      let (batch, wasCancelled) = await StatementCanceller.cancelling(connection) { [exchange] in
        await connection.beginRows(exchange)
      }
      note(batch, commands)
      if let error = batch.error, error.isStaleStatement {
        await connection.forgetStatements()
        if !isSecond, try await canRepeat(exchange, commands, (commands.count, error)) {
          isSecond = true
          continue
        }
      }
      if let failure = failure(of: batch, wasCancelled, statement.sql) { throw failure }
      let stream = RowStream()
      stream.append(batch, failure: nil)
      if !batch.isLast { with { ($0.stream, $0.streamDepth) = (stream, $0.machine.depth) } }
      return stream
    }
  }

  /// Fetches the next batch of the statement that runs.
  func fetch(_ stream: RowStream) async throws {
    guard !stream.isComplete else { return }
    guard let connection = with({ $0.stream === stream ? $0.lease?.connection : nil }) else {
      throw PostgresError(.connectionLost, "the connection was lost while rows were fetched")
    }
    let (batch, wasCancelled) = await StatementCanceller.cancelling(connection) {
      await connection.fetchRows()
    }
    note(batch, [])
    let failure = failure(of: batch, wasCancelled, nil)
    stream.append(batch, failure: failure)
    if batch.isLast { with { $0.stream = nil } }
  }

  /// Fetches what is left of a statement that runs, so that another one can be sent. Its cursor will find it.
  func finishStream() async throws {
    guard !with({ $0.isCopying }) else {
      throw PostgresError(.copy, "nothing else can be executed while a COPY is going on")
    }
    while let stream = with({ $0.stream }) { try await fetch(stream) }
  }

  /// Throws away what is left of a statement that runs: inside a transaction it must end by itself, as cancelling it
  /// would be an error of the transaction; else it is cancelled.
  ///
  /// `own`: only if it is this one. The rows of a cursor may have been thrown away before it is closed, and then another
  /// one's are on their way.
  func abandonStream(_ own: RowStream? = nil) async throws {
    guard let stream = with({ $0.stream }), own == nil || stream === own,
      let connection = with({ $0.lease?.connection })
    else { return }
    with { $0.stream = nil }
    stream.abandon()
    if !with({ $0.machine.isInBlock }) { await connection.cancelRunning() }
    let (batch, _) = await StatementCanceller.cancelling(connection) {
      await connection.fetchRows(keepsRows: false)
    }
    await connection.waitForCancels()
    note(batch, [])
  }

  private func note(_ batch: RowBatch, _ commands: [TransactionStateMachine.Command]) {
    with { state in
      let opened = batch.prefix.prefix { if case .result = $0 { true } else { false } }
      state.machine.opened(min(opened.count, commands.count))
      if let error = batch.error { state.note(failure: error) }
      if let ending = batch.ending, !ending.handle.isSelect { state.mayHaveWritten = true }
      if batch.isLast, batch.failure == nil { state.machine.answered(batch.status) }
    }
    if batch.failure != nil { lost() }
  }

  private func failure(of batch: RowBatch, _ wasCancelled: Bool, _ sql: String?) -> (any Error)? {
    if wasCancelled, batch.failure != nil || batch.error?.sqlState == .queryCanceled {
      return CancellationError()
    }
    if let error = batch.error { return PostgresError(error, statement: sql) }
    return batch.failure.map { PostgresError($0) }
  }
}
