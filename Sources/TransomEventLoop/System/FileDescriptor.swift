internal import CTransomLinux

/// Owns a file descriptor and closes it once.
package struct FileDescriptor: ~Copyable {
  package let rawValue: CInt

  package init(adopting rawValue: CInt) { self.rawValue = rawValue }

  deinit { _ = CTransomLinux.close(rawValue) }
}
