import HTTPTypes
import Testing
import TransomEventLoop

@testable import TransomHTTP

/// What is not served, and what becomes of the connection then.
struct RefusalTests {
  private let small: HTTPServer.Configuration = {
    var configuration = HTTPServer.Configuration()
    configuration.limits.body = 1000
    return configuration
  }()

  @Test(arguments: [
    ("BAD\r\n\r\n", 400), ("GET / HTTP/1.1\r\n\r\n", 400), ("\u{16}\u{3}\u{1}\u{2}", 400),
    ("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
    ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", 400),
    ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1001\r\n\r\n", 413),
    ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3E9\r\n", 413),
    ("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 1001\r\n\r\n", 413),
    ("GET /\(String(repeating: "a", count: 9000)) HTTP/1.1\r\n", 414),
    ("POST / HTTP/1.1\r\nHost: a\r\nExpect: more\r\n\r\n", 417),
    ("GET / HTTP/1.1\r\nX: \(String(repeating: "a", count: 33_000))\r\n", 431),
    ("GET / HTTP/1.1\r\n\(String(repeating: "X: y\r\n", count: 101))", 431),
    ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 501),
    ("CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n", 501), ("PRI * HTTP/2.0\r\n\r\n", 505),
  ])
  func `a bad request is answered with a problem, and nothing after it is served`(
    _ text: String, _ status: Int
  ) async throws {
    try await withServer(small) { server in
      let client = server.client()
      let good = "GET /good HTTP/1.1\r\nHost: a\r\n\r\n"
      try await client.send(good)
      #expect(try await client.reply().body == "GET /good")
      try await client.send(text + good)
      let reply = try await client.reply()
      #expect(reply.status == status)
      #expect(reply.has("Content-Type: application/problem+json"))
      #expect(reply.has("Connection: close"))
      #expect(reply.body.contains("\"status\":\(status)"))
      #expect(reply.body.contains("\"outcome\":\"not_started\""))
      #expect(try await client.rest() == "")
    }
  }

  @Test func `requests before a bad one are answered`() async throws {
    try await withServer { server in
      let client = server.client()
      try await client.send("GET /a HTTP/1.1\r\nHost: a\r\n\r\nBAD \r\n\r\n")
      #expect(try await client.reply().status == 200)
      #expect(try await client.reply().status == 400)
      #expect(try await client.rest() == "")
    }
  }

  @Test func `a client that still sends a refused body reads the refusal first`() async throws {
    try await withServer(small) { server in
      let client = server.client()
      let head = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3000000\r\n\r\n"
      async let sent: Void = client.send(head + String(repeating: "x", count: 3_000_000))
      #expect(try await client.reply().status == 413)
      try await sent
      #expect(try await client.rest() == "")
    }
  }

  @Test func `a handler may choose another answer to what is no request`() async throws {
    var handler = TestHandler()
    handler.refusalStatus = .init(code: 444, reasonPhrase: "Nope")
    try await withServer(handler: handler) { server in
      let client = server.client()
      try await client.send("BAD\r\n\r\n")
      #expect(try await client.reply().status == 444)
    }
  }

  @Test func `a connection over the limit is refused with 503, until another one ends`()
    async throws
  {
    var configuration = HTTPServer.Configuration()
    configuration.maximumConnections = 2
    try await withServer(configuration) { server in
      let get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
      let clients = [server.client(), server.client()]
      for client in clients {
        try await client.send(get)
        #expect(try await client.reply().status == 200)
      }
      let third = server.client()
      try await third.connect()
      let reply = try await third.reply()
      #expect(reply.status == 503)
      #expect(reply.has("Retry-After: 1"))
      #expect(try await third.rest() == "")
      for client in clients { await client.close() }
      try await server.waitUntilIdle()
      let fourth = server.client()
      try await fourth.send(get)
      #expect(try await fourth.reply().status == 200)
    }
  }

  @Test func `each of many connections over the limit is told so`() async throws {
    var configuration = HTTPServer.Configuration()
    configuration.maximumConnections = 1
    try await withServer(configuration) { server in
      let first = server.client()
      try await first.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
      #expect(try await first.reply().status == 200)
      let others = (0..<200).map { _ in server.client() }
      for other in others { try await other.connect() }
      for other in others { #expect(try await other.reply().status == 503) }
      #expect(await server.server.connectionCounts.reduce(0, +) == 1)
    }
  }

  /// A limit, and a request that is refused from there on.
  struct LimitCase: Sendable {
    let set: @Sendable (inout RequestLimits, Int) -> Void
    let value: Int
    let text: String
    let status: Int
  }

  private static let limits = [
    LimitCase(
      set: { $0.requestLine = $1 }, value: 20,
      text: "GET /\(String(repeating: "a", count: 20)) HTTP/1.1\r\n", status: 414),
    LimitCase(
      set: { $0.headerSection = $1 }, value: 50,
      text: "GET / HTTP/1.1\r\nHost: a\r\nX: \(String(repeating: "b", count: 50))\r\n", status: 431),
    LimitCase(
      set: { $0.fieldCount = $1 }, value: 2,
      text: "GET / HTTP/1.1\r\nHost: a\r\nB: c\r\nD: e\r\n\r\n", status: 431),
    LimitCase(
      set: { $0.body = $1 }, value: 10,
      text: "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\n", status: 413),
  ]

  @Test(arguments: limits)
  func `each limit of a request can be set`(_ limit: LimitCase) async throws {
    for (value, status) in [(limit.value, limit.status), (200, 200)] {
      var configuration = HTTPServer.Configuration()
      limit.set(&configuration.limits, value)
      try await withServer(configuration) { server in
        let client = server.client()
        // What the lower limit refuses before its end, the higher one lets pass, and the request is completed.
        try await client.send(limit.text + (status == 200 ? rest(of: limit.text) : ""))
        #expect(try await client.reply().status == status)
      }
    }
  }

  private func rest(of text: String) -> String {
    if text.hasPrefix("POST") { return "hello world" }
    if text.hasSuffix("\r\n\r\n") { return "" }
    return text.contains("Host") ? "\r\n" : "Host: a\r\n\r\n"
  }

  @Test func `the last request that a connection may send ends it`() async throws {
    var configuration = HTTPServer.Configuration()
    configuration.limits.requests = 3
    try await withServer(configuration) { server in
      let client = server.client()
      try await client.send((0..<5).map { "GET /\($0) HTTP/1.1\r\nHost: a\r\n\r\n" }.joined())
      for number in 0..<3 {
        let reply = try await client.reply()
        #expect(reply.body == "GET /\(number)")
        #expect(reply.has("Connection: close") == (number == 2))
      }
      #expect(try await client.isEnded())
    }
  }

  @Test(arguments: ["GET / HT", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nabc"])
  func `a client that leaves in the middle of a request is told so, and forgotten`(
    _ part: String
  ) async throws {
    try await withServer { server in
      let polite = server.client()
      try await polite.send(part)
      try await polite.closeWriting()
      #expect(try await polite.reply().status == 400)
      #expect(try await polite.rest() == "")
      let rude = server.client()
      try await rude.send(part)
      await rude.close()
      try await server.waitUntilIdle()
    }
  }
}
