internal import TransomEventLoop
internal import TransomPostgres

/// Finds out, on other connections, what became of a transaction whose connection was lost at its end
/// (PostgreSQL manual, 9.27.9 "Transaction ID and Snapshot Information Functions", `pg_xact_status`).
struct CommitResolver {
  /// How the transaction ended for good.
  enum Fate {
    case committed
    case aborted
  }

  /// How long it is asked for, at most: a server that restarts is soon back, one that fails over later.
  private static let limit = Duration.seconds(10)
  /// How long the answer to one question may take.
  private static let limitOfQuestion = Duration.seconds(3)
  /// After so many questions, about a second, a transaction that is still in progress is ended: its server process may
  /// not find out for hours that its client is gone (tcp_keepalives_idle).
  private static let patience = 8

  private let inquiry: Inquiry
  private let loop: EventLoop

  init(_ database: LoopPool, _ loop: EventLoop) {
    inquiry = Inquiry(database)
    self.loop = loop
  }

  /// Asks until the transaction has ended; nil if that is not to be found out. It has begun at `begin`, or later.
  func fate(of id: UInt64, since begin: MonotonicInstant) async -> Fate? {
    let deadline = loop.now + Self.limit
    var parameters = ParameterList()
    parameters.append(String(id).utf8)
    var pause = Duration.milliseconds(5)
    var questions = 0
    while loop.now < deadline {
      if questions == Self.patience { _ = await ask(Self.endSQL, parameters, by: deadline) }
      questions += 1
      switch await ask(TransactionFate.sql, parameters, by: deadline) {
      case .row(let row):
        let texts = row.map { $0.map { String(decoding: $0, as: UTF8.self) } }
        switch TransactionFate(
          status: texts.first ?? nil, statisticsAge: texts.last ?? nil, since: begin)
        {
        case .committed: return .committed
        case .aborted: return .aborted
        case .inProgress: break
        case nil: return nil
        }
      case .refused(let error) where error.isOfTheMoment: break
      // Such as by a server that has taken over without having got the transaction.
      case .noRow, .refused: return nil
      case .lost: break
      }
      await wait(pause)
      pause = min(pause * 2, .milliseconds(500))
    }
    return nil
  }

  private func ask(
    _ sql: String, _ parameters: ParameterList, by deadline: MonotonicInstant
  ) async -> Inquiry.Answer {
    await inquiry.ask(sql, parameters, by: min(deadline, loop.now + Self.limitOfQuestion))
  }

  /// The number alone could be another process's by now: it is ended only while it has the transaction. One that waits for
  /// a standby has committed already, but nobody is to see that before the standby has it.
  private static let endSQL = """
    select pg_catalog.bool_or(pg_catalog.pg_terminate_backend(pid))::text
    from pg_catalog.pg_stat_activity
    where backend_xid::text = ($1::xid8::xid)::text and pid <> pg_catalog.pg_backend_pid()
      and wait_event is distinct from 'SyncRep'
    """

  private func wait(_ pause: Duration) async {
    await withCheckedContinuation { continuation in
      _ = loop.schedule(at: loop.now + pause) { continuation.resume() }
    }
  }
}
