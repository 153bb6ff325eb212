import HTTPTypes
import Testing
import TransomEventLoop

@testable import TransomHTTP

/// Requests and answers over real sockets.
struct HTTPServerTests {
  private func get(_ target: String, _ fields: String = "") -> String {
    "GET \(target) HTTP/1.1\r\nHost: a\r\n\(fields)\r\n"
  }

  private func post(_ body: String, _ fields: String = "") -> String {
    "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: \(body.utf8.count)\r\n\(fields)\r\n\(body)"
  }

  @Test func `one connection serves one request after the other`() async throws {
    try await withServer { server in
      let client = server.client()
      for number in 0..<50 {
        try await client.send(get("/\(number)"))
        let reply = try await client.reply()
        #expect(reply.status == 200)
        #expect(reply.body == "GET /\(number)")
        #expect(reply.has("Content-Type: text/plain; charset=utf-8"))
        #expect(!reply.head.contains("Connection:"))
        #expect(reply.head.contains("\r\nDate: "))
      }
    }
  }

  @Test func `pipelined requests are answered in their order, though the first takes longest`()
    async throws
  {
    try await withServer { server in
      let client = server.client()
      try await client.send(get("/wait") + post("one") + get("/a") + post("two") + get("/b"))
      await server.handler.started.wait()
      server.handler.gate.open()
      for body in ["waited", "one", "GET /a", "two", "GET /b"] {
        #expect(try await client.reply().body == body)
      }
    }
  }

  @Test func `many pipelined requests in one write are all answered`() async throws {
    try await withServer { server in
      let client = server.client()
      async let sent: Void = client.send((0..<3000).map { get("/\($0)") }.joined())
      for number in 0..<3000 {
        #expect(try await client.reply().body == "GET /\(number)")
      }
      try await sent
    }
  }

  @Test func `a flood of pipelined requests does not keep others waiting`() async throws {
    try await withServer(loops: 1) { server in
      let flood = server.client()
      let count = 5000
      async let sent: Void = flood.send(
        get("/wait") + (0..<count).map { get("/\($0)") }.joined())
      await server.handler.started.wait()
      try await sent
      let other = server.client()
      try await other.send(get("/served"))
      server.handler.gate.open()
      #expect(try await flood.reply().body == "waited")
      async let rest = flood.replies(count)
      let served = try #require(Int(try await other.reply().body))
      #expect(served < 1000)
      #expect(try await rest == count)
    }
  }

  @Test func `a request that comes byte by byte is served`() async throws {
    try await withServer { server in
      let client = server.client()
      try await client.trickle("\r\n" + post("hello", "X: y\r\n") + get("/after"))
      #expect(try await client.reply().body == "hello")
      #expect(try await client.reply().body == "GET /after")
    }
  }

  @Test func `a chunked body reaches the handler decoded, and the next request follows it`()
    async throws
  {
    try await withServer { server in
      let client = server.client()
      let head = "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
      let body = "5\r\nhello\r\n6;x=y\r\n world\r\n0\r\nT: v\r\n\r\n"
      try await client.send(head + body + get("/next"))
      #expect(try await client.reply().body == "hello world")
      #expect(try await client.reply().body == "GET /next")
      try await client.trickle(head + body + get("/next"))
      #expect(try await client.reply().body == "hello world")
      #expect(try await client.reply().body == "GET /next")
    }
  }

  @Test func `HEAD states the length of the body that it does not send`() async throws {
    try await withServer { server in
      let client = server.client()
      try await client.send("HEAD /large?n=100000 HTTP/1.1\r\nHost: a\r\n\r\n" + get("/x"))
      let reply = try await client.reply(hasBody: false)
      #expect(reply.has("Content-Length: 100000"))
      #expect(try await client.reply().body == "GET /x")
    }
  }

  @Test func `a response without a body states no length`() async throws {
    try await withServer { server in
      let client = server.client()
      try await client.send(get("/nothing") + get("/x"))
      let reply = try await client.reply()
      #expect(reply.status == 204)
      #expect(!reply.head.contains("Content-Length"))
      #expect(try await client.reply().body == "GET /x")
    }
  }

  @Test func `a client that waits for 100 gets it before it sends the body`() async throws {
    try await withServer { server in
      let client = server.client()
      let head = "POST /echo HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n"
      try await client.send(head + "Content-Length: 5\r\n\r\n")
      #expect(try await client.reply(hasBody: false).status == 100)
      try await client.send("hello")
      #expect(try await client.reply().body == "hello")

      try await client.send(head + "Transfer-Encoding: chunked\r\n\r\n")
      #expect(try await client.reply(hasBody: false).status == 100)
      try await client.send("2\r\nhi\r\n0\r\n\r\n")
      #expect(try await client.reply().body == "hi")

      // Who does not wait needs none.
      try await client.send(head + "Content-Length: 3\r\n\r\nabc")
      #expect(try await client.reply().body == "abc")
    }
  }

  @Test func `large bodies pass in both directions`() async throws {
    try await withServer { server in
      let client = server.client()
      let body = String(repeating: "0123456789abcdef", count: 400_000)
      async let sent: Void = client.send(post(body) + get("/large?n=5000000") + get("/x"))
      let reply = try await client.reply()
      #expect(reply.body == body)
      #expect(try await client.reply().body.utf8.count == 5_000_000)
      #expect(try await client.reply().body == "GET /x")
      try await sent
    }
  }

  @Test(arguments: [
    ("HTTP/1.1", "Connection: close\r\n", "Connection: close"),
    ("HTTP/1.0", "", "Connection: close"),
    ("HTTP/1.0", "Connection: close\r\n", "Connection: close"),
  ])
  func `a client that asks for it has the connection closed`(
    _ version: String, _ fields: String, _ line: String
  ) async throws {
    try await withServer { server in
      let client = server.client()
      try await client.send("GET /x \(version)\r\nHost: a\r\n\(fields)\r\n" + get("/no"))
      let reply = try await client.reply()
      #expect(reply.body == "GET /x")
      #expect(reply.has(line))
      #expect(try await client.isEnded())
    }
  }

  @Test func `an HTTP 1 0 client may keep the connection, and is told so`() async throws {
    try await withServer { server in
      let client = server.client()
      for _ in 0..<3 {
        try await client.send("GET /x HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
        #expect(try await client.reply().has("Connection: keep-alive"))
      }
    }
  }

  @Test func `a client that has closed its side gets all its answers`() async throws {
    try await withServer { server in
      let client = server.client()
      try await client.send(get("/one") + get("/wait") + get("/two"))
      try await client.closeWriting()
      #expect(try await client.reply().body == "GET /one")
      await server.handler.started.wait()
      server.handler.gate.open()
      #expect(try await client.reply().body == "waited")
      #expect(try await client.reply().body == "GET /two")
      #expect(try await client.rest() == "")
      try await server.waitUntilIdle()
    }
  }

  @Test func `connections are spread evenly over the loops`() async throws {
    try await withServer { server in
      var clients: [TestClient] = []
      for _ in 0..<6 {
        let client = server.client()
        try await client.send(get("/x"))
        _ = try await client.reply()
        clients.append(client)
      }
      #expect(await server.server.connectionCounts == [3, 3])
      for client in clients { await client.close() }
      try await server.waitUntilIdle()
    }
  }
}
