import HTTPTypes
import Testing
import TransomEventLoop

@testable import TransomHTTP

struct CompressionTests {
  private let gzip = "Accept-Encoding: gzip, deflate, br\r\n"

  private func get(_ size: Int, _ fields: String = "", method: String = "GET") -> String {
    "\(method) /large?n=\(size) HTTP/1.1\r\nHost: a\r\n\(fields)\r\n"
  }

  private func configuration(from size: Int?) -> HTTPServer.Configuration {
    var configuration = HTTPServer.Configuration()
    configuration.compressedFrom = size
    return configuration
  }

  @Test(arguments: [1000, 1001, 70_000, 262_144, 600_000, 5_000_000])
  func `an answer of the size or more is compressed, and is the same when it is unpacked`(
    _ size: Int
  ) async throws {
    try await withServer(configuration(from: 1000)) { server in
      let client = server.client()
      try await client.send(get(size, gzip) + get(3))
      let (head, body) = try await client.replyBytes()
      #expect(head.contains("\r\nContent-Encoding: gzip\r\n"))
      #expect(head.contains("\r\nVary: Accept-Encoding\r\n"))
      #expect(gunzip(body) == Array(repeating: UInt8(ascii: "x"), count: size))
      #expect(body.count < size / 20)
      #expect(try await client.reply().body == "xxx")
    }
  }

  @Test func `bytes that cannot be made shorter come back whole, too`() async throws {
    try await withServer(configuration(from: 1000)) { server in
      let client = server.client()
      var generator = SystemRandomNumberGenerator()
      let noise = (0..<700_000).map { _ in UInt8.random(in: 0...255, using: &generator) }
      let head = "POST /echo HTTP/1.1\r\nHost: a\r\n\(gzip)Content-Length: \(noise.count)\r\n\r\n"
      async let sent: Void = client.send(Array(head.utf8) + noise)
      #expect(gunzip(try await client.replyBytes().body) == noise)
      try await sent
    }
  }

  @Test func `a smaller answer is not compressed, and one to a client that does not take it`()
    async throws
  {
    try await withServer(configuration(from: 1000)) { server in
      let client = server.client()
      for (request, varies) in [
        (get(999, gzip), false), (get(1000), true),
        (get(1000, "Accept-Encoding: gzip;q=0\r\n"), true),
        (get(1000, "Accept-Encoding: identity;q=0\r\n"), true),
      ] {
        try await client.send(request)
        let reply = try await client.reply()
        #expect(!reply.head.contains("Content-Encoding"), "\(request)")
        #expect(reply.body.allSatisfy { $0 == "x" }, "\(request)")
        #expect(reply.has("Vary: Accept-Encoding") == varies, "\(request)")
      }
    }
  }

  @Test func `a client that takes nothing unencoded gets a small answer compressed`() async throws {
    try await withServer(configuration(from: 1000)) { server in
      let client = server.client()
      try await client.send(get(2, "Accept-Encoding: gzip\r\nAccept-Encoding: identity;q=0\r\n"))
      let (head, body) = try await client.replyBytes()
      #expect(head.contains("Content-Encoding: gzip"))
      #expect(gunzip(body) == Array("xx".utf8))
    }
  }

  @Test func `HEAD states the length of the compressed body that GET gets`() async throws {
    try await withServer(configuration(from: 1000)) { server in
      let client = server.client()
      try await client.send(get(9000, gzip))
      let body = try await client.replyBytes().body
      try await client.send(get(9000, gzip, method: "HEAD") + get(3))
      let reply = try await client.reply(hasBody: false)
      #expect(reply.has("Content-Length: \(body.count)"))
      #expect(reply.has("Content-Encoding: gzip"))
      #expect(try await client.reply().body == "xxx")
    }
  }

  @Test func `an answer without a body, and any one where it is switched off, says nothing of it`()
    async throws
  {
    try await withServer(configuration(from: 0)) { server in
      let client = server.client()
      try await client.send("GET /nothing HTTP/1.1\r\nHost: a\r\n\(gzip)\r\n")
      let reply = try await client.reply()
      #expect(reply.status == 204 && !reply.head.contains("Encoding"))
    }
    try await withServer(configuration(from: nil)) { server in
      let client = server.client()
      try await client.send(get(100_000, "Accept-Encoding: gzip, identity;q=0\r\n"))
      let reply = try await client.reply()
      #expect(reply.body.utf8.count == 100_000 && !reply.head.contains("Encoding"))
    }
  }
}
