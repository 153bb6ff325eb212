import Testing
import TransomEventLoop

@testable import TransomHTTP

struct ShutdownTests {
  private func get(_ path: String) -> String { "GET \(path) HTTP/1.1\r\nHost: a\r\n\r\n" }

  @Test func `requests in flight are answered, idle connections are closed, nobody is accepted`()
    async throws
  {
    // One loop: then the busy connection has been told, too, when the idle one is closed.
    try await withServer(loops: 1) { server in
      let idle = server.client()
      try await idle.send(get("/x"))
      #expect(try await idle.reply().status == 200)
      let busy = server.client()
      try await busy.send(get("/wait") + get("/never"))
      await server.handler.started.wait()

      async let ended: Void = server.server.shutdown(by: .now + .seconds(20))
      #expect(try await idle.rest() == "")
      await #expect(throws: TestClient.Failure.self) { try await server.client().connect() }
      server.handler.gate.open()
      let reply = try await busy.reply()
      #expect(reply.body == "waited")
      #expect(reply.has("Connection: close"))
      #expect(try await busy.rest() == "")
      await busy.close()
      await ended
    }
  }

  @Test func `a request that is half there when the shutdown begins is answered`() async throws {
    try await withServer { server in
      let idle = server.client()
      try await idle.send(get("/x"))
      #expect(try await idle.reply().status == 200)
      let client = server.client()
      try await client.send(get("/x") + "GET /late HTTP/1.1\r\n")
      #expect(try await client.reply().status == 200)
      async let ended: Void = server.server.shutdown(by: .now + .seconds(20))
      #expect(try await idle.rest() == "")
      try await client.send("Host: a\r\n\r\n")
      let reply = try await client.reply()
      #expect(reply.body == "GET /late")
      #expect(reply.has("Connection: close"))
      #expect(try await client.rest() == "")
      await client.close()
      await ended
    }
  }

  @Test func `once its end is announced, a server goes on, and each answer ends its connection`()
    async throws
  {
    try await withServer(loops: 1) { server in
      let idle = server.client()
      try await idle.send(get("/x"))
      #expect(!(try await idle.reply().head.contains("Connection:")))
      let busy = server.client()
      try await busy.send(get("/wait"))
      await server.handler.started.wait()
      await server.server.announceShutdown()
      // The idle connection is open: what was on its way is answered.
      try await idle.send(get("/late") + get("/never"))
      let late = try await idle.reply()
      #expect(late.body == "GET /late" && late.has("Connection: close"))
      #expect(try await idle.isEnded())
      let new = server.client()
      try await new.send(get("/new"))
      #expect(try await new.reply().has("Connection: close"))
      server.handler.gate.open()
      #expect(try await busy.reply().has("Connection: close"))
      for client in [idle, busy, new] { await client.close() }
    }
  }

  @Test func `what is left at the deadline is closed, and its handler is told`() async throws {
    try await withServer { server in
      let client = server.client()
      try await client.send(get("/disconnect"))
      await server.handler.started.wait()
      await server.server.shutdown(by: .now + .milliseconds(30))
      await server.handler.disconnected.wait()
      #expect(try await client.isEnded())
    }
  }

  @Test func `a shutdown without connections returns at once, also twice`() async throws {
    try await withServer { server in
      await server.server.shutdown(by: .now + .seconds(20))
      await server.server.shutdown(by: .now + .seconds(20))
    }
  }

  @Test func `to cancel the task that serves closes every connection`() async throws {
    let loops = try EventLoopGroup(count: 2)
    let server = HTTPServer(handler: TestHandler(), loops: loops, logger: silentLogger)
    let address = try await server.listen(on: TestAddress.tcp.make())
    let running = Task { await server.run() }
    let client = TestClient(address: address, on: loops.loops[0])
    try await client.send(get("/x"))
    #expect(try await client.reply().status == 200)
    running.cancel()
    await running.value
    #expect(try await client.isEnded())
    await client.close()
    await loops.shutdown()
  }
}

struct DisconnectTests {
  @Test(arguments: ["", "GET /next HTTP/1.1\r\nHost: a\r\n\r\n"])
  func `a handler is told when its client goes away`(_ unread: String) async throws {
    try await withServer { server in
      let client = server.client()
      try await client.send("GET /disconnect HTTP/1.1\r\nHost: a\r\n\r\n" + unread)
      await server.handler.started.wait()
      await client.close()
      await server.handler.disconnected.wait()
      try await server.waitUntilIdle()
    }
  }

  @Test func `a handler that begins after its client went away is told too`() async throws {
    try await withServer { server in
      let client = server.client()
      try await client.send(
        "GET /wait HTTP/1.1\r\nHost: a\r\n\r\nGET /disconnect HTTP/1.1\r\nHost: a\r\n\r\n")
      await server.handler.started.wait()
      try await client.closeWriting()
      server.handler.gate.open()
      await server.handler.disconnected.wait()
      #expect(try await client.reply().body == "waited")
      #expect(try await client.reply().status == 200)
      #expect(try await client.rest() == "")
    }
  }
}
