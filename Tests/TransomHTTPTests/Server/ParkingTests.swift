import HTTPTypes
import Testing
import TransomEventLoop

@testable import TransomHTTP

/// Connections whose clients are silent, and which have no task then.
struct ParkingTests {
  private let get = "GET /x HTTP/1.1\r\nHost: a\r\n\r\n"

  private func configuration(parking: Duration) -> HTTPServer.Configuration {
    var configuration = HTTPServer.Configuration()
    configuration.timeouts.parking = parking
    return configuration
  }

  @Test(arguments: [Duration.zero, .milliseconds(1), .milliseconds(5)])
  func `a client that is silent for a while is served as before`(_ parking: Duration) async throws {
    try await withServer(configuration(parking: parking)) { server in
      let clients = (0..<8).map { _ in server.client() }
      for round in 0..<40 {
        for client in clients { try await client.send(get) }
        for client in clients { #expect(try await client.reply().body == "GET /x") }
        // Shorter, as long as and longer than the time after which they have no task.
        try await Task.sleep(for: .microseconds(round * 200))
      }
      for client in clients { await client.close() }
      try await server.waitUntilIdle()
    }
  }

  @Test func `a request that comes byte by byte after a silence is whole`() async throws {
    try await withServer(configuration(parking: .zero)) { server in
      let client = server.client()
      for _ in 0..<5 {
        try await client.trickle("\r\n" + get)
        #expect(try await client.reply().body == "GET /x")
      }
    }
  }

  @Test func `a silent connection ends at its idle timeout, and that of a new one at its own`()
    async throws
  {
    var configuration = configuration(parking: .milliseconds(20))
    configuration.timeouts.idle = .milliseconds(400)
    configuration.timeouts.firstByte = .milliseconds(400)
    try await withServer(configuration) { server in
      let client = server.client()
      try await client.send(get)
      #expect(try await client.reply().status == 200)
      #expect(try await client.rest() == "")
      let silent = server.client()
      #expect(try await silent.rest() == "")
      try await server.waitUntilIdle()
    }
  }

  @Test func `silent connections are closed by a shutdown, and counted until then`() async throws {
    try await withServer(configuration(parking: .zero)) { server in
      let clients = (0..<20).map { _ in server.client() }
      for client in clients {
        try await client.send(get)
        #expect(try await client.reply().status == 200)
      }
      #expect(await server.server.connectionCounts.reduce(0, +) == 20)
      await server.server.shutdown(by: .now + .seconds(20))
      for client in clients { #expect(try await client.isEnded()) }
      #expect(await server.server.connectionCounts.reduce(0, +) == 0)
    }
  }

  @Test func `to cancel the task that serves closes silent connections, too`() async throws {
    let group = try EventLoopGroup(count: 2)
    let clients = try EventLoopGroup(count: 1)
    let server = HTTPServer(
      handler: TestHandler(), loops: group, configuration: configuration(parking: .zero),
      logger: silentLogger)
    let address = try await server.listen(on: TestAddress.tcp.make())
    let serving = Task { await server.run() }
    let client = TestClient(address: address, on: clients.loops[0])
    try await client.send(get)
    #expect(try await client.reply().status == 200)
    serving.cancel()
    await serving.value
    #expect(try await client.isEnded())
    #expect(await server.connectionCounts == [0, 0])
    await client.close()
    await group.shutdown()
    await clients.shutdown()
  }
}
