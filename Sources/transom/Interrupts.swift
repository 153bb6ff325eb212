import Dispatch
import Glibc
import Synchronization

/// SIGINT, which a person sends by Ctrl-C.
enum Interrupts {
  /// Runs the body, which ends in order after the first SIGINT. The second one ends the process at once, whatever is not
  /// done yet: the person does not want to wait.
  static func exitingAtSecond(_ body: () async throws -> Void) async throws {
    // Not a UnixSignalsSequence: on a busy machine two signals can come as one event of it.
    let source = DispatchSource.makeSignalSource(
      signal: SIGINT, queue: DispatchQueue(label: "transom.interrupts"))
    let count = Atomic<UInt>(0)
    source.setEventHandler {
      let seen = count.wrappingAdd(source.data, ordering: .relaxed).newValue
      // Without any cleaning up, which other threads might be in the middle of. 128 + 2, as shells say it.
      if seen >= 2 { _exit(130) }
    }
    source.activate()
    defer { source.cancel() }
    try await body()
  }
}
