import TestSupport
import Testing
import TransomEventLoop
import TransomPostgres

/// What a connection says when the server or the network ends it, or the server does not behave.
struct LostConnectionTests {
  @Test(arguments: ["copy (select 1) to stdout", "copy t from stdin"])
  func `a COPY that slips through fails the connection, and does not hang`(_ copy: String)
    async throws
  {
    try await withConnection { connection, database in
      try await database.query("create table t (a int)")
      await #expect(throws: ConnectionError.outOfStep) {
        _ = try await outcomes(["BEGIN", copy, "COMMIT"], on: connection)
      }
      #expect(await !connection.isReusable)
    }
  }

  @Test func `the server's last word in the middle of a transaction is its error`() async throws {
    try await withConnection { connection, database in
      #expect(try await outcomes(["BEGIN", "select 1"], on: connection) == ["BEGIN", "SELECT 1"])
      // Returns when the process has ended.
      try await database.query("select pg_terminate_backend(\(connection.processID), 10000)")
      do {
        #expect(try await outcomes(["select 2", "COMMIT"], on: connection).first == "failed 57P01")
      } catch ConnectionError.lost {}
      await #expect(throws: ConnectionError.self) {
        _ = try await outcomes(["select 3"], on: connection)
      }
      #expect(await !connection.isReusable)
    }
  }

  @Test func `an answer that is cut anywhere is an error, and never a hang`() async throws {
    // 10 to 20 messages, of some 300 bytes.
    for count in stride(from: 0, through: 260, by: 13) {
      try await withProxiedConnection { connection, proxy, _ in
        proxy.cut(after: count, .toClient, by: count % 2 == 0 ? .close : .reset)
        await #expect(throws: ConnectionError.self) {
          for _ in 0..<3 {
            _ = try await outcomes(["BEGIN", "select 1", "select 1/0", "COMMIT"], on: connection)
          }
        }
        #expect(await !connection.isReusable)
      }
    }
  }

  @Test(arguments: [FaultProxy.Ending.close, .reset])
  func `a line that dies while much is being sent is an error`(_ ending: FaultProxy.Ending)
    async throws
  {
    try await withProxiedConnection { connection, proxy, _ in
      var parameters = ParameterList()
      parameters.append([UInt8](repeating: UInt8(ascii: "x"), count: 8 << 20))
      proxy.cut(after: 1_000_000, .toServer, by: ending)
      await #expect(throws: ConnectionError.self) {
        _ = try await outcomes(["select length($1)"], parameters, on: connection)
      }
    }
  }

  @Test func `a server that is slow to take what is sent gets all of it`() async throws {
    try await withProxiedConnection { connection, proxy, _ in
      var parameters = ParameterList()
      parameters.append([UInt8](repeating: UInt8(ascii: "x"), count: 8 << 20))
      proxy.stall(.toServer)
      try await connection.send("select length($1)", parameters)
      async let seen = answers(on: connection)
      // The wait has begun when somebody else gets a turn.
      #expect(await !connection.isReusable)
      proxy.pass()
      #expect(try await seen == ["SELECT 8388608"])
    }
  }

  @Test func `a connection that is closed while somebody waits says so`() async throws {
    try await withConnection { connection, database in
      let task = Task { try await outcomes(["select pg_sleep(30)"], on: connection) }
      try await eventuallyRuns("sleep", connection, database)
      await connection.close()
      await #expect(throws: ConnectionError.closed) { _ = try await task.value }
      await #expect(throws: ConnectionError.closed) {
        _ = try await outcomes(["select 1"], on: connection)
      }
      #expect(await !connection.isReusable)
    }
  }

  @Test func `a connection that broke does not touch the socket that got its descriptor's number`()
    async throws
  {
    for _ in 0..<5 {
      try await withConnection { connection, database in
        try await database.query("select pg_terminate_backend(\(connection.processID), 10000)")
        await #expect(throws: ConnectionError.self) {
          for _ in 0..<2 { _ = try await outcomes(["select 1"], on: connection) }
        }
        // libpq has closed its descriptor: these take the free numbers.
        var receivers: [Receiver] = []
        for _ in 0..<4 { receivers.append(try await Receiver.start(on: connection.loop)) }
        await connection.close()
        for receiver in receivers { #expect(try await receiver.receivesWhatIsSent()) }
      }
    }
  }

  @Test func `an idle connection tells when its server goes, and is not quiet any more`()
    async throws
  {
    try await withConnection { connection, database in
      #expect(await connection.isQuiet)
      try await withThrowingTaskGroup { tasks in
        tasks.addTask { await connection.waitUntilServerIsGone() }
        try await database.query("select pg_terminate_backend(\(connection.processID), 10000)")
        try await tasks.waitForAll()
      }
      #expect(await !connection.isQuiet)
      // It was found idle by nobody's fault, but it must not be handed out again.
      #expect(await !connection.isReusable)
    }
  }

  @Test func `many servers that do not answer do not keep us from one that does`() async throws {
    try await withDatabase { database in
      let proxy = try FaultProxy.start(before: database.cluster)
      defer { proxy.stop() }
      proxy.stall()
      let group = try EventLoopGroup(count: 1)
      let silent = ConnectionConfiguration(
        conninfo: proxy.connectionString(database: database.name))
      await withTaskGroup { tasks in
        for _ in 0..<20 {
          tasks.addTask {
            _ = try? await PostgresConnection.connect(silent, on: group.loops[0]).close()
          }
        }
        await #expect(throws: Never.self) {
          try await eventually("they all wait") { proxy.acceptedConnections == 20 }
          let good = ConnectionConfiguration(conninfo: database.connectionString)
          try await PostgresConnection.connect(good, on: group.loops[0]).close()
        }
        #expect(proxy.openConnections == 20)
        proxy.refuseConnections()
        proxy.cutAll()
      }
      await group.shutdown()
    }
  }
}

extension PostgresConnection {
  fileprivate func send(_ command: String, _ parameters: ParameterList) throws {
    try enqueue(StatementText(command), parameters, 0..<parameters.count)
    try sync()
  }

  fileprivate func waitUntilServerIsGone() async {
    await withCheckedContinuation { continuation in
      onServerGone { continuation.resume() }
    }
  }
}

/// A pair of sockets, one of which waits for what the other sends.
private actor Receiver {
  let loop: EventLoop
  nonisolated var unownedExecutor: UnownedSerialExecutor { loop.executor }
  private let sockets: [Socket]

  private init(_ sockets: [Socket], on loop: EventLoop) {
    self.sockets = sockets
    self.loop = loop
  }

  static func start(on loop: EventLoop) async throws -> Receiver {
    let ends = try socketPair()
    let sockets = try await loop.run { () throws(SystemError) in
      var sockets: [Socket] = []
      for end in ends {
        sockets.append(try Socket(adopting: FileDescriptor(adopting: end), on: loop))
      }
      return sockets
    }
    return Receiver(sockets, on: loop)
  }

  func receivesWhatIsSent() async throws -> Bool {
    var bytes: [UInt8] = []
    while case .bytes = try sockets[0].read(into: &bytes, atMost: 16) {}
    _ = try sockets[1].write([1], from: 0)
    let isReady = await sockets[0].readable(until: .now + .seconds(10)) == .ready
    for socket in sockets { socket.close() }
    return isReady
  }
}
