internal import Synchronization
internal import TransomEventLoop

/// Lets one task of a loop wait until there is something to do, or for a time.
///
/// `@unchecked` is not needed: it is an actor of the loop, entered by plain calls.
actor LoopSignal: EventLoopActor {
  nonisolated let loop: EventLoop
  nonisolated var unownedExecutor: UnownedSerialExecutor { loop.executor }

  /// Whether it is set. Who sets it when it is set already has nothing to do: a thousand commits wake the loop once.
  private let isSet = Atomic(false)
  private var waiter: CheckedContinuation<Void, Never>?
  private var timer: EventLoop.TimerID?

  init(on loop: EventLoop) { self.loop = loop }

  /// Ends the wait, or the next one. From any thread.
  nonisolated func set() {
    guard !isSet.exchange(true, ordering: .acquiringAndReleasing) else { return }
    if loop.isCurrent {
      onLoop { $0.wake() }
    } else {
      // By then a wait may have ended by it, and another one begun.
      loop.execute { self.onLoop { if $0.isSet.load(ordering: .acquiring) { $0.wake() } } }
    }
  }

  /// Waits until `set`, at once if that was before; or until the time is over.
  func wait(for limit: Duration) async {
    guard !isSet.exchange(false, ordering: .acquiringAndReleasing) else { return }
    let deadline = loop.now + limit
    await withCheckedContinuation { continuation in
      // Looked at once more, because the caller may be suspended before.
      guard !isSet.load(ordering: .acquiring) else { return continuation.resume() }
      waiter = continuation
      timer = loop.schedule(at: deadline) { [weak self] in self?.onLoop { $0.wake() } }
    }
    // An exchange, not a store: who finds it set and does nothing has done all before that what comes next here reads.
    _ = isSet.exchange(false, ordering: .acquiringAndReleasing)
  }

  private func wake() {
    if let timer { loop.cancel(timer) }
    timer = nil
    exchange(&waiter, with: nil)?.resume()
  }
}
