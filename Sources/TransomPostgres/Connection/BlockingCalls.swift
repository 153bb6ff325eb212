internal import Dispatch

/// Runs a call that blocks on a thread that may wait, so that no event loop does.
///
/// libpq's name look-up, TLS and authentication at connect and `PQcancel` have no non-blocking form.
func offLoop<Value: Sendable>(_ body: @escaping @Sendable () -> Value) async -> Value {
  await withCheckedContinuation { continuation in
    thread().async { continuation.resume(returning: body()) }
  }
}

/// Sends a cancel request from a thread that may wait, and calls `completion` there when the server has taken it.
func cancelOffLoop(_ cancel: PGCancelHandle, _ completion: @escaping @Sendable () -> Void) {
  thread().async {
    _ = cancel.cancel()
    completion()
  }
}

/// A serial queue of its own for each call gets a thread of its own at once. The global queues have as many threads
/// as there are cores, and Swift's tasks run on them: a few servers that do not answer would stop everything.
private func thread() -> DispatchQueue { DispatchQueue(label: "transom.blocking-call") }
