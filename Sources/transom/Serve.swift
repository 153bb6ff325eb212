import ArgumentParser
import CoreMetrics
import Glibc
import Logging
import ServiceLifecycle
import TransomCluster
import TransomConfiguration
import TransomEventLoop
import TransomLogging
import TransomMetrics
import TransomService
import UnixSignals

/// `transom serve`
struct Serve: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Serve transactions over HTTP.",
    discussion: """
      Without a database, a private PostgreSQL is made from the installed server and kept for the next start.

      Each setting is a flag, an environment variable and a line of the YAML file, and counts in this order: \
      --limits-body is TRANSOM_LIMITS_BODY and limits: {body: 8MiB}. In a variable, a list has commas; \
      TRANSOM_MIGRATE=false is --no-migrate. DATABASE_URL sets the database, too. More databases, and keys, are set in \
      the file below "databases" and "keys", or by variables: TRANSOM_DATABASES_REPLICA_URL, TRANSOM_KEYS_WEB_SHA256. \
      "transom config" prints all that is in force. With systemd's socket activation (LISTEN_FDS, LISTEN_PID) those \
      sockets are served in place of the default address.

      \(Settings.help)
      """)

  @OptionGroup
  var arguments: SettingArguments

  func run() async throws {
    // Who reads the log may end before us, as `tee` does at Ctrl-C: then it is lost, and no more than that.
    signal(SIGPIPE, SIG_IGN)
    let loaded = try arguments.load()
    let settings = loaded.settings
    let output = LogOutput(settings)
    let logger = output.logger("transom")
    // Before anything takes long: without a handler SIGHUP would end the process.
    let hangups = await UnixSignalsSequence(trapping: .sighup)
    let (started, starting) = AsyncStream.makeStream(of: Void.self)
    // Before anything counts.
    let metrics = MetricsRegistry()
    MetricsSystem.bootstrap(metrics)
    var configuration = settings.service
    try InheritedSockets.add(to: &configuration, settings)

    let embedded = try await embeddedCluster(settings, logger)
    if let embedded {
      var database = settings.privateDatabase ?? .init(url: "")
      database.url = embedded.connectionString()
      configuration.databases["default"] = database
    }
    do {
      let service = QueryService(configuration, logger: logger, metrics: metrics)
      let group = ServiceGroup(
        services: [
          Host(
            service: service, showsExample: embedded != nil,
            keys: configuration.keys.map(\.name), starting: starting),
          Reloading(
            arguments: arguments, first: loaded, service: service, output: output, logger: logger,
            metrics: metrics, signals: hangups, started: started),
        ], gracefulShutdownSignals: [.sigterm], logger: logger)
      try Interrupts.onFirst { await group.triggerGracefulShutdown() }
      try await group.run()
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
    guard settings.needsPrivateDatabase else { return nil }
    let directory = settings.dataDirectory ?? PrivateCluster.Configuration.defaultDirectory
    logger.info(
      "no database is set: starting a private PostgreSQL", metadata: ["data": "\(directory)"])
    return try await PrivateCluster.start(.persistent(in: directory), log: logger)
  }
}

/// The service as a part of the process's life cycle.
private struct Host: Service {
  let service: QueryService
  let showsExample: Bool
  /// The names of those that are taken; none: none is needed.
  let keys: [String]
  /// Ended when clients can connect.
  let starting: AsyncStream<Void>.Continuation

  func run() async throws {
    let showsExample = showsExample
    let keys = keys
    let starting = starting
    try await service.run { addresses in
      starting.finish()
      guard showsExample, let address = addresses.first else { return }
      print(FirstTransaction.text(for: address, keys: keys))
      // Into a pipe or a file, such as a container's log, it would wait for the end otherwise.
      fflush(nil)
    }
  }
}
