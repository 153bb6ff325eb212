import Testing

@testable import TestSupport

@Suite struct RawHTTPClientTests {
  @Test func `responses are read one after the other, whatever their framing`() async throws {
    let text =
      "HTTP/1.1 100 Continue\r\n\r\n"
      + "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nA: 1\r\na:2\r\n\r\nhello"
      + "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nA;x=y\r\n0123456789\r\n"
      + "0\r\nT: t\r\n\r\n" + "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n"
      + "HTTP/1.1 204 No Content\r\n\r\n" + "HTTP/1.1 400 Bad Request\r\n\r\nthe end"
    try await withServer(answering: text, inPiecesOf: 7) { client in
      let first = try await client.response()
      #expect(first.status == 200 && first.interim == [100])
      #expect(first.text == "hello" && first["A"] == "1, 2")
      let second = try await client.response()
      #expect(second.text == "abc0123456789")
      #expect(second.trailers.map(\.value) == ["t"])
      #expect(try await client.response(to: "HEAD")["content-length"] == "99")
      #expect(try await client.response().status == 204)
      let last = try await client.response()
      #expect(last.reason == "Bad Request" && last.text == "the end")
      #expect(await client.isClosedByPeer())
    }
  }

  @Test(arguments: [
    "", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell", "HTTP/1.1 200 OK\nA: 1\r\n\r\n",
    "SSH-2.0\r\n\r\n", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcX\r\n",
  ])
  func `a response that is cut short or malformed is an error`(_ text: String) async throws {
    try await withServer(answering: text, inPiecesOf: 1000) { client in
      await #expect(throws: MalformedResponse.self) { try await client.response() }
    }
  }

  @Test func `a silent server is an error at the deadline`() async throws {
    let listener = try Socket.listen(on: .tcp(port: 0))
    let client = try await RawHTTPClient.connect(toPort: listener.localPort)
    await #expect(throws: DeadlineExceeded.self) {
      try await client.response(within: .milliseconds(20))
    }
    await client.close()
  }

  private func withServer(
    answering text: String, inPiecesOf size: Int, _ body: (RawHTTPClient) async throws -> Void
  ) async throws {
    let listener = try Socket.listen(on: .tcp(port: 0))
    let client = try await RawHTTPClient.connect(toPort: listener.localPort)
    var accepted: Socket?
    try await eventually("the connection") {
      accepted = listener.accept()
      return accepted != nil
    }
    let connection = Connection(try #require(accepted))
    accepted = nil
    let bytes = Array(text.utf8)
    async let serving: Void = {
      for start in stride(from: 0, to: bytes.count, by: size) {
        try connection.send(Array(bytes[start...].prefix(size)), until: .now + .seconds(10))
        try await Task.sleep(for: .microseconds(100))
      }
      connection.close()
    }()
    try await body(client)
    try await serving
  }
}
