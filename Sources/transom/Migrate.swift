import ArgumentParser
import TransomConfiguration
import TransomLogging
import TransomService

/// `transom migrate`
struct Migrate: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Install or update the schema transom.",
    discussion: """
      It holds webhooks, events to be delivered, and idempotency keys. "transom serve" does the same by itself when it
      starts, unless --no-migrate. The role needs the right to create a schema in the database, or must own the schema.

      The database is set as for "transom serve": by --database-url, TRANSOM_DATABASE_URL or DATABASE_URL, or in the file
      that --config names.
      """)

  @OptionGroup
  var arguments: SettingArguments

  func run() async throws {
    let settings = try arguments.load(listens: false).settings
    guard let database = settings.service.databases["default"] else {
      throw ValidationError("no database is set: give --database-url, or set DATABASE_URL")
    }
    let logger = LogOutput(settings).logger("transom")
    let versions = try await database.migrate(logger: logger)
    if let version = versions.last {
      print("The schema transom is installed, in version \(version).")
    } else {
      print("The schema transom is up to date.")
    }
  }
}
