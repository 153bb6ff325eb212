import TestSupport
import Testing

/// Each limit and timeout of the HTTP server, set by its flag: what the server does with it is tested with the server.
@Suite(.timeLimit(.minutes(2))) struct LimitSettingTests {
  /// A setting, and a request that it refuses and the default does not.
  struct Refusal: Sendable {
    let flag: String
    let value: Int
    let request: String
    let status: Int
  }

  private static let get = "GET /livez HTTP/1.1\r\nHost: localhost\r\n"
  private static let post = "POST /livez HTTP/1.1\r\nHost: localhost\r\n"

  private static let refusals = [
    Refusal(
      flag: "--limits-request-line", value: 64,
      request: "GET /livez?\(String(repeating: "a", count: 64)) HTTP/1.1\r\n", status: 414),
    Refusal(
      flag: "--limits-headers", value: 1024,
      request: "\(get)X: \(String(repeating: "a", count: 1024))\r\n", status: 431),
    Refusal(
      flag: "--limits-header-count", value: 2, request: "\(get)A: b\r\nC: d\r\n", status: 431),
    Refusal(
      flag: "--limits-body", value: 1024, request: "\(post)Content-Length: 1025\r\n\r\n",
      status: 413),
    Refusal(flag: "--timeouts-head-ms", value: 200, request: "GET /", status: 408),
    Refusal(
      flag: "--timeouts-body-ms", value: 200, request: "\(post)Content-Length: 9\r\n\r\n",
      status: 408),
  ]

  @Test(arguments: refusals)
  func `a request is refused by a limit or a timeout that is set`(_ refusal: Refusal) async throws {
    let arguments = [refusal.flag, String(refusal.value)]
    try await withService(for: "postgresql:///none", arguments) { service in
      let client = try await service.connect()
      try await client.send(refusal.request)
      // Before the default would have refused it.
      #expect(try await client.response(within: .seconds(10)).status == refusal.status)
    }
  }

  @Test(arguments: [
    ("--timeouts-first-byte-ms", ""), ("--timeouts-idle-ms", "\(get)\r\n"),
  ])
  func `a silent client is closed after the time that is set`(
    _ flag: String, _ request: String
  ) async throws {
    try await withService(for: "postgresql:///none", [flag, "200"]) { service in
      let client = try await service.connect()
      try await client.send(request)
      let answer = try await client.bytesUntilClosed(within: .seconds(10))
      #expect(answer.isEmpty == request.isEmpty)
    }
  }

  @Test func `a client that does not read is closed after the time that is set`() async throws {
    try await withService(for: "postgresql:///none", ["--timeouts-write-ms", "200"]) { service in
      let client = try await service.connect()
      try await client.shrinkBuffers()
      let request = "GET /openapi.yaml HTTP/1.1\r\nHost: localhost\r\n\r\n"
      // Far more than the buffers between us hold, of requests and of answers.
      await #expect(throws: SocketError.self) {
        try await client.send(String(repeating: request, count: 200_000), within: .seconds(20))
      }
    }
  }

  @Test func `a client may send as slowly as is set`() async throws {
    let arguments = ["--timeouts-body-ms", "1500", "--timeouts-minimum-rate", "1"]
    try await withService(for: "postgresql:///none", arguments) { service in
      let client = try await service.connect()
      try await client.send("\(Self.post)Content-Length: 15\r\n\r\n")
      // By the default's 500 octets a second that takes too long.
      try await client.send(pieces: Array(repeating: [0x61], count: 15), pause: .milliseconds(150))
      #expect(try await client.response().status == 405)
    }
  }

  @Test func `a connection ends after as many requests as are set`() async throws {
    try await withService(for: "postgresql:///none", ["--limits-requests", "2"]) { service in
      let client = try await service.connect()
      #expect(try await client.request("GET", "/livez")["Connection"] == nil)
      #expect(try await client.request("GET", "/livez")["Connection"] == "close")
      #expect(await client.isClosedByPeer())
    }
  }
}
