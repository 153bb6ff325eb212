import ArgumentParser

/// The command line.
@main
struct Transom: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Safe, atomic PostgreSQL transactions over HTTP.",
    version: "0.1.0",
    subcommands: [Serve.self, Migrate.self, ShowConfiguration.self, Key.self],
    defaultSubcommand: Serve.self)
}
