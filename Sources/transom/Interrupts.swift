import Glibc
import UnixSignals

/// SIGINT, which a person sends by Ctrl-C.
enum Interrupts {
  /// Runs the body, which ends in order after the first SIGINT. The second one ends the process at once, whatever is not
  /// done yet: the person does not want to wait.
  static func exitingAtSecond(_ body: @escaping @Sendable () async throws -> Void) async throws {
    let interrupts = await UnixSignalsSequence(trapping: .sigint)
    try await withThrowingTaskGroup { tasks in
      tasks.addTask { try await body() }
      tasks.addTask {
        var count = 0
        for await _ in interrupts {
          count += 1
          // Without any cleaning up, which other threads might be in the middle of. 128 + 2, as shells say it.
          if count == 2 { _exit(130) }
        }
      }
      defer { tasks.cancelAll() }
      try await tasks.next()
    }
  }
}
