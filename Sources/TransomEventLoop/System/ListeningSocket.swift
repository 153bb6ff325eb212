internal import CTransomLinux

/// A socket that accepts connections.
///
/// `@unchecked Sendable`: used on its loop's thread only, which its watch checks.
package final class ListeningSocket: @unchecked Sendable {
  /// What an attempt to accept found.
  package enum AcceptResult: ~Copyable {
    case accepted(FileDescriptor)
    /// Nobody waits: wait with `acceptable()`.
    case wouldBlock
  }

  /// Where it listens: for port 0 with the port that the kernel chose.
  package let address: SocketAddress
  private let watch: DescriptorWatch
  private var descriptor: FileDescriptor?

  /// Binds and listens. On the loop only.
  package init(
    listeningOn address: SocketAddress, backlog: Int = 4096, on loop: EventLoop
  ) throws(SystemError) {
    let type = SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue
    let number = CTransomLinux.socket(address.family, Int32(type), 0)
    guard number >= 0 else { throw .last("socket") }
    let descriptor = FileDescriptor(adopting: number)
    ctransom_reuse_address(number)
    if let path = address.unixPath { unsafe ctransom_remove_stale_socket(path) }
    let bound = unsafe address.withSockaddr { unsafe ctransom_bind(number, $0, $1) }
    guard bound == 0 else { throw .last("bind to \(address)") }
    guard listen(number, CInt(backlog)) == 0 else { throw .last("listen on \(address)") }
    if address.unixPath == nil {
      self.address = try SocketAddress(boundTo: number)
    } else {
      self.address = address
    }
    watch = try DescriptorWatch(number, on: loop)
    self.descriptor = consume descriptor
  }

  /// Takes one waiting connection, non-blocking and without Nagle's delay.
  package func accept() throws(SystemError) -> AcceptResult {
    guard descriptor != nil else { throw SystemError(call: "accept4", errno: EBADF) }
    let accepted = ctransom_accept(watch.descriptor)
    if accepted >= 0 {
      ctransom_no_delay(accepted)
      return .accepted(FileDescriptor(adopting: accepted))
    }
    switch SystemError.currentErrno {
    case EAGAIN:
      watch.didDrain()
      return .wouldBlock
    case EINTR, ECONNABORTED, EPROTO:
      return try accept()
    default:
      throw .last("accept4")
    }
  }

  /// Waits until a client may be there.
  package func acceptable() async -> Wake {
    await watch.readable()
  }

  /// Stops listening; a Unix-domain socket's file goes too. Does nothing the second time.
  package func close() {
    guard descriptor != nil else { return }
    watch.close()
    // Nobody is accepted any more, even if a process that is just being started still holds a copy of the descriptor.
    _ = CTransomLinux.shutdown(watch.descriptor, Int32(SHUT_RDWR))
    descriptor = nil
    if let path = address.unixPath { _ = unsafe CTransomLinux.unlink(path) }
  }
}
