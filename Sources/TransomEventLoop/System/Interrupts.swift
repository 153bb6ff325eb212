internal import CTransomLinux
internal import Dispatch

/// SIGINT, which a person sends by Ctrl-C.
package enum Interrupts {
  /// Calls `first` after the first SIGINT. The second one ends the process at once, whatever is not done yet: the person
  /// does not want to wait.
  ///
  /// - Throws: `SystemError` if the signal cannot be caught.
  package static func onFirst(
    _ first: @Sendable @escaping () async -> Void
  ) throws(SystemError) {
    // Not a signal source of Dispatch: with one, the second signal had no effect in whole runs of the tests under the thread
    // sanitizer. Why is not known.
    let descriptor = ctransom_catch_interrupts()
    guard descriptor >= 0 else { throw .last("sigaction") }
    let source = DispatchSource.makeReadSource(fileDescriptor: descriptor)
    source.setEventHandler {
      source.cancel()
      Task { await first() }
    }
    source.activate()
  }
}
