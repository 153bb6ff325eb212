internal import Dispatch

/// Runs a call that blocks on a thread that may wait, so that no event loop does.
///
/// libpq's name look-up, TLS and authentication at connect and `PQcancel` have no non-blocking form.
func offLoop<Value: Sendable>(_ body: @escaping @Sendable () -> Value) async -> Value {
  await withCheckedContinuation { continuation in
    DispatchQueue.global().async { continuation.resume(returning: body()) }
  }
}

/// Sends a cancel request from a thread that may wait; nobody waits for it.
func cancelOffLoop(_ cancel: PGCancelHandle) {
  DispatchQueue.global().async { _ = cancel.cancel() }
}
