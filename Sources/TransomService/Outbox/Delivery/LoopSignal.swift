internal import Synchronization
internal import TransomEventLoop

/// Lets one task of a loop wait until there is something to do, or for a time.
///
/// `@unchecked` is not needed: it is an actor of the loop, entered by plain calls.
actor LoopSignal: EventLoopActor {
  nonisolated let loop: EventLoop
  nonisolated var unownedExecutor: UnownedSerialExecutor { loop.executor }

  /// Whether another thread has set it, and the loop has not come to that yet: one call tells all that are set meanwhile.
  private let isOnItsWay = Atomic(false)
  private var isSet = false
  private var waiter: CheckedContinuation<Void, Never>?
  private var timer: EventLoop.TimerID?

  init(on loop: EventLoop) { self.loop = loop }

  /// Ends the wait, or the next one. From any thread.
  nonisolated func set() {
    if loop.isCurrent {
      onLoop { $0.signal() }
    } else if !isOnItsWay.exchange(true, ordering: .acquiringAndReleasing) {
      loop.execute {
        self.isOnItsWay.store(false, ordering: .releasing)
        self.onLoop { $0.signal() }
      }
    }
  }

  /// Waits until `set`, at once if that was before; or until the time is over.
  func wait(for limit: Duration) async {
    if isSet {
      isSet = false
      return
    }
    let deadline = loop.now + limit
    await withCheckedContinuation { continuation in
      waiter = continuation
      timer = loop.schedule(at: deadline) { [weak self] in self?.onLoop { $0.signal() } }
    }
    isSet = false
  }

  private func signal() {
    isSet = true
    if let timer { loop.cancel(timer) }
    timer = nil
    exchange(&waiter, with: nil)?.resume()
  }
}
