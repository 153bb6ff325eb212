internal import TransomEventLoop
internal import TransomPostgres

/// Finds out, on other connections, what became of a transaction whose connection was lost at its end
/// (PostgreSQL manual, 9.27.9 "Transaction ID and Snapshot Information Functions", `pg_xact_status`).
struct CommitResolver {
  /// How the transaction ended for good.
  enum Fate: String {
    case committed
    case aborted
  }

  /// How long it is asked for, at most: a server that restarts is soon back, one that fails over later.
  private static let limit = Duration.seconds(10)
  /// After so many questions a transaction that is still in progress is ended: its server process may not find out for
  /// hours that its client is gone (tcp_keepalives_idle).
  private static let patience = 6

  private let database: LoopPool
  private let loop: EventLoop

  init(_ database: LoopPool, _ loop: EventLoop) {
    self.database = database
    self.loop = loop
  }

  /// Asks until the transaction has ended; nil if that is not to be found out.
  func fate(of id: UInt64) async -> Fate? {
    let deadline = loop.now + Self.limit
    var parameters = ParameterList()
    parameters.append(String(id).utf8)
    var pause = Duration.milliseconds(5)
    var questions = 0
    while loop.now < deadline {
      if questions == Self.patience { _ = await ask(Self.endSQL, parameters, by: deadline) }
      questions += 1
      switch await ask("select pg_catalog.pg_xact_status($1::xid8)", parameters, by: deadline) {
      case .value(let status):
        // NULL: it is so old that nobody knows any more. Else it is in progress.
        if let fate = status.flatMap(Fate.init) { return fate }
        if status == nil { return nil }
      case .refused: return nil
      case .lost: break
      }
      await wait(pause)
      pause = min(pause * 2, .milliseconds(500))
    }
    return nil
  }

  /// The number alone could be another process's by now: it is ended only while it has the transaction.
  private static let endSQL = """
    select pg_catalog.bool_or(pg_catalog.pg_terminate_backend(pid))::text
    from pg_catalog.pg_stat_activity
    where backend_xid::text = ($1::xid8::xid)::text and pid <> pg_catalog.pg_backend_pid()
    """

  private enum Answer {
    case value(String?)
    /// The server does not know the transaction, such as one that took over without having got it, or does not let us ask.
    case refused
    /// This connection is lost, too, or there is none yet.
    case lost
  }

  private func ask(
    _ sql: String, _ parameters: ParameterList, by deadline: MonotonicInstant
  ) async -> Answer {
    guard let lease = try? await database.lease(until: deadline, isCancellable: false) else {
      return .lost
    }
    let answer = await Self.ask(sql, parameters, on: lease.connection)
    await lease.release()
    return answer
  }

  private static func ask(
    _ sql: String, _ parameters: ParameterList, on connection: isolated PostgresConnection
  ) async -> Answer {
    var answer = Answer.lost
    connection.limitReceiving(to: .max)
    do {
      try connection.enqueue(sql, parameters, 0..<parameters.count, isPrepared: false)
      try connection.sync()
      while true {
        switch try await connection.next(isShielded: true) {
        case .result(let result):
          answer = .value(result.rowCount == 1 ? result.text(row: 0, column: 0) : nil)
        case .failed: answer = .refused
        case .skipped: continue
        case .synced: return answer
        }
      }
    } catch {
      return .lost
    }
  }

  private func wait(_ pause: Duration) async {
    await withCheckedContinuation { continuation in
      _ = loop.schedule(at: loop.now + pause) { continuation.resume() }
    }
  }
}
