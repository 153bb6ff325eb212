package import Logging
internal import ServiceLifecycle
internal import TransomEventLoop
internal import TransomHTTP
package import TransomMetrics
internal import TransomPostgres

/// The whole service: event loops, pools, HTTP server. Runs until it is told to stop, then finishes what is in flight.
package struct QueryService: Sendable {
  private let configuration: ServiceConfiguration
  let logger: Logger
  private let metrics: MetricsRegistry
  let running = RunningService()

  /// The version of the program.
  package static let version = "0.1.0"

  package init(
    _ configuration: ServiceConfiguration, logger: Logger,
    metrics: MetricsRegistry = MetricsRegistry()
  ) {
    self.configuration = configuration
    self.logger = logger
    self.metrics = metrics
  }

  /// Serves until the graceful shutdown of the task that runs it.
  ///
  /// `started` is called with the addresses once clients can connect.
  package func run(started: @Sendable ([String]) -> Void) async throws {
    OpenFiles.raiseLimit()
    let addresses = try configuration.listen.map { try SocketAddress(parsing: $0) }
    let group = try EventLoopGroup(count: configuration.loops)
    let databases = try configuration.databases.mapValues {
      try DatabasePool($0.connection, $0.pool, on: group)
    }
    let outbox = try outbox(on: group.loops[0])
    let monitor = monitor(databases, outbox)
    let gate = try await gate(of: configuration)
    let hosts = try configuration.hostPolicy()
    let transactions = configuration.transactions
    let documentation = Documentation(
      document: OpenAPIDocument(
        yaml: NamedTransactionDocument(transactions).added(to: PackageResources.openapi_yaml)))
    let named = Dictionary(transactions.map { ($0.name, $0) }) { first, _ in first }
    let check = DefinitionCheck(
      databases: databases, hooks: outbox?.possibleRules ?? .none, logger: logger)
    let tracing = try Tracing(configuration, in: metrics, logger: logger)
    let handlers = group.loops.enumerated().map { index, loop in
      ServiceHandler(
        executor: TransactionExecutor(
          on: loop, index: index, databases: databases,
          schemas: outbox.map { ["default": $0.schema] } ?? [:], configuration.execution,
          outbox: outbox, metrics: metrics, isTraced: tracing != nil),
        loopIndex: index, monitor: monitor,
        scope: configuration.metricsListen.isEmpty ? .everything : .allButMetrics,
        crossOrigin: configuration.crossOrigin, hosts: hosts,
        webhooks: outbox.map { WebhookResource(outbox: $0, seal: configuration.webhooks.seal) },
        gate: gate, documentation: documentation, named: named, logger: logger)
    }
    let server = HTTPServer(
      handler: LoopHandlers(
        handlers: handlers.map { tracing?.traced($0) ?? $0 }, loops: group), loops: group,
      configuration: configuration.http(logger: logger), logger: logger)
    monitor.watch(server)
    running.begins(
      RunningService.Parts(
        configuration: configuration, handlers: handlers, server: server, databases: databases))
    defer { running.ends() }
    let lags = group.loops.enumerated().map { LoopLag(of: $1, index: $0, in: metrics) }
    for lag in lags { await lag.start() }
    let monitoring = try await monitoringServer(like: handlers[0], on: group)
    try await withThrowingTaskGroup { tasks in
      if let monitoring { tasks.addTask { await monitoring.run() } }
      if let tracing { tasks.addTask { await tracing.run() } }
      let dispatcher = outbox.map {
        Dispatcher(
          of: $0, beside: databases["default"]?.onLoop(0), on: group.loops[0],
          configuration.webhooks, logger: logger)
      }
      tasks.addTask(executorPreference: group.loops[0]) {
        await outbox?.findSchema()
        guard let outbox, outbox.schema.isInstalled, !Task.isCancelled else { return }
        async let _ = outbox.removeExpiredKeys()
        await dispatcher?.run()
      }
      await outbox?.schema.waitForFirstLook(timer: group.loops[0])
      var failure: (any Error)?
      do {
        let unchecked = try await check.check(transactions)
        tasks.addTask { await check.checkLater(unchecked) }
        let bound = try await listen(server, on: addresses)
        for address in bound { logger.info("listening", metadata: ["address": "\(address)"]) }
        started(bound)
        try await serve(server, monitor.draining)
      } catch {
        failure = error
      }
      // It ends by nothing else.
      if outbox?.schema.isInstalled == true { await dispatcher?.stop(within: .seconds(10)) }
      await monitoring?.shutdown(by: .now + Self.monitoringLimit)
      await tracing?.stop()
      tasks.cancelAll()
      if let failure { throw failure }
    }
    for lag in lags { await lag.stop() }
    monitor.watch(nil)
    await outbox?.shutdown()
    for database in databases.values { await database.shutdown() }
    await tracing?.shutdown()
    await group.shutdown()
  }

  /// How long whoever asks for metrics may keep the service from ending.
  private static let monitoringLimit = Duration.seconds(1)

  private func monitor(_ pools: [String: DatabasePool], _ outbox: Outbox?) -> Monitor {
    var databases: [String: Monitor.Database] = [:]
    for (alias, pool) in pools {
      let database = configuration.databases[alias]
      databases[alias] = Monitor.Database(
        pool: pool, isRequired: database?.isRequired ?? true)
    }
    return Monitor(of: databases, outbox: outbox, version: Self.version, in: metrics)
  }

  /// Serves what is for who runs the service, at addresses of its own; nil if it has none. `served` is the first loop's.
  private func monitoringServer(
    like served: ServiceHandler, on group: EventLoopGroup
  ) async throws -> HTTPServer? {
    guard !configuration.metricsListen.isEmpty else { return nil }
    let loops = EventLoopGroup(of: [group.loops[0]])
    let handler = ServiceHandler(
      executor: served.executor, loopIndex: 0, monitor: served.monitor, scope: .monitoring,
      hosts: try configuration.metricsHostPolicy(), documentation: served.documentation,
      logger: logger)
    var http = configuration.http(logger: logger)
    http.accessLog = nil
    http.maximumConnections = 100
    let server = HTTPServer(handler: handler, loops: loops, configuration: http, logger: logger)
    for text in configuration.metricsListen {
      let address = try await server.listen(
        on: SocketAddress(parsing: text), mode: configuration.socketMode)
      logger.info("metrics are served", metadata: ["address": "\(address)"])
    }
    return server
  }

  /// Knows the keys and the tokens of a configuration; nil: everybody may do everything.
  ///
  /// - Throws: `KeySetDocument.Flaw` for a key of tokens that is none.
  func gate(of configuration: ServiceConfiguration) async throws -> Gate? {
    guard !configuration.isOpen else { return nil }
    var tokens: TokenAuthenticator?
    if let token = configuration.tokens { tokens = try await TokenAuthenticator(token) }
    return Gate(configuration, tokens: tokens, logger: logger)
  }

  /// The outbox of the default database.
  private func outbox(on loop: EventLoop) throws -> Outbox? {
    guard let database = configuration.databases["default"] else { return nil }
    return Outbox(
      in: try Database(
        "default", database.outbox, on: EventLoopGroup(of: [loop]), logger: logger),
      migrates: configuration.migrates, allowsAddresses: configuration.webhooks.allowsAddresses,
      logger: logger)
  }

  /// Where clients can connect, from now on.
  private func listen(
    _ server: HTTPServer, on addresses: [SocketAddress]
  ) async throws -> [String] {
    var bound: [String] = []
    for socket in configuration.inherited {
      bound.append(try await server.listen(inheriting: socket.descriptor).description)
    }
    for address in addresses {
      let address = try await server.listen(on: address, mode: configuration.socketMode)
      bound.append(address.description)
    }
    return bound
  }

  private func serve(_ server: HTTPServer, _ draining: Monitor.Draining) async throws {
    try await withThrowingTaskGroup { tasks in
      tasks.addTask { await server.run() }
      tasks.addTask {
        try await gracefulShutdown()
        logger.info("stopping: requests in flight are finished first")
        draining.begin()
        if configuration.shutdownDelay > .zero {
          await server.announceShutdown()
          try await Task.sleep(for: configuration.shutdownDelay)
        }
        await server.shutdown(by: .now + configuration.shutdownLimit)
      }
      try await tasks.next()
      tasks.cancelAll()
    }
    logger.info("stopped")
  }
}
