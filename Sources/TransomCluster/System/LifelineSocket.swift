import Glibc

/// Our end of a socket pair whose other end a watchdog reads: closed when we die, however we die.
///
/// A socket and not a pipe, because a write to a dead watchdog must not raise SIGPIPE.
final class LifelineSocket: Sendable {
  private let descriptor: CInt

  private init(adopting descriptor: CInt) {
    self.descriptor = descriptor
  }

  deinit { close(descriptor) }

  /// Makes the pair; the caller gives `watched` to the watchdog and closes it.
  static func pair() throws(ClusterError) -> (ours: LifelineSocket, watched: CInt) {
    var ends: [CInt] = [-1, -1]
    let type = CInt(SOCK_STREAM.rawValue) | O_CLOEXEC
    guard unsafe socketpair(AF_UNIX, type, 0, &ends) == 0 else {
      throw .systemCallFailed(name: "socketpair", path: "", reason: describe(errno))
    }
    return (LifelineSocket(adopting: ends[0]), ends[1])
  }

  /// Sends a line. A watchdog that is gone is no error: there is nobody to tell.
  func send(line: String) {
    let bytes = Array((line + "\n").utf8)
    _ = unsafe Glibc.send(descriptor, bytes, bytes.count, CInt(MSG_NOSIGNAL))
  }
}
