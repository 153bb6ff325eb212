internal import Logging
internal import TransomPostgres

/// What one database's schema `transom` holds for the service: events that were committed, and their deliveries.
///
/// It has connections of its own, so that deliveries and transactions do not wait for each other.
final class Outbox: Sendable {
  /// Whether there is anything to work with.
  let schema = SchemaInstallation()
  private let database: Database
  private let migrates: Bool
  private let logger: Logger

  init(in database: Database, migrates: Bool, logger: Logger) {
    self.database = database
    self.migrates = migrates
    self.logger = logger
  }

  /// Finds the schema, and keeps it tidy until its task is cancelled.
  func run() async {
    await schema.find(in: database, migrates: migrates, logger: logger)
    await ExpiredKeys(in: database, logger: logger).removeNowAndThen()
  }

  /// Closes its connections.
  func shutdown() async { await database.shutdown() }
}
