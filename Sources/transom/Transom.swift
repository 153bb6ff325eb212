import ArgumentParser
import TransomService

/// The command line.
@main
struct Transom: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Safe, atomic PostgreSQL transactions over HTTP.",
    version: QueryService.version,
    subcommands: [
      Serve.self, Check.self, Healthcheck.self, Migrate.self, ShowConfiguration.self, Key.self,
    ],
    defaultSubcommand: Serve.self)
}
