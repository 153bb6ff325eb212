internal import TransomEventLoop
internal import TransomPostgres

/// Asks one question on a connection of its own, outside of any transaction.
struct Inquiry {
  enum Answer {
    /// The first row; nil stands for NULL.
    case row([[UInt8]?])
    case noRow
    case refused(ServerError)
    /// The connection was lost, or there is none.
    case lost
  }

  private let database: LoopPool

  init(_ database: LoopPool) { self.database = database }

  /// Waits for a connection, and for the answer. A server that has not answered by the deadline loses the connection: it may
  /// be frozen, or wait for a lock, and who asks would wait with it.
  func ask(
    _ sql: String, _ parameters: ParameterList, by deadline: MonotonicInstant
  ) async -> Answer {
    guard let lease = try? await database.lease(until: deadline, isCancellable: false) else {
      return .lost
    }
    let answer = await Self.ask(sql, parameters, by: deadline, on: lease.connection)
    await lease.release()
    return answer
  }

  private static func ask(
    _ sql: String, _ parameters: ParameterList, by deadline: MonotonicInstant,
    on connection: isolated PostgresConnection
  ) async -> Answer {
    let timer = connection.loop.schedule(at: deadline) {
      connection.onLoop {
        $0.cancelRunning()
        $0.close()
      }
    }
    defer { connection.loop.cancel(timer) }
    connection.limitReceiving(to: .max)
    var answer = Answer.lost
    do {
      try connection.enqueue(
        StatementText(sql), parameters, 0..<parameters.count, isPrepared: false)
      try connection.sync()
      while true {
        switch try await connection.next(isShielded: true) {
        case .result(let result):
          answer =
            result.rowCount == 0
            ? .noRow
            : .row(
              (0..<result.columnCount).map { column in
                guard !result.isNull(row: 0, column: column) else { return nil }
                var octets: [UInt8] = []
                octets.append(copying: result.value(row: 0, column: column))
                return octets
              })
        case .failed(let error): answer = .refused(error)
        case .skipped: continue
        case .synced: return answer
        }
      }
    } catch {
      return .lost
    }
  }
}
