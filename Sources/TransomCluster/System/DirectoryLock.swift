import Glibc

/// Holds a directory for this process, by `flock` on a file in it; given back by `deinit`.
///
/// The kernel gives it back too when the process dies, however it dies: no stale locks.
final class DirectoryLock: Sendable {
  private let descriptor: CInt

  private init(adopting descriptor: CInt) {
    self.descriptor = descriptor
  }

  deinit { close(descriptor) }

  /// Takes the lock, or throws `directoryInUse` with what the file says of the holder.
  ///
  /// It tries for a second: a process that was forked off the last holder has the lock, too, for
  /// the moment until it becomes another program.
  static func take(_ directory: String) async throws -> DirectoryLock {
    let path = directory + "/transom.lock"
    // The directory may belong to an account with fewer rights, which could put a link to somebody else's file here.
    let descriptor = unsafe open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
    guard descriptor >= 0 else {
      throw ClusterError.systemCallFailed(name: "open", path: path, reason: describe(errno))
    }
    let lock = DirectoryLock(adopting: descriptor)
    let deadline = ContinuousClock.now + .seconds(1)
    while flock(descriptor, LOCK_EX | LOCK_NB) != 0 {
      guard ContinuousClock.now < deadline else {
        throw ClusterError.directoryInUse(directory: directory, processID: lock.holder)
      }
      try await Task.sleep(for: .milliseconds(20))
    }
    let text = Array("\(getpid())\n".utf8)
    _ = ftruncate(descriptor, 0)
    _ = unsafe pwrite(descriptor, text, text.count, 0)
    return lock
  }

  /// The process number in the file.
  private var holder: String {
    var text = [UInt8](repeating: 0, count: 32)
    let count = unsafe pread(descriptor, &text, text.count, 0)
    let digits = text.prefix(max(count, 0)).prefix { $0 != UInt8(ascii: "\n") }
    return String(decoding: digits, as: UTF8.self)
  }
}

/// The system's own words for an error number.
func describe(_ code: CInt) -> String {
  guard let text = unsafe strerror(code) else { return "error \(code)" }
  return unsafe String(cString: text)
}
