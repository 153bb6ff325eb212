internal import CTransomLinux

/// A connected stream socket on an event loop: reads and writes never block.
///
/// `@unchecked Sendable`: used on its loop's thread only, which its watch checks.
public final class Socket: @unchecked Sendable {
  /// What a read found.
  package enum ReadResult: Equatable, Sendable {
    /// That many bytes, at least one, were appended.
    case bytes(Int)
    /// Nothing yet: wait with `readable(until:)`.
    case wouldBlock
    /// The peer has closed its side.
    case endOfStream
  }

  package let loop: EventLoop
  @usableFromInline let watch: DescriptorWatch
  private var descriptor: FileDescriptor?

  /// Takes a non-blocking socket. On the loop only.
  package init(
    adopting descriptor: consuming FileDescriptor, on loop: EventLoop
  ) throws(SystemError) {
    self.loop = loop
    watch = try DescriptorWatch(descriptor.rawValue, on: loop)
    self.descriptor = consume descriptor
  }

  /// Connects. On the loop only.
  ///
  /// - Throws: the kernel's reason, `ETIMEDOUT` if it takes until the deadline.
  package static func connect(
    to address: SocketAddress, on loop: EventLoop, until deadline: MonotonicInstant
  ) async throws(SystemError) -> Socket {
    let type = SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue
    let number = CTransomLinux.socket(address.family, Int32(type), 0)
    guard number >= 0 else { throw .last("socket") }
    let descriptor = FileDescriptor(adopting: number)
    let result = unsafe address.withSockaddr { unsafe ctransom_connect(number, $0, $1) }
    guard result == 0 || SystemError.currentErrno == EINPROGRESS else {
      throw .last("connect to \(address)")
    }
    let socket = try Socket(adopting: descriptor, on: loop)
    if result != 0 {
      socket.watch.didFill()
      guard await socket.writable(until: deadline) == .ready else {
        socket.close()
        throw SystemError(call: "connect to \(address)", errno: ETIMEDOUT)
      }
      let error = ctransom_socket_error(number)
      guard error == 0 else {
        socket.close()
        throw SystemError(call: "connect to \(address)", errno: error)
      }
    }
    return socket
  }

  /// Reads at most `limit` bytes, in one system call, to the end of `buffer`.
  package func read(
    into buffer: inout [UInt8], atMost limit: Int
  ) throws(SystemError) -> ReadResult {
    guard descriptor != nil else { throw SystemError(call: "recv", errno: EBADF) }
    var count = 0
    buffer.append(addingCapacity: limit) { output in
      unsafe output.withUnsafeMutableBufferPointer { bytes, initialized in
        count = unsafe recv(
          watch.descriptor, bytes.baseAddress.map { unsafe $0 + initialized }, limit, 0)
        initialized += max(0, count)
      }
    }
    if count > 0 {
      // For a stream, less than what was asked for means that the socket is empty: epoll(7).
      if count < limit { watch.didDrain() }
      return .bytes(count)
    }
    if count == 0 { return .endOfStream }
    switch SystemError.currentErrno {
    case EAGAIN:
      watch.didDrain()
      return .wouldBlock
    case EINTR:
      return try read(into: &buffer, atMost: limit)
    default:
      throw .last("recv")
    }
  }

  /// Writes as much of `bytes[start...]` as the kernel takes now; tells how many bytes, perhaps none.
  package func write(_ bytes: [UInt8], from start: Int) throws(SystemError) -> Int {
    guard descriptor != nil else { throw SystemError(call: "send", errno: EBADF) }
    let length = bytes.count - start
    let count = unsafe bytes.withUnsafeBytes {
      unsafe send(
        watch.descriptor, $0.baseAddress.map { unsafe $0 + start }, length,
        Int32(MSG_NOSIGNAL))
    }
    return try written(count, of: length)
  }

  /// Writes as much as the kernel takes now of `head[start...]` followed by `body`, in one system call.
  package func write(
    _ head: [UInt8], from start: Int, then body: [UInt8]
  ) throws(SystemError) -> Int {
    guard start < head.count else { return try write(body, from: start - head.count) }
    guard descriptor != nil else { throw SystemError(call: "sendmsg", errno: EBADF) }
    let count = unsafe head.withUnsafeBytes { head in
      unsafe body.withUnsafeBytes { body in
        unsafe ctransom_send_two(
          watch.descriptor, head.baseAddress.map { unsafe $0 + start }, head.count - start,
          body.baseAddress, body.count)
      }
    }
    return try written(count, of: head.count - start + body.count)
  }

  private func written(_ count: Int, of length: Int) throws(SystemError) -> Int {
    if count >= 0 {
      if count < length { watch.didFill() }
      return count
    }
    switch SystemError.currentErrno {
    case EAGAIN:
      watch.didFill()
      return 0
    case EINTR:
      return 0
    default:
      throw .last("send")
    }
  }

  /// Waits until a read is worth a try; if `isShielded`, in a cancelled task, too.
  @inlinable
  @inline(__always)
  public func readable(
    until deadline: MonotonicInstant? = nil, isShielded: Bool = false
  ) async -> Wake {
    await watch.readable(until: deadline, isShielded: isShielded)
  }

  /// Calls `handler` on the loop, once, when a read is worth a try, the deadline has passed or the socket was closed.
  package func onReadable(
    until deadline: MonotonicInstant, _ handler: @escaping @Sendable () -> Void
  ) { watch.onReadable(until: deadline, handler) }

  /// Waits until a write is worth a try.
  package func writable(until deadline: MonotonicInstant? = nil) async -> Wake {
    await watch.writable(until: deadline)
  }

  /// Ends a wait for a write, if there is one, with `.cancelled`.
  package func stopWaitingToWrite() { watch.stopWaitingToWrite() }

  /// Calls `handler` on the loop when the peer closes its side or the connection breaks; nil takes it back.
  package func onHangUp(_ handler: (@Sendable () -> Void)?) { watch.onHangUp(handler) }

  /// The IP address of the peer, without its port; nil for a Unix-domain socket, or if the peer is gone.
  package var peerHost: String? {
    guard descriptor != nil else { return nil }
    return SocketAddress.peerHost(of: watch.descriptor)
  }

  /// Tells the peer that nothing more comes; reading goes on.
  package func shutdownWrite() {
    guard descriptor != nil else { return }
    _ = CTransomLinux.shutdown(watch.descriptor, Int32(SHUT_WR))
  }

  /// Closes the socket; waits end with `.closed`. Does nothing the second time.
  package func close() {
    watch.close()
    descriptor = nil
  }
}
