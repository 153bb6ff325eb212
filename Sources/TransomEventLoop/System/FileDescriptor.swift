internal import CTransomLinux

/// Owns a file descriptor and closes it once.
package struct FileDescriptor: ~Copyable {
  package let rawValue: CInt

  package init(adopting rawValue: CInt) { self.rawValue = rawValue }

  /// Owns a second descriptor of the same open file; whoever has the first may close it at any time.
  package init(duplicating original: CInt) throws(SystemError) {
    let duplicate = ctransom_duplicate(original)
    guard duplicate >= 0 else { throw .last("fcntl") }
    self.init(adopting: duplicate)
  }

  deinit { _ = CTransomLinux.close(rawValue) }
}
