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

      Each flag is an environment variable, too: --limits-body is TRANSOM_LIMITS_BODY, and a flag that can be \
      repeated is a list with commas; TRANSOM_MIGRATE=false is --no-migrate. The flag wins. Variables without a \
      flag: DATABASE_URL, TRANSOM_POOL_WAIT_MS, TRANSOM_PREPARED_STATEMENTS, TRANSOM_WEBHOOKS_SECRET_KEYS. With systemd's socket activation (LISTEN_FDS, LISTEN_PID) those sockets are \
      served in place of the default address.
      """)

  @Option(
    help:
      "HOST:PORT, [IPV6]:PORT or unix:/PATH; port 0 is any free one; can be repeated (default 127.0.0.1:8080)."
  )
  var listen: [String] = []

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

  @OptionGroup(title: "HTTP")
  var server: ServerOptions

  @OptionGroup(title: "Webhooks")
  var webhooks: WebhookOptions

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
      try await Interrupts.exitingAtSecond { try await group.run() }
    } catch {
      try? await embedded?.stop()
      throw error
    }
    try await embedded?.stop()
    // Not exit(3), which cleans OpenSSL up: a thread that still waits inside of libpq or libcurl, such as for a server that
    // does not answer, would crash then.
    fflush(nil)
    _exit(EXIT_SUCCESS)
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
    database.poolSize = try settings.number(poolSize, "pool.size", in: 1...10_000) ?? 16
    database.preparesStatements = try settings.flag("prepared.statements") ?? true
    if let wait = try settings.number(nil, "pool.wait.ms", in: 0...600_000) {
      database.poolWait = .milliseconds(wait)
    }
    let loops = try settings.number(loops, "loops", in: 1...1024)
    var configuration = ServiceConfiguration(
      databases: ["default": database],
      loops: loops ?? ProcessInfo.processInfo.activeProcessorCount)
    try Settings.check("database-url", database.validate)
    configuration.migrates = try !noMigrate && settings.flag("migrate") ?? true
    try readListeners(settings, &configuration)
    try server.read(settings, into: &configuration)
    try webhooks.read(settings, into: &configuration)
    return configuration
  }

  /// What is asked for, and what the process was started with; the default without both.
  private func readListeners(
    _ settings: Settings, _ configuration: inout ServiceConfiguration
  ) throws(SettingError) {
    for descriptor in try settings.inheritedDescriptors(of: getpid()) {
      configuration.inherited.append(
        try Settings.check("LISTEN_FDS") { try .init(descriptor: descriptor) })
    }
    if let (_, addresses) = settings.list(listen, "listen") {
      configuration.listen = addresses
    } else if !configuration.inherited.isEmpty {
      configuration.listen = []
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
    let place =
      address.hasPrefix("unix:")
      ? "--unix-socket \(address.dropFirst(5)) http://localhost" : "http://\(address)"
    return """

      Transom is ready. Post a first transaction:

        curl \(place)/transactions --json '{"statements": [
          {"sql": "create table if not exists account (id serial primary key, owner text unique)"},
          {"id": "ada", "sql": "insert into account (owner) values ($1) on conflict do nothing returning id", "params": ["ada"]},
          {"savepoint": [{"sql": "insert into account (owner) values ($1)", "params": ["ada"]}], "on_error": "continue"},
          {"sql": "select * from account"}]}'

      Stop with Ctrl-C. The data stay.

      """
  }
}
