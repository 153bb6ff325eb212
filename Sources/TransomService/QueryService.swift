package import Logging
internal import ServiceLifecycle
internal import TransomEventLoop
internal import TransomHTTP
internal import TransomPostgres

/// The whole service: event loops, pools, HTTP server. Runs until it is told to stop, then finishes what is in flight.
package struct QueryService: Sendable {
  private let configuration: ServiceConfiguration
  private let logger: Logger

  package init(_ configuration: ServiceConfiguration, logger: Logger) {
    self.configuration = configuration
    self.logger = logger
  }

  /// Serves until the graceful shutdown of the task that runs it.
  ///
  /// `started` is called with the addresses once clients can connect.
  package func run(started: @Sendable ([String]) -> Void) async throws {
    let addresses = try configuration.listen.map { try SocketAddress(parsing: $0) }
    let group = try EventLoopGroup(count: configuration.loops)
    let databases = try configuration.databases.mapValues {
      try DatabasePool($0.connection, $0.pool, on: group)
    }
    let draining = ServiceHandler.Draining()
    let readiness = Readiness(databases: databases)
    let outbox = try outbox(on: group.loops[0])
    let gate = configuration.keys.isEmpty ? nil : Gate(configuration, logger: logger)
    let hosts = try configuration.hostPolicy()
    let documentation = Documentation()
    let handlers = group.loops.enumerated().map { index, loop in
      ServiceHandler(
        executor: TransactionExecutor(
          on: loop, index: index, databases: databases,
          schemas: outbox.map { ["default": $0.schema] } ?? [:], configuration.execution,
          outbox: outbox),
        loopIndex: index, readiness: readiness, draining: draining,
        crossOrigin: configuration.crossOrigin, hosts: hosts,
        webhooks: outbox.map { WebhookResource(outbox: $0, seal: configuration.webhooks.seal) },
        gate: gate, documentation: documentation)
    }
    let server = HTTPServer(
      handler: LoopHandlers(handlers: handlers, loops: group), loops: group,
      configuration: configuration.http(logger: logger), logger: logger)
    try await withThrowingTaskGroup { tasks in
      let dispatcher = outbox.map {
        Dispatcher(of: $0, on: group.loops[0], configuration.webhooks, logger: logger)
      }
      tasks.addTask(executorPreference: group.loops[0]) {
        await outbox?.findSchema()
        guard let outbox, outbox.schema.isInstalled, !Task.isCancelled else { return }
        async let _ = outbox.removeExpiredKeys()
        await dispatcher?.run()
      }
      await outbox?.schema.waitForFirstLook(timer: group.loops[0])
      let bound = try await listen(server, on: addresses)
      for address in bound { logger.info("listening", metadata: ["address": "\(address)"]) }
      started(bound)
      try await serve(server, draining)
      if outbox?.schema.isInstalled == true { await dispatcher?.stop(within: .seconds(10)) }
      tasks.cancelAll()
    }
    await outbox?.shutdown()
    for database in databases.values { await database.shutdown() }
    await group.shutdown()
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

  private func serve(_ server: HTTPServer, _ draining: ServiceHandler.Draining) async throws {
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
