internal import Synchronization
internal import TransomEventLoop
internal import TransomHTTP
internal import TransomPostgres

/// The parts of a service that runs, for who changes its settings.
final class RunningService: Sendable {
  struct Parts: Sendable {
    var configuration: ServiceConfiguration
    var handlers: [ServiceHandler]
    var server: HTTPServer
    var databases: [String: DatabasePool]
  }

  private let parts = Mutex<Parts?>(nil)

  func begins(_ parts: Parts) { self.parts.withLock { $0 = parts } }
  func ends() { parts.withLock { $0 = nil } }

  /// Nil: it does not run.
  var current: Parts? { parts.withLock { $0 } }

  func changed(to configuration: ServiceConfiguration) {
    parts.withLock { $0?.configuration = configuration }
  }
}

extension QueryService {
  /// Takes the settings of another configuration that can change while the service runs: keys, tokens, limits, timeouts, sizes of
  /// pools, and from when on a transaction is slow. It is one step at a time: another call waits for none.
  ///
  /// What concerns a client's connection as such holds for those that are made from then on.
  ///
  /// - Throws: if the service could not be as it would have to be; then nothing has changed.
  package func reload(_ new: ServiceConfiguration, allowsPublic: Bool) async throws {
    guard let running = running.current else { return }
    let merged = running.configuration.taking(new)
    // All that can fail comes first.
    if merged.isOpen, !allowsPublic, let address = try merged.publicAddresses().first {
      throw ServiceConfiguration.Flaw(
        "without keys \(address) cannot be served, which others can reach")
    }
    let hosts = try merged.hostPolicy()
    let gate = try await gate(of: merged)

    for handler in running.handlers {
      await handler.change(gate: gate, hosts: hosts, merged.execution)
    }
    await running.server.change(to: merged.http(logger: logger))
    for (alias, pool) in running.databases {
      if let size = merged.databases[alias]?.poolSize { await pool.resize(to: size) }
    }
    self.running.changed(to: merged)
  }
}

extension ServiceConfiguration {
  /// This one, with those settings of another one that can change while the service runs.
  fileprivate func taking(_ new: ServiceConfiguration) -> ServiceConfiguration {
    var merged = self
    merged.keys = new.keys
    merged.tokens = new.tokens
    merged.limits = new.limits
    merged.timeouts = new.timeouts
    merged.slowFrom = new.slowFrom
    merged.idempotencyLifetime = new.idempotencyLifetime
    for (alias, database) in new.databases {
      merged.databases[alias]?.poolSize = database.poolSize
    }
    return merged
  }
}
