import ArgumentParser
import FoundationEssentials
import Glibc
import Logging
import ServiceLifecycle
import TransomCluster
import TransomService
import UnixSignals

/// `transom serve`
struct Serve: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Serve transactions over HTTP.",
    discussion: """
      Without a database, a private PostgreSQL is made from the installed server and kept for the next start.

      Each setting is an environment variable, too; a flag wins:
        TRANSOM_LISTEN, TRANSOM_DATABASE_URL or DATABASE_URL, TRANSOM_POOL_SIZE, TRANSOM_POOL_WAIT_MS,
        TRANSOM_PREPARED_STATEMENTS, TRANSOM_LOOPS, TRANSOM_DATA_DIRECTORY, TRANSOM_LOG_LEVEL,
        TRANSOM_MIGRATE, TRANSOM_ALLOW_UNAUTHENTICATED, TRANSOM_LIMITS_BODY, TRANSOM_LIMITS_RESPONSE,
        TRANSOM_LIMITS_HEADERS, TRANSOM_LIMITS_TIMEOUT_MS, TRANSOM_LIMITS_CONNECTIONS
      Limits are bytes, milliseconds and numbers.
      """)

  @Option(
    help: "HOST:PORT, [IPV6]:PORT or unix:/PATH; port 0 is any free one (default 127.0.0.1:8080).")
  var listen: String?

  @Option(help: "A PostgreSQL URL or connection string.")
  var databaseURL: String?

  @Option(help: "PostgreSQL connections at most (default 16).")
  var poolSize: Int?

  @Option(help: "Event loops, each a thread (default: one for each core).")
  var loops: Int?

  @Option(help: "Where the private PostgreSQL keeps its data.")
  var dataDirectory: String?

  @Option(help: "trace, debug, info, notice, warning or error (default info).")
  var logLevel: String?

  @Flag(help: "Leave the schema transom as it is (environment: TRANSOM_MIGRATE=false).")
  var noMigrate = false

  @Flag(help: "Listen on an address that others can reach although nobody has to say who they are.")
  var allowUnauthenticated = false

  func run() async throws {
    let settings = Settings()
    var logger = Logger(label: "transom") { StreamLogHandler.standardError(label: $0) }
    logger.logLevel = try level(settings)
    var configuration = try serviceConfiguration(settings)
    try checkAddresses(configuration, settings)

    let embedded = try await embeddedCluster(settings, logger)
    if let embedded { configuration.databases["default"]?.url = embedded.connectionString() }
    do {
      let service = Host(
        service: QueryService(configuration, logger: logger), showsExample: embedded != nil)
      let group = ServiceGroup(
        services: [service], gracefulShutdownSignals: [.sigterm, .sigint], logger: logger)
      try await group.run()
    } catch {
      try? await embedded?.stop()
      throw error
    }
    try await embedded?.stop()
  }

  /// A PostgreSQL of our own, unless a database is set.
  private func embeddedCluster(
    _ settings: Settings, _ logger: Logger
  ) async throws -> PrivateCluster? {
    guard databaseURL ?? settings.databaseURL == nil else { return nil }
    let directory =
      dataDirectory ?? settings.dataDirectory ?? PrivateCluster.Configuration.defaultDirectory
    logger.info(
      "no database is set: starting a private PostgreSQL", metadata: ["data": "\(directory)"])
    return try await PrivateCluster.start(.persistent(in: directory), log: logger)
  }

  private func level(_ settings: Settings) throws(SettingError) -> Logger.Level {
    guard let text = logLevel ?? settings.logLevel else { return .info }
    guard let level = Logger.Level(rawValue: text) else {
      throw SettingError(
        "log-level", text, allowed: Logger.Level.allCases.map(\.rawValue).joined(separator: ", "))
    }
    return level
  }

  /// Without keys only this machine may reach the service.
  private func checkAddresses(_ configuration: ServiceConfiguration, _ settings: Settings) throws {
    let addresses = try Settings.check("listen") { try configuration.publicAddresses() }
    guard let address = addresses.first else { return }
    if try allowUnauthenticated || settings.flag("allow.unauthenticated") == true { return }
    throw SettingError(
      "listen", address,
      allowed: "an address of this machine only, such as 127.0.0.1:8080, because anybody who "
        + "reaches the service may run any SQL; --allow-unauthenticated lifts this")
  }

  private func serviceConfiguration(_ settings: Settings) throws -> ServiceConfiguration {
    var database = ServiceConfiguration.Database(url: databaseURL ?? settings.databaseURL ?? "")
    database.poolSize = try number(poolSize, "pool.size", settings, in: 1...10_000) ?? 16
    database.preparesStatements = try settings.flag("prepared.statements") ?? true
    if let wait = try settings.number("pool.wait.ms", in: 0...600_000) {
      database.poolWait = .milliseconds(wait)
    }
    let loops = try number(loops, "loops", settings, in: 1...1024)
    var configuration = ServiceConfiguration(
      databases: ["default": database],
      loops: loops ?? ProcessInfo.processInfo.activeProcessorCount)
    try Settings.check("database-url", database.validate)
    configuration.listen = [listen ?? settings.listen ?? "127.0.0.1:8080"]
    configuration.migrates = try !noMigrate && settings.flag("migrate") ?? true
    try readLimits(settings, &configuration.limits)
    return configuration
  }

  /// A number from the command line, or else from the environment.
  private func number(
    _ flag: Int?, _ key: String, _ settings: Settings, in range: ClosedRange<Int>
  ) throws(SettingError) -> Int? {
    guard let flag else { return try settings.number(key, in: range) }
    let name = "--" + key.replacing(".", with: "-")
    return try Settings.check(flag, String(flag), name, in: range)
  }

  private func readLimits(
    _ settings: Settings, _ limits: inout ServiceConfiguration.Limits
  ) throws(SettingError) {
    if let body = try settings.number("limits.body", in: 1024...(256 << 20)) {
      limits.body = body
    }
    if let headers = try settings.number("limits.headers", in: 1024...(1 << 20)) {
      limits.headers = headers
    }
    if let response = try settings.number("limits.response", in: 1024...(1 << 30)) {
      limits.response = response
    }
    if let timeout = try settings.number("limits.timeout.ms", in: 1...86_400_000) {
      limits.timeout = .milliseconds(timeout)
    }
    if let connections = try settings.number("limits.connections", in: 1...1_000_000) {
      limits.connections = connections
    }
  }
}

/// The service as a part of the process's life cycle.
private struct Host: Service {
  let service: QueryService
  let showsExample: Bool

  func run() async throws {
    let showsExample = showsExample
    try await service.run { addresses in
      guard showsExample, let address = addresses.first else { return }
      print(Self.example(address))
      // Into a pipe or a file, such as a container's log, it would wait for the end otherwise.
      fflush(nil)
    }
  }

  /// What to do first: a command that works as it stands.
  private static func example(_ address: String) -> String {
    """

    Transom is ready. Post a first transaction:

      curl http://\(address)/transactions --json '{"statements": [
        {"sql": "create table if not exists account (id serial primary key, owner text unique)"},
        {"id": "ada", "sql": "insert into account (owner) values ($1) on conflict do nothing returning id", "params": ["ada"]},
        {"savepoint": [{"sql": "insert into account (owner) values ($1)", "params": ["ada"]}], "on_error": "continue"},
        {"sql": "select * from account"}]}'

    Stop with Ctrl-C. The data stay.

    """
  }
}
