internal import Synchronization
internal import TransomEventLoop
internal import TransomHTTP
internal import TransomMetrics
internal import TransomPostgres

/// What people and programs that run the service ask it: whether it works, and what it does.
final class Monitor: Sendable {
  /// One database, as it is used.
  struct Database: Sendable {
    var pool: DatabasePool
    var isRequired: Bool
  }

  /// Whether the service was told to stop: load balancers shall look elsewhere.
  final class Draining: Sendable {
    private let flag = Atomic(false)
    var isOn: Bool { flag.load(ordering: .relaxed) }
    func begin() { flag.store(true, ordering: .relaxed) }
  }

  let registry: MetricsRegistry
  let draining = Draining()
  private let databases: [String: Database]
  private let outbox: Outbox?
  private let version: String
  private let startedAt = MonotonicInstant.now
  private let server = Mutex<HTTPServer?>(nil)
  /// By loop: the question that is under way, without details.
  private let asking = Mutex<[Int: Task<HealthReport, Never>]>([:])

  init(
    of databases: [String: Database], outbox: Outbox?, version: String, in registry: MetricsRegistry
  ) {
    self.registry = registry
    self.databases = databases
    self.outbox = outbox
    self.version = version
    registry.describe("transom_webhooks_pending", "Deliveries that are pending.")
    registry.describe(
      "transom_webhooks_oldest_seconds",
      "How long the oldest pending delivery of a webhook that is not disabled has been due.")
    registry.describe(
      "transom_webhooks_attempts", "Attempts to deliver by what came of them.")
    registry.describe(
      "transom_webhooks_attempt_duration_seconds", "Time that an attempt to deliver took.")
  }

  /// The server whose clients are counted; nil: none any more.
  func watch(_ server: HTTPServer?) { self.server.withLock { $0 = server } }

  // MARK: Health

  /// Asks all databases at the same time.
  ///
  /// Without details everybody may ask, who has a key or not: however many do so at a time on a loop, that is one question,
  /// so that they cannot take the connections that transactions wait for.
  func health(details: Bool, onLoop index: Int) async -> HealthReport {
    guard !details else { return await ask(details: true, onLoop: index) }
    var report = await question(onLoop: index).value
    report.isDraining = draining.isOn
    return report
  }

  private func question(onLoop index: Int) -> Task<HealthReport, Never> {
    asking.withLock { asking in
      if let task = asking[index] { return task }
      let task = Task { [self] in
        let report = await ask(details: false, onLoop: index)
        self.asking.withLock { $0[index] = nil }
        return report
      }
      asking[index] = task
      return task
    }
  }

  private func ask(details: Bool, onLoop index: Int) async -> HealthReport {
    var found: [HealthReport.Database] = []
    await withTaskGroup { group in
      for (alias, database) in databases {
        group.addTask {
          await HealthReport.Database(
            alias: alias, isRequired: database.isRequired,
            finding: DatabaseProbe(pool: database.pool).ask(details: details, onLoop: index),
            poolSize: database.pool.size, connections: details ? database.pool.counts : .init(),
            webhooks: self.outbox.flatMap { $0.alias == alias ? $0.lastBacklog : nil })
        }
      }
      for await database in group { found.append(database) }
    }
    return HealthReport(
      isDraining: draining.isOn, version: version, uptime: .now - startedAt,
      databases: found.sorted { $0.alias < $1.alias })
  }

  // MARK: Metrics

  /// The page of all metrics as they are now.
  func page(_ format: MetricsPage.Format) async -> [UInt8] {
    var families = registry.snapshot() + ProcessMetrics.read()
    families.append(build)
    families += await connections()
    families += await pools()
    return MetricsPage.bytes(of: families, format)
  }

  private var build: MetricFamily {
    var family = MetricFamily("transom_build_info", .gauge, "Which version this is.")
    family.add([.init("version", version)], 1)
    return family
  }

  private func connections() async -> [MetricFamily] {
    guard let server = server.withLock({ $0 }) else { return [] }
    var family = MetricFamily(
      "transom_http_connections", .gauge, "Clients' connections that are open.")
    for (index, count) in await server.connectionCounts.enumerated() {
      family.add([.init("loop", String(index))], count)
    }
    return [family]
  }

  private func pools() async -> [MetricFamily] {
    var open = MetricFamily(
      "transom_pool_connections", .gauge, "Connections to PostgreSQL by what they do.")
    var waiting = MetricFamily(
      "transom_pool_waiting", .gauge, "Transactions that wait for a connection.")
    var size = MetricFamily(
      "transom_pool_size", .gauge, "Connections to PostgreSQL that there may be.")
    var failures = MetricFamily(
      "transom_pool_connect_failures", .counter, "Connections that could not be made.")
    for (alias, database) in databases {
      let counts = await database.pool.counts
      let label = MetricsRegistry.Label("database", alias)
      open.add([label, .init("state", "idle")], counts.idle)
      open.add([label, .init("state", "leased")], counts.leased)
      open.add([label, .init("state", "connecting")], counts.connecting)
      waiting.add([label], counts.waiting)
      size.add([label], database.pool.size)
      failures.add([label], counts.failures)
    }
    return [open, waiting, size, failures]
  }
}
