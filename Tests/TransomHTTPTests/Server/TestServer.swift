import HTTPTypes
import Logging
import Synchronization
import TransomEventLoop

@testable import TransomHTTP

let silentLogger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

/// Opened once; whoever waits goes on then.
final class Gate: Sendable {
  private let state = Mutex<(isOpen: Bool, waiters: [CheckedContinuation<Void, Never>])>(
    (false, []))

  func open() {
    let waiters = state.withLock { state in
      state.isOpen = true
      return exchange(&state.waiters, with: [])
    }
    for waiter in waiters { waiter.resume() }
  }

  func wait() async {
    await withCheckedContinuation { continuation in
      let isOpen = state.withLock { state in
        if !state.isOpen { state.waiters.append(continuation) }
        return state.isOpen
      }
      if isOpen { continuation.resume() }
    }
  }
}

/// How many requests were answered.
final class Served: Sendable {
  let count = Atomic(0)
}

/// Answers by path, and waits where a test wants it to.
struct TestHandler: RequestHandler {
  let started = Gate()
  let gate = Gate()
  let disconnected = Gate()
  let served = Served()
  var refusalStatus: HTTPResponse.Status?

  func respond(to request: Request, in exchange: Exchange) async -> Response {
    exchange.loop.preconditionIsCurrent()
    var response = exchange.makeResponse(.ok, contentType: .text)
    let before = served.count.wrappingAdd(1, ordering: .relaxed).oldValue
    switch request.path {
    case "/served":
      response.body.appendDecimal(before)
    case "/echo":
      response.body += request.bodyBuffer[request.bodyRange]
    case "/wait":
      started.open()
      await gate.wait()
      response.body += Array("waited".utf8)
    case "/disconnect":
      exchange.onDisconnect { disconnected.open() }
      started.open()
      await disconnected.wait()
    case "/large":
      let count = request.queryValue("n").flatMap(Int.init) ?? 0
      response.body = Array(repeating: UInt8(ascii: "x"), count: count)
    case "/nothing":
      response.status = .noContent
    default:
      response.body += Array("\(request.method.rawValue) \(request.path)".utf8)
    }
    exchange.loop.preconditionIsCurrent()
    return response
  }

  func response(to refusal: Refusal, request: Request?) -> Response {
    guard let refusalStatus else { return refusal.response }
    return Response(refusalStatus)
  }
}

extension EventLoop {
  func preconditionIsCurrent() { precondition(isCurrent, "a handler left its loop") }
}

/// A running server, and clients for it.
struct TestServer {
  let server: HTTPServer
  let handler: TestHandler
  let addresses: [SocketAddress]
  let loops: [EventLoop]
  fileprivate let clients = TestClients()

  /// A client of one of its addresses. It is closed with the server, at the latest.
  func client(of place: Int = 0) -> TestClient {
    let client = TestClient(address: addresses[place], on: loops[0])
    clients.made.withLock { $0.append(client) }
    return client
  }

  /// Waits until the server has closed all connections, its clients' ends of them still being open.
  func waitUntilIdle() async throws {
    let end = ContinuousClock.now + .seconds(10)
    while await server.connectionCounts.reduce(0, +) > 0 {
      guard .now < end else { throw TestClient.Failure(description: "connections stay open") }
      try await Task.sleep(for: .milliseconds(1))
    }
  }
}

/// What a loop's thread must not end before.
private final class TestClients: Sendable {
  let made = Mutex<[TestClient]>([])
}

enum TestAddress {
  case tcp
  case ipv6
  case unix

  func make() throws -> SocketAddress {
    switch self {
    // An address of its own on the loopback network: nobody else gets the port when it is free again, and a test that
    // nobody listens any more does not meet another test's server.
    case .tcp:
      try SocketAddress(
        parsing:
          "127.\(UInt8.random(in: 1...254)).\(UInt8.random(in: 0...254)).\(UInt8.random(in: 1...254)):0"
      )
    case .ipv6: try SocketAddress(parsing: "[::1]:0")
    case .unix:
      try SocketAddress(parsing: "unix:/tmp/transom-http-\(UInt64.random(in: 0...UInt64.max))")
    }
  }
}

/// Runs `body` with a server, and ends it properly whatever happens.
func withServer(
  _ configuration: HTTPServer.Configuration = .init(), handler: TestHandler = TestHandler(),
  loops: Int = 2, at places: TestAddress..., body: (TestServer) async throws -> Void
) async throws {
  let group = try EventLoopGroup(count: loops)
  let clients = try EventLoopGroup(count: 1)
  let server = HTTPServer(
    handler: handler, loops: group, configuration: configuration,
    logger: silentLogger)
  var addresses: [SocketAddress] = []
  for place in places.isEmpty ? [.tcp] : places {
    addresses.append(try await server.listen(on: place.make()))
  }
  async let running: Void = server.run()
  let test = TestServer(
    server: server, handler: handler, addresses: addresses, loops: clients.loops)
  let result: Result<Void, any Error>
  do {
    result = .success(try await body(test))
  } catch {
    result = .failure(error)
  }
  handler.gate.open()
  handler.disconnected.open()
  await server.shutdown(by: .now + .milliseconds(200))
  await running
  await group.shutdown()
  for client in test.clients.made.withLock({ $0 }) { await client.close() }
  await clients.shutdown()
  try result.get()
}
