import Glibc
import Synchronization

/// The blocking half of `RawHTTPClient`: a socket, and what was read of it too early.
final class Connection: Sendable {
  private struct State {
    var socket: Socket?
    var buffer: [UInt8] = []
  }

  private let state: Mutex<State>

  init(_ socket: Socket) {
    state = Mutex(State(socket: socket))
  }

  func use() throws -> Socket {
    try state.withLock { state in
      guard let socket = state.socket else { throw SocketError(call: "use", code: EBADF) }
      return socket
    }
  }

  func close() {
    state.withLock { $0.socket = nil }
  }

  func send(_ bytes: [UInt8], until deadline: ContinuousClock.Instant) throws {
    let socket = try use()
    var rest = bytes[...]
    while !rest.isEmpty {
      let count = try socket.write(rest)
      rest = rest.dropFirst(count)
      if count == 0 { try socket.wait(for: POLLOUT, until: deadline, "sending") }
    }
  }

  func bytesUntilClosed(until deadline: ContinuousClock.Instant) throws -> [UInt8] {
    while try receive(until: deadline) {}
    return take(Int.max)
  }

  func bytes(atLeast count: Int, until deadline: ContinuousClock.Instant) throws -> [UInt8] {
    try fill(count, until: deadline)
    return take(Int.max)
  }

  func response(to method: String, until deadline: ContinuousClock.Instant) throws
    -> RawHTTPResponse
  {
    var interim: [Int] = []
    while true {
      var response = try head(until: deadline)
      guard response.status >= 200 else {
        interim.append(response.status)
        continue
      }
      response.interim = interim
      try readBody(of: &response, to: method, until: deadline)
      return response
    }
  }

  // MARK: Parts of a response (RFC 9112, sections 4 to 7)

  private func head(until deadline: ContinuousClock.Instant) throws -> RawHTTPResponse {
    let line = try line(until: deadline)
    let parts = line.split(separator: " ", maxSplits: 2, omittingEmptySubsequences: false)
    guard parts.count >= 2, parts[0] == "HTTP/1.1", let status = Int(parts[1]) else {
      throw MalformedResponse(description: "status line: \(line)")
    }
    let reason = parts.count > 2 ? String(parts[2]) : ""
    return RawHTTPResponse(
      status: status, reason: reason, headers: try fields(until: deadline))
  }

  private func fields(
    until deadline: ContinuousClock.Instant
  ) throws -> [(name: String, value: String)] {
    var fields: [(name: String, value: String)] = []
    while true {
      let line = try line(until: deadline)
      guard !line.isEmpty else { return fields }
      guard let colon = line.firstIndex(of: ":") else {
        throw MalformedResponse(description: "field line: \(line)")
      }
      let value = line[line.index(after: colon)...].drop { $0 == " " || $0 == "\t" }
      fields.append((String(line[..<colon]), String(value)))
    }
  }

  private func readBody(
    of response: inout RawHTTPResponse, to method: String,
    until deadline: ContinuousClock.Instant
  ) throws {
    if method == "HEAD" || response.status == 204 || response.status == 304 { return }
    if response["Transfer-Encoding"]?.lowercased() == "chunked" {
      try readChunks(of: &response, until: deadline)
    } else if let length = response["Content-Length"] {
      guard let count = Int(length) else {
        throw MalformedResponse(description: "Content-Length: \(length)")
      }
      try fill(count, until: deadline)
      response.body = take(count)
    } else {
      response.body = try bytesUntilClosed(until: deadline)
    }
  }

  private func readChunks(
    of response: inout RawHTTPResponse, until deadline: ContinuousClock.Instant
  ) throws {
    while true {
      let line = try line(until: deadline)
      guard let size = Int(line.prefix { $0 != ";" }, radix: 16) else {
        throw MalformedResponse(description: "chunk size: \(line)")
      }
      guard size > 0 else { break }
      try fill(size + 2, until: deadline)
      response.body += take(size)
      guard take(2) == [13, 10] else {
        throw MalformedResponse(description: "a chunk of \(size) bytes does not end in CR LF")
      }
    }
    response.trailers = try fields(until: deadline)
  }

  // MARK: The buffer

  /// A line up to CR LF, which is taken, too.
  private func line(until deadline: ContinuousClock.Instant) throws -> String {
    var searched = 0
    while true {
      let end = state.withLock { state in
        state.buffer[searched...].firstIndex(of: 10)
      }
      if let end {
        let line = take(end + 1)
        guard line.count >= 2, line[line.count - 2] == 13 else {
          throw MalformedResponse(description: "a line ends in a bare LF")
        }
        return String(decoding: line.dropLast(2), as: UTF8.self)
      }
      searched = state.withLock { $0.buffer.count }
      guard try receive(until: deadline) else { throw ended() }
    }
  }

  private func fill(_ count: Int, until deadline: ContinuousClock.Instant) throws {
    while state.withLock({ $0.buffer.count }) < count {
      guard try receive(until: deadline) else { throw ended() }
    }
  }

  private func take(_ count: Int) -> [UInt8] {
    state.withLock { state in
      let taken = Array(state.buffer.prefix(count))
      state.buffer.removeFirst(taken.count)
      return taken
    }
  }

  /// Waits for bytes; false at the end of the stream.
  private func receive(until deadline: ContinuousClock.Instant) throws -> Bool {
    let socket = try use()
    while true {
      if let bytes = try socket.read(upTo: 65_536) {
        state.withLock { $0.buffer += bytes }
        return !bytes.isEmpty
      }
      try socket.wait(for: POLLIN, until: deadline, "receiving")
    }
  }

  private func ended() -> MalformedResponse {
    let rest = String(decoding: take(Int.max), as: UTF8.self)
    return MalformedResponse(description: "the connection ended after: \(rest.debugDescription)")
  }
}
