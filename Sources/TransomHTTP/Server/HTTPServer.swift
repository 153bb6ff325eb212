package import Logging
package import TransomEventLoop

/// Listens, accepts, and spreads the clients' connections over the event loops.
///
///     let server = HTTPServer(handler: handler, loops: loops, logger: logger)
///     let address = try await server.listen(on: SocketAddress(parsing: "127.0.0.1:0"))
///     await server.run()  // until somebody calls shutdown(by:)
///
/// It lives on the first loop of the group; a connection lives on the loop that had the fewest.
package actor HTTPServer {
  private enum State {
    case serving
    /// Serving, with the word to everybody that it ends soon.
    case ending
    case draining
  }

  /// Connections that are only told that there are too many, and get the time to read it; beyond that they are closed as
  /// soon as they were told.
  private static let maximumRefusals = 64
  /// Connections accepted before others get their turn.
  private static let acceptedPerTurn = 16
  /// How long to wait when the process is out of descriptors or memory.
  private static let acceptPause = Duration.milliseconds(100)

  package nonisolated var unownedExecutor: UnownedSerialExecutor { loop.executor }

  private nonisolated let loop: EventLoop
  /// One for each loop.
  private var contexts: [ConnectionContext]
  private var configuration: Configuration
  private let logger: Logger
  private var state = State.serving
  private var listeners: [ListeningSocket] = []
  /// With the index of its loop; nil for one that is refused.
  private var connections: [ObjectIdentifier: (connection: HTTPConnection, loop: Int?)] = [:]
  private var refusals = 0
  /// Connections that were parked.
  private let woken = AsyncStream.makeStream(of: HTTPConnection.self)
  private var waiters: [CheckedContinuation<Void, Never>] = []

  /// How many clients each loop serves.
  package private(set) var connectionCounts: [Int]

  package init(
    handler: any RequestHandler, loops: EventLoopGroup,
    configuration: Configuration = Configuration(), logger: Logger
  ) {
    self.configuration = configuration
    self.logger = logger
    loop = loops.loops[0]
    contexts = loops.loops.map { [continuation = woken.continuation] loop in
      ConnectionContext(
        on: loop, handler: handler, spares: SpareBuffers(on: loop), configuration: configuration,
        wake: { continuation.yield($0) })
    }
    connectionCounts = Array(repeating: 0, count: loops.loops.count)
  }

  /// Serves the connections that are made from now on otherwise.
  package func change(to configuration: Configuration) {
    self.configuration = configuration
    contexts = contexts.map { $0.with(configuration) }
  }

  /// Binds an address, before `run`.
  ///
  /// - Parameters:
  ///   - address: With port 0, any free one is taken.
  ///   - mode: Who may connect to a Unix-domain socket, as chmod(2) takes it.
  /// - Returns: The address with the port that it got.
  /// - Throws: the kernel's reason, such as that the address is in use.
  package func listen(
    on address: SocketAddress, mode: UInt32 = 0o660
  ) throws(SystemError) -> SocketAddress {
    let listener = try ListeningSocket(listeningOn: address, mode: mode, on: loop)
    listeners.append(listener)
    return listener.address
  }

  /// Adopts a socket that listens already, before `run`; gives its address.
  package func listen(inheriting descriptor: CInt) throws(SystemError) -> SocketAddress {
    let listener = try ListeningSocket(inheriting: descriptor, on: loop)
    listeners.append(listener)
    return listener.address
  }

  /// Serves until `shutdown`, and until the last connection has ended.
  ///
  /// To cancel the task that runs it closes all connections at once.
  package func run() async {
    await withDiscardingTaskGroup { group in
      for listener in listeners {
        group.addTask(executorPreference: loop) { await self.accept(from: listener) }
      }
      group.addTask(executorPreference: loop) { await self.wakeConnections() }
    }
    // After a cancellation: those that were parked.
    for (connection, _) in connections.values {
      connection.abort()
      ended(connection)
    }
  }

  /// Goes on serving and accepting, but each answer says `Connection: close`: load balancers have time to look elsewhere.
  package func announceShutdown() {
    guard state == .serving else { return }
    state = .ending
    for (connection, _) in connections.values { connection.announceEnd() }
  }

  /// Stops accepting, closes idle connections, and lets requests that are there be answered.
  ///
  /// What is left at the deadline is closed; the handlers are told as if their clients had gone. Returns
  /// when the last connection has ended.
  package func shutdown(by deadline: MonotonicInstant) async {
    if state != .draining {
      state = .draining
      for listener in listeners { listener.close() }
      for (connection, _) in connections.values { connection.drain() }
    }
    let timer = loop.schedule(at: deadline) { [weak self] in
      self?.assumeIsolated { $0.abortConnections() }
    }
    await withCheckedContinuation { waiter in
      // Looked at here, because a task that prefers another executor may be suspended before.
      guard connections.isEmpty else { return waiters.append(waiter) }
      woken.continuation.finish()
      waiter.resume()
    }
    loop.cancel(timer)
  }

  private func abortConnections() {
    logger.warning(
      "closing connections at the end of the shutdown's time",
      metadata: ["connections": "\(connections.count)"])
    for (connection, _) in connections.values { connection.abort() }
  }

  // MARK: Accepting

  private func accept(from listener: ListeningSocket) async {
    await withDiscardingTaskGroup { group in
      defer { listener.close() }
      var accepted = 0
      while state != .draining {
        do {
          switch try listener.accept() {
          case .accepted(let descriptor):
            start(admit(descriptor), in: &group)
            accepted += 1
            if accepted % Self.acceptedPerTurn == 0 { await loop.nextTurn() }
          case .wouldBlock:
            guard await listener.acceptable() == .ready else { return }
          }
        } catch {
          guard state != .draining else { return }
          logger.error("cannot accept a connection", metadata: ["error": "\(error)"])
          guard (try? await Task.sleep(for: Self.acceptPause)) != nil else { return }
        }
      }
    }
  }

  /// Runs connections again whose clients were silent and are not any more.
  private func wakeConnections() async {
    await withDiscardingTaskGroup { group in
      for await connection in woken.stream { start(connection, in: &group) }
    }
  }

  private func start(_ connection: HTTPConnection, in group: inout DiscardingTaskGroup) {
    group.addTask(executorPreference: connection.loop) {
      if await connection.run() == .closed { await self.ended(connection) }
    }
  }

  private func admit(_ descriptor: consuming FileDescriptor) -> HTTPConnection {
    guard connections.count - refusals < configuration.maximumConnections else {
      return refuse(descriptor)
    }
    var index = 0
    for other in contexts.indices where connectionCounts[other] < connectionCounts[index] {
      index = other
    }
    connectionCounts[index] += 1
    let connection = HTTPConnection(adopting: descriptor, in: contexts[index])
    connections[ObjectIdentifier(connection)] = (connection, index)
    if state == .ending { connection.announceEnd() }
    return connection
  }

  private func refuse(_ descriptor: consuming FileDescriptor) -> HTTPConnection {
    var context = contexts[0]
    if refusals >= Self.maximumRefusals {
      var configuration = configuration
      configuration.timeouts.linger = .zero
      context = context.with(configuration)
    }
    refusals += 1
    let connection = HTTPConnection(
      adopting: descriptor, in: context, refusing: .tooManyConnections)
    connections[ObjectIdentifier(connection)] = (connection, nil)
    return connection
  }

  private func ended(_ connection: HTTPConnection) {
    guard let entry = connections.removeValue(forKey: ObjectIdentifier(connection)) else { return }
    if let index = entry.loop { connectionCounts[index] -= 1 } else { refusals -= 1 }
    guard state == .draining, connections.isEmpty else { return }
    woken.continuation.finish()
    for waiter in exchange(&waiters, with: []) { waiter.resume() }
  }
}
