internal import CTransomLinux

/// How many descriptors the process may have open.
package enum OpenFiles {
  /// As many as the kernel lets it, within reason. The usual soft limit, 1,024, is there for programs that use
  /// select(2); clients, and receivers that hang, would take all of that.
  package static func raiseLimit() {
    _ = ctransom_raise_open_files(65_536)
  }
}
