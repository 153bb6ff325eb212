package import Logging
package import TransomPostgres

/// Removes idempotency keys that have expired, in small batches, so that no transaction waits for it.
package struct ExpiredKeys: Sendable {
  private static let interval = Duration.seconds(60)
  private static let batch = 1000

  private let database: Database
  private let logger: Logger

  package init(in database: Database, logger: Logger) {
    self.database = database
    self.logger = logger
  }

  /// Goes on until its task is cancelled.
  func removeNowAndThen() async {
    while !Task.isCancelled {
      do {
        while try await removeBatch() == Self.batch {}
      } catch {
        logger.debug("cannot remove expired idempotency keys", metadata: ["reason": "\(error)"])
      }
      try? await Task.sleep(for: Self.interval)
    }
  }

  /// Removes some, and tells how many. What another replica is at is left to it.
  ///
  /// - Throws: `PostgresError`.
  package func removeBatch() async throws -> Int {
    try await database.execute(
      """
      delete from transom.idempotency_keys where key in (
        select key from transom.idempotency_keys where expires_at <= now()
        order by expires_at limit \(Self.batch) for update skip locked)
      """)
  }
}
