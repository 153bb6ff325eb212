import TransomEventLoop

#if canImport(Glibc)
  import Glibc
#endif

/// A client that sends and reads bytes as a test likes; it never waits longer than some seconds.
actor TestClient {
  struct Failure: Error, CustomStringConvertible {
    let description: String
  }

  /// A response as it came: nothing is repaired.
  struct Reply: Equatable {
    var status: Int
    var head: String
    var body: String

    func has(_ line: String) -> Bool { head.contains("\r\n\(line)\r\n") }
  }

  private static let patience = Duration.seconds(10)

  nonisolated let loop: EventLoop
  nonisolated var unownedExecutor: UnownedSerialExecutor { loop.executor }
  private let port: Int
  private var opened: Socket?
  private var received: [UInt8] = []

  init(port: Int, on loop: EventLoop) {
    self.port = port
    self.loop = loop
  }

  private func socket() throws -> Socket {
    if let opened { return opened }
    let descriptor = FileDescriptor(
      adopting: Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0))
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = in_port_t(UInt16(port).bigEndian)
    address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
    let code = unsafe withUnsafePointer(to: &address) {
      unsafe $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        unsafe Glibc.connect(
          descriptor.rawValue, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
      }
    }
    guard code == 0, fcntl(descriptor.rawValue, F_SETFL, O_NONBLOCK) == 0 else {
      throw Failure(description: "cannot connect to port \(port)")
    }
    let socket = try Socket(adopting: descriptor, on: loop)
    opened = socket
    return socket
  }

  func connect() throws { _ = try socket() }

  func send(_ text: String) async throws { try await send(Array(text.utf8)) }

  func send(_ bytes: [UInt8]) async throws {
    let socket = try socket()
    var sent = 0
    while sent < bytes.count {
      sent += try socket.write(bytes, from: sent)
      guard sent < bytes.count else { return }
      guard await socket.writable(until: .now + Self.patience) == .ready else {
        throw Failure(description: "the server takes nothing more")
      }
    }
  }

  /// Sends each byte by itself, with a turn of the loop between them.
  func trickle(_ text: String) async throws {
    for byte in text.utf8 {
      try await send([byte])
      await Task.yield()
    }
  }

  /// Reads one response; its body by Content-Length, unless it has none.
  func reply(hasBody: Bool = true) async throws -> Reply {
    let head = try await take(through: Array("\r\n\r\n".utf8))
    let text = String(decoding: head, as: UTF8.self)
    guard text.hasPrefix("HTTP/1.1 "), let status = Int(text.dropFirst(9).prefix(3)) else {
      throw Failure(description: "no status line: \(text)")
    }
    var length = 0
    for line in text.split(separator: "\r\n") where line.hasPrefix("Content-Length: ") {
      length = Int(line.dropFirst(16)) ?? -1
    }
    let body = hasBody ? try await take(length) : []
    return Reply(status: status, head: text, body: String(decoding: body, as: UTF8.self))
  }

  /// Everything up to the server's end of the stream.
  func rest() async throws -> String {
    while try await receive() {}
    let bytes = received
    received = []
    return String(decoding: bytes, as: UTF8.self)
  }

  /// Whether the server ends the connection, by a reset if need be.
  func isEnded() async throws -> Bool {
    do {
      return try await rest().isEmpty
    } catch is SystemError {
      return true
    }
  }

  func closeWriting() throws { try socket().shutdownWrite() }

  func close() { opened?.close() }

  private func take(_ count: Int) async throws -> [UInt8] {
    while received.count < count {
      guard try await receive() else { throw Failure(description: "ended within a body") }
    }
    let bytes = Array(received.prefix(count))
    received.removeFirst(count)
    return bytes
  }

  private func take(through end: [UInt8]) async throws -> [UInt8] {
    while true {
      if received.count >= end.count {
        for index in 0...(received.count - end.count)
        where received[index..<index + end.count].elementsEqual(end) {
          return try await take(index + end.count)
        }
      }
      guard try await receive() else {
        throw Failure(
          description: "ended within a head: \(String(decoding: received, as: UTF8.self))")
      }
    }
  }

  /// Reads once more; false at the end of the stream.
  private func receive() async throws -> Bool {
    let socket = try socket()
    while true {
      switch try socket.read(into: &received, atMost: 64 * 1024) {
      case .bytes: return true
      case .endOfStream: return false
      case .wouldBlock:
        guard await socket.readable(until: .now + Self.patience) == .ready else {
          throw Failure(description: "the server sends nothing more")
        }
      }
    }
  }
}
