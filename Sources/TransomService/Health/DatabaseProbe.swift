internal import TransomEventLoop
internal import TransomPostgres

/// Asks one database whether it answers, and what it is.
struct DatabaseProbe: Sendable {
  enum Finding: Sendable {
    case answers(Answer)
    /// All connections are at work: that the database answers is then a fact.
    case busy
    case fails(String)

    var failure: String? {
      if case .fails(let reason) = self { reason } else { nil }
    }
  }

  /// What it said; nil where it does not tell that.
  struct Answer: Sendable {
    /// From the question to the answer.
    var latency: Duration
    var isStandby: Bool?
    var serverVersion: String?
    /// Seconds since a standby has replayed a transaction.
    var replayLag: String?
    /// Of the schema `transom`; nil: there is none that the role may use.
    var schemaVersion: Int?
  }

  /// How long a database may take to give a connection, and then to answer.
  private static let limit = Duration.seconds(2)

  private static let details = """
    select pg_is_in_recovery(), current_setting('server_version'),
      case when pg_is_in_recovery() then round(extract(epoch from now() - pg_last_xact_replay_timestamp())::numeric, 3) end
    """
  private static let schema = "select coalesce(max(version), 0) from transom.schema_version"

  let pool: DatabasePool

  /// Asks on a connection of the pool, as the loop sees it. With `details` in the same round trip for what the database is.
  func ask(details: Bool, onLoop index: Int) async -> Finding {
    do {
      let lease = try await pool.lease(onLoop: index, until: .now + Self.limit)
      let answer = await Self.ask(details: details, on: lease.connection)
      await pool.release(lease)
      guard let answer else { return .fails("the connection was lost, or it took too long") }
      return .answers(answer)
    } catch .unreachable(let reason) {
      // A server that takes no more connections answers those that it has: all replicas together would be taken off.
      return await pool.counts(onLoop: index).leased > 0 ? .busy : .fails(reason)
    } catch .poolExhausted {
      return .busy
    } catch {
      return .fails("no connection can be had")
    }
  }

  private static func ask(
    details: Bool, on connection: isolated PostgresConnection
  ) async -> Answer? {
    // A server that hangs loses its connection, or who asks would hang with it.
    let loop = connection.loop
    let timer = loop.schedule(at: loop.now + limit) { connection.onLoop { $0.close() } }
    defer { loop.cancel(timer) }
    connection.limitReceiving(to: .max)
    let began = MonotonicInstant.now
    var answer = Answer(latency: .zero)
    do {
      let questions = details ? ["SELECT 1", Self.details, schema] : ["SELECT 1"]
      // Each is a transaction of its own: there are servers that refuse one of them.
      for question in questions {
        try connection.enqueueUnnamed(question)
        try connection.sync()
      }
      for index in questions.indices {
        try await receive(index, into: &answer, on: connection)
        if index == 0 { answer.latency = .now - began }
      }
      return answer
    } catch {
      return nil
    }
  }

  /// Takes the answer to a question, and the end of its transaction.
  private static func receive(
    _ question: Int, into answer: inout Answer, on connection: isolated PostgresConnection
  ) async throws(ConnectionError) {
    while true {
      switch try await connection.next(isShielded: true) {
      case .result(let result) where question == 1:
        answer.isStandby = result.text(row: 0, column: 0).map { $0 == "t" }
        answer.serverVersion = result.text(row: 0, column: 1)
        answer.replayLag = result.text(row: 0, column: 2)
      case .result(let result) where question == 2:
        answer.schemaVersion = result.text(row: 0, column: 0).flatMap { Int($0) }
      case .result: continue
      case .failed: continue
      case .skipped: continue
      case .synced: return
      }
    }
  }
}
