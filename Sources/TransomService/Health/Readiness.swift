internal import TransomEventLoop
internal import TransomPostgres

/// Whether the databases answer: what a load balancer wants to know.
struct Readiness: Sendable {
  let databases: [String: DatabasePool]
  /// How long a database may take.
  private static let limit = Duration.seconds(2)

  /// What keeps the service from serving: a database and its reason; nil if every database answers.
  func firstFailure(onLoop index: Int) async -> (database: String, reason: String)? {
    for (alias, pool) in databases {
      do {
        let lease = try await pool.lease(onLoop: index, until: .now + Self.limit)
        let answers = await Self.answers(lease.connection)
        await pool.release(lease)
        if !answers { return (alias, "the connection was lost") }
      } catch LeaseError.unreachable(let reason) {
        return (alias, reason)
      } catch LeaseError.poolExhausted {
        // All connections are at work: that the database answers is then a fact.
        continue
      } catch {
        return (alias, "no connection can be had")
      }
    }
    return nil
  }

  private static func answers(_ connection: isolated PostgresConnection) async -> Bool {
    do {
      try connection.enqueueUnnamed("SELECT 1")
      try connection.sync()
      guard case .result = try await connection.next() else { return false }
      guard case .synced = try await connection.next() else { return false }
      return true
    } catch {
      return false
    }
  }
}
