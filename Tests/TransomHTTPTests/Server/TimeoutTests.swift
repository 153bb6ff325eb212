import Testing
import TransomEventLoop

@testable import TransomHTTP

struct TimeoutTests {
  private let get = "GET /x HTTP/1.1\r\nHost: a\r\n\r\n"
  /// Short for a test, and long for what is sent before it: a busy machine must not be late with that.
  private let short = Duration.milliseconds(500)

  private func configuration(
    _ timeout: WritableKeyPath<HTTPServer.Timeouts, Duration>
  ) -> HTTPServer.Configuration {
    var configuration = HTTPServer.Configuration()
    configuration.timeouts[keyPath: timeout] = short
    return configuration
  }

  @Test func `an idle connection is closed without a word`() async throws {
    try await withServer(configuration(\.idle)) { server in
      let client = server.client()
      try await client.send(get)
      #expect(try await client.reply().status == 200)
      #expect(try await client.rest() == "")
    }
  }

  @Test func `a new connection that says nothing is closed without a word`() async throws {
    try await withServer(configuration(\.firstByte)) { server in
      let client = server.client()
      #expect(try await client.rest() == "")
      // An empty line is not the beginning of a request.
      let other = server.client()
      try await other.send("\r\n")
      #expect(try await other.rest() == "")
    }
  }

  @Test func `a head that does not end is a 408, also if it never stops coming`() async throws {
    try await withServer(configuration(\.head)) { server in
      let client = server.client()
      try await client.send("GET / HTTP/1.1\r\nHost:")
      #expect(try await client.reply().status == 408)
      #expect(try await client.rest() == "")

      let slow = server.client()
      async let trickled: Void = {
        try await slow.send("GET / HTTP/1.1\r\n")
        let end = ContinuousClock.now + .seconds(60)
        while .now < end {
          try await slow.send("X: y\r\n")
          try await Task.sleep(for: .milliseconds(5))
        }
      }()
      #expect(try await slow.reply().status == 408)
      await slow.close()
      // It ends because the connection does.
      _ = try? await trickled
    }
  }

  @Test(arguments: ["Content-Length: 10", "Transfer-Encoding: chunked"])
  func `a body that does not end is a 408`(_ field: String) async throws {
    try await withServer(configuration(\.body)) { server in
      let client = server.client()
      try await client.send("POST / HTTP/1.1\r\nHost: a\r\n\(field)\r\n\r\n5\r\nab")
      let reply = try await client.reply()
      #expect(reply.status == 408)
      #expect(reply.body.contains("\"retryable\":true"))
      #expect(try await client.rest() == "")
    }
  }

  @Test(arguments: ["Content-Length: 100000", "Transfer-Encoding: chunked"])
  func `a body that trickles is a 408, though each part of it comes in time`(_ field: String)
    async throws
  {
    var configuration = configuration(\.body)
    configuration.timeouts.minimumRate = 100_000
    try await withServer(configuration) { server in
      let client = server.client()
      try await client.send("POST /echo HTTP/1.1\r\nHost: a\r\n\(field)\r\n\r\n")
      async let trickled: Void = {
        let end = ContinuousClock.now + .seconds(60)
        while .now < end {
          try await client.send("1\r\nx\r\n")
          try await Task.sleep(for: .milliseconds(5))
        }
      }()
      #expect(try await client.reply().status == 408)
      await client.close()
      _ = try? await trickled
    }
  }

  @Test
  func `what moves fast enough may take longer than each part of it, and never stop for longer`() {
    var timeouts = HTTPServer.Timeouts()
    timeouts.body = .seconds(20)
    timeouts.write = .seconds(20)
    timeouts.minimumRate = 1000
    let start = MonotonicInstant(sinceOrigin: .seconds(1_000_000))
    for (bytes, elapsed, expected) in [
      (0, 0, 20), (999, 0, 20), (0, 5, 20), (5000, 5, 25), (5000, 4, 24), (100_000, 90, 110),
      (100_000, 110, 120), (1_000_000_000, 1, 21),
    ] {
      let now = start + .seconds(elapsed)
      let end = start + .seconds(expected)
      #expect(
        timeouts.bodyDeadline(first: start + .seconds(20), bytes: bytes, now: now) == end)
      #expect(timeouts.writeDeadline(start: start, bytes: bytes, now: now) == end)
    }
  }

  @Test func `a client that takes its answer too slowly is closed, though it goes on reading`()
    async throws
  {
    var configuration = configuration(\.write)
    configuration.timeouts.minimumRate = 1 << 30
    // A Unix-domain socket holds little between its ends.
    try await withServer(configuration, at: .unix) { server in
      let client = server.client()
      try await client.send("GET /large?n=100000000 HTTP/1.1\r\nHost: a\r\n\r\n")
      var received = 0
      await #expect(throws: (any Error).self) {
        while received < 100_000_000 {
          received += try await client.read(atMost: 16 * 1024)
          try await Task.sleep(for: .milliseconds(2))
        }
      }
      try await server.waitUntilIdle()
    }
  }

  @Test func `a client that does not read its answer is closed`() async throws {
    try await withServer(configuration(\.write)) { server in
      let client = server.client()
      try await client.send("GET /large?n=30000000 HTTP/1.1\r\nHost: a\r\n\r\n")
      let started = ContinuousClock.now
      try await server.waitUntilIdle()
      #expect(ContinuousClock.now - started < .seconds(9))
      await client.close()
    }
  }

  @Test func `what a client sends while its request is answered is not read`() async throws {
    try await withServer { server in
      let client = server.client()
      try await client.send("GET /wait HTTP/1.1\r\nHost: a\r\n\r\n")
      await server.handler.started.wait()
      let flood = Task { try await client.send(Array(repeating: 0x41, count: 30_000_000)) }
      // The kernel's buffers fill up, and no more is taken until the answer is given.
      try await Task.sleep(for: .milliseconds(20))
      server.handler.gate.open()
      #expect(try await client.reply().body == "waited")
      #expect(try await client.reply().status == 414)
      await client.close()
      _ = await flood.result
    }
  }
}
