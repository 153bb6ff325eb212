import Glibc

/// A failed system call of a test's socket.
package struct SocketError: Error, CustomStringConvertible, Equatable {
  package let call: String
  package let code: CInt

  package var description: String {
    guard let text = unsafe strerror(code) else { return "\(call): error \(code)" }
    return unsafe "\(call): \(String(cString: text))"
  }
}

/// Where a socket connects to or listens.
package enum SocketAddress: Sendable, Equatable {
  /// A port of 127.0.0.1; when listening, 0 is any free one.
  case tcp(port: Int)
  /// A port of ::1.
  case tcp6(port: Int)
  case unix(path: String)
}

/// A non-blocking stream socket, closed by `deinit`. Waits are made with `poll` and a deadline.
final class Socket: Sendable {
  let descriptor: CInt

  init(adopting descriptor: CInt) {
    self.descriptor = descriptor
  }

  deinit { close(descriptor) }

  /// Two sockets, connected with each other.
  static func pair() throws -> (Socket, Socket) {
    var ends: [CInt] = [-1, -1]
    let type = CInt(SOCK_STREAM.rawValue) | CInt(SOCK_NONBLOCK.rawValue) | O_CLOEXEC
    guard unsafe socketpair(AF_UNIX, type, 0, &ends) == 0 else { throw SocketError("socketpair") }
    return (Socket(adopting: ends[0]), Socket(adopting: ends[1]))
  }

  /// Connects, for as long as a connection may take.
  static func connect(to address: SocketAddress, within limit: Duration) throws -> Socket {
    let socket = try open(for: address)
    let code = unsafe withSocketAddress(of: address) { pointer, size in
      unsafe Glibc.connect(socket.descriptor, pointer, size)
    }
    if code != 0 {
      guard errno == EINPROGRESS || errno == EAGAIN else { throw SocketError("connect") }
      try socket.wait(for: POLLOUT, until: .now + limit, "connect")
      let failure = socket.pendingError
      guard failure == 0 else { throw SocketError(call: "connect", code: failure) }
    }
    return socket
  }

  static func listen(on address: SocketAddress) throws -> Socket {
    let socket = try open(for: address)
    var yes: CInt = 1
    _ = unsafe setsockopt(
      socket.descriptor, SOL_SOCKET, SO_REUSEADDR, &yes, socklen_t(MemoryLayout<CInt>.size))
    let code = unsafe withSocketAddress(of: address) { pointer, size in
      unsafe bind(socket.descriptor, pointer, size)
    }
    guard code == 0 else { throw SocketError("bind") }
    guard Glibc.listen(socket.descriptor, 128) == 0 else { throw SocketError("listen") }
    return socket
  }

  /// A connection that waits to be accepted, or nil.
  func accept() -> Socket? {
    let accepted = Glibc.accept(descriptor, nil, nil)
    guard accepted >= 0 else { return nil }
    _ = fcntl(accepted, F_SETFD, FD_CLOEXEC)
    _ = fcntl(accepted, F_SETFL, O_NONBLOCK)
    return Socket(adopting: accepted)
  }

  /// The port of a listening TCP socket.
  var localPort: Int {
    var address = sockaddr_in()
    var size = socklen_t(MemoryLayout<sockaddr_in>.size)
    _ = unsafe withUnsafeMutablePointer(to: &address) { pointer in
      unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
        unsafe getsockname(descriptor, address, &size)
      }
    }
    return Int(UInt16(bigEndian: address.sin_port))
  }

  /// Bytes that are there now: nil if none yet, empty at the end of the stream.
  func read(upTo count: Int) throws -> [UInt8]? {
    var bytes = [UInt8](repeating: 0, count: count)
    let result = unsafe recv(descriptor, &bytes, count, 0)
    guard result >= 0 else {
      guard errno == EAGAIN || errno == EINTR else { throw SocketError("recv") }
      return nil
    }
    bytes.removeLast(count - result)
    return bytes
  }

  /// Sends what the socket takes now, and says how much that was.
  func write(_ bytes: ArraySlice<UInt8>) throws -> Int {
    let result = unsafe bytes.withUnsafeBytes { buffer in
      unsafe send(descriptor, buffer.baseAddress, buffer.count, CInt(MSG_NOSIGNAL))
    }
    guard result >= 0 else {
      guard errno == EAGAIN || errno == EINTR else { throw SocketError("send") }
      return 0
    }
    return result
  }

  /// Waits until the socket is ready.
  func wait(
    for events: Int32, until deadline: ContinuousClock.Instant, _ what: String
  ) throws {
    while true {
      let left = ContinuousClock.now.duration(to: deadline)
      guard left > .zero else { throw DeadlineExceeded(what, after: .zero) }
      var entry = pollfd(fd: descriptor, events: Int16(events), revents: 0)
      if unsafe poll(&entry, 1, left.milliseconds) > 0 { return }
    }
  }

  /// Waits, without a limit, until one of the sockets is ready for its events.
  static func waitForAny(of sockets: [(socket: Socket, events: Int32)]) {
    var entries = sockets.map { entry in
      pollfd(fd: entry.socket.descriptor, events: Int16(entry.events), revents: 0)
    }
    _ = unsafe poll(&entries, nfds_t(entries.count), -1)
  }

  /// No more from us; the peer can go on.
  func shutDownWriting() {
    shutdown(descriptor, CInt(SHUT_WR))
  }

  /// Makes closing send a TCP reset.
  func resetWhenClosed() {
    var option = linger(l_onoff: 1, l_linger: 0)
    _ = unsafe setsockopt(
      descriptor, SOL_SOCKET, SO_LINGER, &option, socklen_t(MemoryLayout<linger>.size))
  }

  /// Makes the kernel's buffers small, so that back-pressure comes soon.
  func shrinkBuffers(to size: Int) {
    var size = CInt(size)
    let length = socklen_t(MemoryLayout<CInt>.size)
    _ = unsafe setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &size, length)
    _ = unsafe setsockopt(descriptor, SOL_SOCKET, SO_SNDBUF, &size, length)
  }

  private var pendingError: CInt {
    var code: CInt = 0
    var size = socklen_t(MemoryLayout<CInt>.size)
    _ = unsafe getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &code, &size)
    return code
  }

  private static func open(for address: SocketAddress) throws -> Socket {
    let family =
      switch address {
      case .tcp: AF_INET
      case .tcp6: AF_INET6
      case .unix: AF_UNIX
      }
    let type = CInt(SOCK_STREAM.rawValue) | CInt(SOCK_NONBLOCK.rawValue) | O_CLOEXEC
    let descriptor = socket(family, type, 0)
    guard descriptor >= 0 else { throw SocketError("socket") }
    let socket = Socket(adopting: descriptor)
    if family != AF_UNIX {
      // Each piece that a test sends leaves at once.
      var yes: CInt = 1
      _ = unsafe setsockopt(
        descriptor, CInt(IPPROTO_TCP), TCP_NODELAY, &yes, socklen_t(MemoryLayout<CInt>.size))
    }
    return socket
  }
}

extension SocketError {
  /// Takes the error number of the call that has just failed.
  fileprivate init(_ call: String) {
    self.init(call: call, code: errno)
  }
}

extension Duration {
  /// For `poll`: rounded up, so that it does not spin before a deadline.
  var milliseconds: Int32 {
    let (seconds, attoseconds) = components
    let total = seconds * 1000 + attoseconds / 1_000_000_000_000_000 + 1
    return Int32(clamping: max(total, 0))
  }
}

private func withSocketAddress(
  of address: SocketAddress, _ body: (UnsafePointer<sockaddr>, socklen_t) -> CInt
) -> CInt {
  switch address {
  case .tcp(let port):
    var internet = sockaddr_in()
    internet.sin_family = sa_family_t(AF_INET)
    internet.sin_port = UInt16(truncatingIfNeeded: port).bigEndian
    internet.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
    return unsafe withUnsafePointer(to: &internet) { pointer in
      unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
        unsafe body(address, socklen_t(MemoryLayout<sockaddr_in>.size))
      }
    }
  case .tcp6(let port):
    var internet = sockaddr_in6()
    internet.sin6_family = sa_family_t(AF_INET6)
    internet.sin6_port = UInt16(truncatingIfNeeded: port).bigEndian
    internet.sin6_addr = in6addr_loopback
    return unsafe withUnsafePointer(to: &internet) { pointer in
      unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
        unsafe body(address, socklen_t(MemoryLayout<sockaddr_in6>.size))
      }
    }
  case .unix(let path):
    var local = sockaddr_un()
    local.sun_family = sa_family_t(AF_UNIX)
    unsafe withUnsafeMutableBytes(of: &local.sun_path) { bytes in
      for (index, byte) in path.utf8.prefix(bytes.count - 1).enumerated() {
        unsafe bytes[index] = byte
      }
    }
    return unsafe withUnsafePointer(to: &local) { pointer in
      unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
        unsafe body(address, socklen_t(MemoryLayout<sockaddr_un>.size))
      }
    }
  }
}
