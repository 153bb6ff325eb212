import Glibc
import Logging
import ServiceLifecycle
import TransomConfiguration
import TransomLogging
import TransomMetrics
import TransomService
import UnixSignals

/// Reads the settings again at each SIGHUP, and takes those that can change while the service runs.
///
/// All or nothing: settings that are broken change nothing, and are named in the log.
struct Reloading: Service {
  let arguments: SettingArguments
  let first: LoadedSettings
  let service: QueryService
  let output: LogOutput
  let logger: Logger
  let metrics: MetricsRegistry
  /// Each SIGHUP since the process began.
  let signals: UnixSignalsSequence
  /// Ends when the service is up: signals wait until then.
  let started: AsyncStream<Void>

  func run() async throws {
    let isAtTerminal = isatty(STDIN_FILENO) != 0
    let help = "Times that the configuration was read again."
    let succeeded = metrics.counter(
      "transom_configuration_reloads", help, [.init("result", "ok")])
    let failed = metrics.counter(
      "transom_configuration_reloads", help, [.init("result", "failed")])
    var current = first
    for await _ in started.cancelOnGracefulShutdown() {}
    for await _ in signals.cancelOnGracefulShutdown() {
      // The terminal was closed: the signal is the kernel's, and means the end.
      if isAtTerminal, isatty(STDIN_FILENO) == 0 {
        kill(getpid(), SIGTERM)
        continue
      }
      do {
        current = try await reload(current)
        succeeded.increment()
      } catch {
        failed.increment()
        logger.error(
          "the configuration is broken, and nothing is changed", metadata: ["reason": "\(error)"])
      }
    }
  }

  private func reload(_ current: LoadedSettings) async throws -> LoadedSettings {
    let new = try arguments.load()
    var configuration = new.settings.service
    if configuration.databases.isEmpty {
      configuration.databases["default"] = new.settings.privateDatabase ?? .init(url: "")
    }
    try await service.reload(
      configuration, allowsPublic: new.settings.allowsUnauthenticated)
    output.logLevel = new.settings.logLevel
    let changed = new.changes(since: current).live
    logger.notice(
      "the configuration was read again",
      metadata: ["changed": .array(changed.map { "\($0)" })])
    // What the service runs with is what it began with.
    let waiting = new.changes(since: first).restart
    if !waiting.isEmpty {
      logger.warning(
        "settings have changed that take a restart",
        metadata: ["settings": .array(waiting.map { "\($0)" })])
    }
    return new
  }
}
