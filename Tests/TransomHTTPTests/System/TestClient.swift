@testable import TransomEventLoop

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
  private let address: SocketAddress
  private var opened: Socket?
  private var number: CInt = -1
  private var received: [UInt8] = []

  init(address: SocketAddress, on loop: EventLoop) {
    self.address = address
    self.loop = loop
  }

  private func socket() throws -> Socket {
    if let opened { return opened }
    let descriptor = FileDescriptor(
      adopting: Glibc.socket(
        address.family, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0))
    number = descriptor.rawValue
    let code = unsafe address.withSockaddr { unsafe Glibc.connect(number, $0, $1) }
    guard code == 0, fcntl(number, F_SETFL, O_NONBLOCK) == 0 else {
      throw Failure(description: "cannot connect to \(address)")
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
  func trickle(_ text: String) async throws { try await trickle(Array(text.utf8)) }

  func trickle(_ bytes: [UInt8]) async throws {
    for byte in bytes {
      try await send([byte])
      await Task.yield()
    }
  }

  /// Waits until the server has read all that was sent: of a Unix-domain socket the kernel tells (SIOCOUTQ, unix(7)).
  func waitUntilRead() async throws {
    let end = ContinuousClock.now + Self.patience
    while true {
      var unread: CInt = 0
      guard unsafe ioctl(number, UInt(TIOCOUTQ), &unread) == 0, unread > 0 else { return }
      guard .now < end else { throw Failure(description: "the server reads nothing") }
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

  /// Reads one response whose body is no text.
  func replyBytes() async throws -> (head: String, body: [UInt8]) {
    let head = try await reply(hasBody: false).head
    let length = head.split(separator: "\r\n").first { $0.hasPrefix("Content-Length: ") }
    return (head, try await take(length.flatMap { Int($0.dropFirst(16)) } ?? 0))
  }

  /// Everything up to the server's end of the stream.
  func rest() async throws -> String {
    while try await receive() {}
    let bytes = received
    received = []
    return String(decoding: bytes, as: UTF8.self)
  }

  /// Reads so many bytes at most, and forgets them; throws at the end of the stream.
  func read(atMost limit: Int) async throws -> Int {
    let socket = try socket()
    var bytes: [UInt8] = []
    while true {
      switch try socket.read(into: &bytes, atMost: limit) {
      case .bytes(let count): return count
      case .endOfStream: throw Failure(description: "the server has closed")
      case .wouldBlock:
        guard await socket.readable(until: .now + Self.patience) == .ready else {
          throw Failure(description: "the server sends nothing more")
        }
      }
    }
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

  /// Reads so many replies; tells how many of them were a 200.
  func replies(_ count: Int) async throws -> Int {
    var good = 0
    for _ in 0..<count where try await reply().status == 200 { good += 1 }
    return good
  }

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
