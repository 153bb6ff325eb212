import Dispatch

/// One HTTP/1.1 connection of a test, which decides about every byte and every pause.
///
///     let client = try await RawHTTPClient.connect(toPort: port)
///     try await client.send("GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
///     let response = try await client.response()
///     #expect(response.status == 200)
///
/// It blocks a thread of its own, never one of Swift's pool. Every wait has a deadline.
package final class RawHTTPClient: Sendable {
  private let connection: Connection
  private let queue = DispatchQueue(label: "RawHTTPClient")

  private init(_ connection: Connection) {
    self.connection = connection
  }

  package static func connect(
    toPort port: Int, within limit: Duration = .seconds(60)
  ) async throws -> RawHTTPClient {
    try await connect(to: .tcp(port: port), within: limit)
  }

  package static func connect(
    to address: SocketAddress, within limit: Duration = .seconds(60)
  ) async throws -> RawHTTPClient {
    let connection = try await blocking(DispatchQueue(label: "RawHTTPClient.connect")) {
      Connection(try Socket.connect(to: address, within: limit))
    }
    return RawHTTPClient(connection)
  }

  // MARK: Sending

  /// Sends all bytes.
  package func send(_ bytes: [UInt8], within limit: Duration = .seconds(60)) async throws {
    try await perform { try $0.send(bytes, until: .now + limit) }
  }

  /// Sends a text's UTF-8.
  package func send(_ text: String, within limit: Duration = .seconds(60)) async throws {
    try await send(Array(text.utf8), within: limit)
  }

  /// Sends pieces, each a segment of its own, with a pause between them so that the peer is likely
  /// to read them one by one.
  package func send(
    pieces: [[UInt8]], pause: Duration = .milliseconds(1), within limit: Duration = .seconds(60)
  ) async throws {
    for piece in pieces {
      try await send(piece, within: limit)
      try await Task.sleep(for: pause)
    }
  }

  /// Sends a request with a body and reads the response: for tests in which bytes do not matter.
  package func request(
    _ method: String, _ target: String, headers: [(name: String, value: String)] = [],
    body: String? = nil, within limit: Duration = .seconds(60)
  ) async throws -> RawHTTPResponse {
    var head = "\(method) \(target) HTTP/1.1\r\nHost: localhost\r\n"
    for header in headers { head += "\(header.name): \(header.value)\r\n" }
    if let body {
      if !headers.contains(where: { $0.name.lowercased() == "content-type" }) {
        head += "Content-Type: application/json\r\n"
      }
      head += "Content-Length: \(body.utf8.count)\r\n"
    }
    try await send(head + "\r\n" + (body ?? ""), within: limit)
    return try await response(to: method, within: limit)
  }

  // MARK: Receiving

  /// Reads one final response; those of the 1xx class before it are in `interim`.
  package func response(
    to method: String = "GET", within limit: Duration = .seconds(60)
  ) async throws -> RawHTTPResponse {
    try await perform { try $0.response(to: method, until: .now + limit) }
  }

  /// Reads all bytes up to the peer's end of the stream.
  package func bytesUntilClosed(within limit: Duration = .seconds(60)) async throws -> [UInt8] {
    try await perform { try $0.bytesUntilClosed(until: .now + limit) }
  }

  /// Reads at least that many bytes, beyond what responses took; more if more are there.
  package func bytes(
    atLeast count: Int, within limit: Duration = .seconds(60)
  ) async throws -> [UInt8] {
    try await perform { try $0.bytes(atLeast: count, until: .now + limit) }
  }

  /// Whether the peer closes, or resets, the connection in time without sending anything more.
  package func isClosedByPeer(within limit: Duration = .seconds(60)) async -> Bool {
    do {
      return try await bytesUntilClosed(within: limit).isEmpty
    } catch let error as SocketError {
      return error.call == "recv"
    } catch {
      return false
    }
  }

  // MARK: Ending

  /// Sends the end of the stream; responses can still be read.
  package func closeWriting() async throws {
    try await perform { try $0.use().shutDownWriting() }
  }

  package func close() async {
    _ = try? await perform { $0.close() }
  }

  /// Closes with a TCP reset, as a crashed client's kernel does.
  package func reset() async {
    _ = try? await perform { connection in
      try connection.use().resetWhenClosed()
      connection.close()
    }
  }

  /// Makes the kernel's buffers small, for tests of back-pressure.
  package func shrinkBuffers(to size: Int = 4096) async throws {
    try await perform { try $0.use().shrinkBuffers(to: size) }
  }

  private func perform<Result: Sendable>(
    _ body: @Sendable @escaping (Connection) throws -> Result
  ) async throws -> Result {
    let connection = connection
    return try await Self.blocking(queue) { try body(connection) }
  }

  private static func blocking<Result: Sendable>(
    _ queue: DispatchQueue, _ body: @Sendable @escaping () throws -> Result
  ) async throws -> Result {
    try await withCheckedThrowingContinuation { continuation in
      queue.async { continuation.resume(with: Swift.Result { try body() }) }
    }
  }
}
