import Testing
import TransomEventLoop

@testable import TransomHTTP

/// The same table as `WireTests`, over real sockets.
@Suite(.timeLimit(.minutes(5))) struct SocketWireTests {
  private let configuration: HTTPServer.Configuration = {
    var configuration = HTTPServer.Configuration()
    configuration.limits = wireLimits
    return configuration
  }()

  @Test(arguments: framingCases + headCases + floodCases)
  func `over TCP, whole and byte by byte`(_ wire: WireCase) async throws {
    try await withServer(configuration) { server in
      let bytes = Array((wire.sent + WireCase.following).utf8)
      let whole = server.client()
      try await expect(wire, from: whole) { try await $0.send(bytes) }
      let slow = server.client()
      try await expect(wire, from: slow) { try await $0.trickle(bytes) }
    }
  }

  /// A Unix-domain socket tells its sender what the other side has read: no split is joined again on its way.
  @Test(arguments: framingCases + headCases + floodCases)
  func `over a Unix-domain socket, split at each byte`(_ wire: WireCase) async throws {
    try await withServer(configuration, at: .unix) { server in
      let bytes = Array((wire.sent + WireCase.following).utf8)
      for split in 1..<bytes.count {
        let client = server.client()
        try await expect(wire, from: client, "split at \(split)") { client in
          try await client.send(Array(bytes[..<split]))
          try await client.waitUntilRead()
          try await client.send(Array(bytes[split...]))
        }
      }
    }
  }

  /// Sends, then compares all that comes back; sending may fail once the server has closed.
  private func expect(
    _ wire: WireCase, from client: TestClient, _ comment: Comment? = nil,
    _ send: (TestClient) async throws -> Void
  ) async throws {
    try await client.connect()
    do {
      try await send(client)
    } catch is SystemError {
      #expect(!wire.staysOpen, comment)
    }
    for status in wire.statuses + (wire.staysOpen ? [200] : []) {
      var reply = try await client.reply()
      while reply.status == 100 { reply = try await client.reply() }
      #expect(reply.status == status, comment)
      guard status != 200 else { continue }
      #expect(reply.has("Content-Type: application/problem+json"), comment)
      #expect(reply.has("Connection: close"), comment)
      #expect(reply.body.contains(#""outcome":"not_started""#), comment)
    }
    if !wire.staysOpen { #expect(try await client.isEnded(), comment) }
    await client.close()
  }
}
