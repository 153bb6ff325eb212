import ArgumentParser
import Logging
import TransomService

/// `transom migrate`
struct Migrate: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Install or update the schema transom.",
    discussion: """
      It holds webhooks, events to be delivered, and idempotency keys. "transom serve" does the same by itself when it
      starts, unless --no-migrate. The role needs the right to create a schema in the database, or must own the schema.

      TRANSOM_DATABASE_URL or DATABASE_URL sets the database, too; the flag wins.
      """)

  @Option(help: "A PostgreSQL URL or connection string.")
  var databaseURL: String?

  func run() async throws {
    guard let url = databaseURL ?? Settings().databaseURL else {
      throw ValidationError("no database is set: give --database-url, or set DATABASE_URL")
    }
    let database = ServiceConfiguration.Database(url: url)
    try Settings.check("database-url", database.validate)
    let logger = Logger(label: "transom") { StreamLogHandler.standardError(label: $0) }
    let versions = try await database.migrate(logger: logger)
    if let version = versions.last {
      print("The schema transom is installed, in version \(version).")
    } else {
      print("The schema transom is up to date.")
    }
  }
}
