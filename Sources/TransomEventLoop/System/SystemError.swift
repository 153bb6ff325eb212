internal import CTransomLinux

/// A system call that failed: which one, and the kernel's reason.
package struct SystemError: Error, Equatable, CustomStringConvertible {
  package let call: String
  package let errno: CInt

  package init(call: String, errno: CInt) {
    self.call = call
    self.errno = errno
  }

  /// Whether somebody else has the address.
  package var isAddressInUse: Bool { errno == EADDRINUSE }

  /// The failure of the call that was just made.
  package static func last(_ call: String) -> SystemError {
    SystemError(call: call, errno: Self.currentErrno)
  }

  static var currentErrno: CInt { CTransomLinux.ctransom_errno() }

  package var description: String {
    let reason = unsafe String(cString: strerror(errno))
    return "\(call): \(reason)"
  }
}
