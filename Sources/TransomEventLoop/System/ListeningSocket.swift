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
  /// Whether another process goes on listening when we are done.
  private let isInherited: Bool
  /// The file of a Unix-domain socket that was made here.
  private let inode: UInt64?

  /// Binds and listens. On the loop only.
  ///
  /// - Parameters:
  ///   - address: Of a Unix-domain socket whose file nobody listens on any more, the file is replaced.
  ///   - mode: Who may connect to a Unix-domain socket, as chmod(2) takes it: whoever may write to its file.
  ///   - backlog: How many clients may wait to be accepted.
  ///   - loop: Where it lives.
  /// - Throws: the kernel's reason, such as that the address is in use.
  package init(
    listeningOn address: SocketAddress, mode: UInt32 = 0o660, backlog: Int = 4096,
    on loop: EventLoop
  ) throws(SystemError) {
    let type = SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue
    let number = CTransomLinux.socket(address.family, Int32(type), 0)
    guard number >= 0 else { throw .last("socket") }
    let descriptor = FileDescriptor(adopting: number)
    ctransom_reuse_address(number)
    if address.family == AF_INET6 { ctransom_only_ipv6(number) }
    if let path = address.unixPath { unsafe ctransom_remove_stale_socket(path) }
    let bound = unsafe address.withSockaddr { unsafe ctransom_bind(number, $0, $1) }
    guard bound == 0 else { throw .last("bind to \(address)") }
    if let path = address.unixPath {
      inode = unsafe ctransom_inode(path)
      // Nobody can connect before it listens, so that nobody does who may not.
      guard unsafe chmod(path, mode_t(mode)) == 0 else { throw .last("chmod of \(address)") }
    } else {
      inode = nil
    }
    guard listen(number, CInt(backlog)) == 0 else { throw .last("listen on \(address)") }
    if address.unixPath == nil {
      self.address = try SocketAddress(boundTo: number)
    } else {
      self.address = address
    }
    isInherited = false
    watch = try DescriptorWatch(number, on: loop)
    self.descriptor = consume descriptor
  }

  /// Adopts a socket that listens already, and that another process has, too, such as systemd. On the loop only.
  ///
  /// - Throws: if the descriptor is none of a stream socket that listens.
  package init(inheriting number: CInt, on loop: EventLoop) throws(SystemError) {
    address = try Self.prepareInherited(number)
    inode = nil
    isInherited = true
    watch = try DescriptorWatch(number, on: loop)
    descriptor = FileDescriptor(adopting: number)
  }

  /// Keeps an inherited socket from the programs that this one starts, and tells where it listens.
  ///
  /// - Throws: if the descriptor is none of a stream socket that listens.
  package static func prepareInherited(_ number: CInt) throws(SystemError) -> SocketAddress {
    guard ctransom_is_listening(number) != 0 else {
      throw SystemError(call: "descriptor \(number) is no listening stream socket", errno: EINVAL)
    }
    guard ctransom_prepare_inherited(number) == 0 else { throw .last("fcntl") }
    return try SocketAddress(boundTo: number)
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

  /// Stops listening; the file of a Unix-domain socket that was made here goes, too. Does nothing the second time.
  package func close() {
    guard descriptor != nil else { return }
    watch.close()
    if !isInherited {
      // Nobody is accepted any more, even if a process that is just being started still holds a copy of the descriptor.
      _ = CTransomLinux.shutdown(watch.descriptor, Int32(SHUT_RDWR))
    }
    descriptor = nil
    // Another process may have taken the path meanwhile.
    if let path = address.unixPath, let inode, unsafe ctransom_inode(path) == inode {
      _ = unsafe CTransomLinux.unlink(path)
    }
  }
}
