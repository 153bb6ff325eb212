import CTransomLinux
import FoundationEssentials

// Files and sockets as another process would make and find them: without our own code.

/// The permissions of a file; nil if there is none.
func fileMode(_ path: String) -> UInt32? {
  var status = stat()
  guard unsafe lstat(path, &status) == 0 else { return nil }
  return status.st_mode & 0o777
}

/// A socket that is bound to a path, and does not listen yet.
func boundSocket(_ path: String) throws -> CInt {
  let number = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
  guard unsafe withUnixAddress(path, { unsafe bind(number, $0, $1) }) == 0 else {
    throw Errno(ctransom_errno())
  }
  return number
}

/// Whether somebody listens there.
func connects(_ path: String) -> Bool {
  let number = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
  defer { close(number) }
  return unsafe withUnixAddress(path) { unsafe connect(number, $0, $1) } == 0
}

func isClosedOnExec(_ number: CInt) -> Bool {
  (try? String(contentsOfFile: "/proc/self/fdinfo/\(number)", encoding: .utf8))?
    .contains(/flags:\s+0?2[0-9]{6}/) == true
}

struct Errno: Error {
  let code: CInt
  init(_ code: CInt) { self.code = code }
}

private func withUnixAddress<Result>(
  _ path: String, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Result
) -> Result {
  var address = sockaddr_un()
  address.sun_family = sa_family_t(AF_UNIX)
  unsafe withUnsafeMutableBytes(of: &address.sun_path) { unsafe $0.copyBytes(from: path.utf8) }
  return unsafe withUnsafePointer(to: address) {
    unsafe $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
      unsafe body($0, socklen_t(MemoryLayout<sockaddr_un>.size))
    }
  }
}
