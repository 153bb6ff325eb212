internal import CTransomLinux

/// What the kernel reported for a descriptor.
struct Readiness {
  var canRead: Bool
  var canWrite: Bool
  var hungUp: Bool

  init(epoll events: UInt32) {
    // After a hang-up or an error a read or write returns at once and says what happened.
    hungUp = events & (EPOLLRDHUP.rawValue | EPOLLHUP.rawValue | EPOLLERR.rawValue) != 0
    canRead = hungUp || events & EPOLLIN.rawValue != 0
    canWrite = events & (EPOLLOUT.rawValue | EPOLLHUP.rawValue | EPOLLERR.rawValue) != 0
  }
}

/// How a wait for a descriptor ended.
package enum Wake: Equatable, Sendable {
  /// A read or write is worth a try.
  case ready
  /// The deadline passed first.
  case timedOut
  /// The watch was closed meanwhile.
  case closed
  /// The waiting task was cancelled.
  case cancelled
}

/// Waits until a descriptor can be read or written. It does not own the descriptor.
///
/// The kernel reports changes only (edge-triggered), so what it reported is remembered here until a read or
/// write finds nothing more to do (`didDrain`, `didFill`). One task may wait for each direction.
///
/// `@unchecked Sendable`: used on its loop's thread only, which every method checks.
package final class DescriptorWatch: @unchecked Sendable {
  package let loop: EventLoop
  package let descriptor: CInt

  @safe
  private struct Direction {
    var isReady = true
    var waiter: UnsafeContinuation<Wake, Never>?
    /// In place of a task that waits.
    var handler: (@Sendable () -> Void)?
    /// Grows with each wait, so that a late cancellation or timer meets its own wait only.
    var wait: UInt64 = 0
    /// The wait that was cancelled before its continuation was there.
    var cancelledWait: UInt64?
    var deadline: MonotonicInstant?
    /// This wait ends when the other direction is ready, too.
    var endsWithEither = false
    /// The one timer of this direction. It is left alone when a wait ends and moved when it fires,
    /// so that a wait with a deadline costs nothing as long as it is in time.
    var timer: (at: MonotonicInstant, id: EventLoop.TimerID)?

    mutating func end(_ wake: Wake) {
      deadline = nil
      unsafe exchange(&waiter, with: nil)?.resume(returning: wake)
      exchange(&handler, with: nil)?()
    }
  }

  private var reading = Direction()
  private var writing = Direction()
  private var slot: Int?
  private var hungUp = false
  private var hangUpHandler: (@Sendable () -> Void)?

  /// Registers a non-blocking descriptor with a loop. On the loop only.
  package init(_ descriptor: CInt, on loop: EventLoop) throws(SystemError) {
    self.loop = loop
    self.descriptor = descriptor
    slot = try loop.add(self)
  }

  /// Whether the peer has closed its side, or the connection broke.
  package var hasHungUp: Bool { hungUp }

  /// Calls `handler` on the loop when the peer closes its side or the connection breaks; at most once.
  /// Nil takes the handler back.
  package func onHangUp(_ handler: (@Sendable () -> Void)?) {
    loop.preconditionOnLoop()
    hangUpHandler = handler
    if hungUp { callHangUpHandler() }
  }

  /// The last read found nothing more: the next wait for reading waits for the kernel.
  package func didDrain() {
    // What hung up stays readable: a read tells how it ended.
    if !hungUp { reading.isReady = false }
  }

  /// The last write could not take everything: the next wait for writing waits for the kernel.
  package func didFill() { writing.isReady = false }

  // The waits run in their caller's isolation, which must be on the loop.

  /// Waits until a read is worth a try; if `isShielded`, in a cancelled task, too.
  ///
  /// A shielded wait spares the books that Swift keeps of a cancellation handler: for a caller whose cancellation
  /// closes the watch.
  package func readable(
    until deadline: MonotonicInstant? = nil, isShielded: Bool = false
  ) async -> Wake {
    guard isShielded else { return await cancellableWait(.read, until: deadline) }
    if let wake = wakeAtOnce(.read) { return wake }
    // Leaves a cancellation of an earlier wait behind.
    reading.wait += 1
    return await unsafe withUnsafeContinuation { unsafe begin(.read, $0, until: deadline) }
  }

  /// Calls `handler` on the loop once a read is worth a try, the deadline has passed or the watch was closed; never from
  /// within this call, and once. It is a wait that costs no task: no other may wait to read meanwhile.
  package func onReadable(
    until deadline: MonotonicInstant, _ handler: @escaping @Sendable () -> Void
  ) {
    if wakeAtOnce(.read) != nil { return loop.execute(handler) }
    reading.handler = { [loop] in loop.execute(handler) }
    arm(.read, deadline)
  }

  /// Waits until a write is worth a try.
  package func writable(until deadline: MonotonicInstant? = nil) async -> Wake {
    await cancellableWait(.write, until: deadline)
  }

  /// Waits until a read or a write is worth a try; if `isShielded`, in a cancelled task, too.
  package func readableOrWritable(
    until deadline: MonotonicInstant? = nil, isShielded: Bool = false
  ) async -> Wake {
    if writing.isReady { return Task.isCancelled && !isShielded ? .cancelled : .ready }
    reading.endsWithEither = true
    defer { reading.endsWithEither = false }
    return await readable(until: deadline, isShielded: isShielded)
  }

  /// Whether the kernel has reported something to read since the last `didDrain`.
  package var isReadable: Bool { reading.isReady }

  /// The number of bytes that can be read from the socket at once.
  package var readableBytes: Int { Int(max(0, ctransom_readable_bytes(descriptor))) }

  /// The number of bytes that were taken from the socket so far; nil if that cannot be told: only TCP counts them.
  package var takenBytes: Int? {
    let count = ctransom_taken_bytes(descriptor)
    return count < 0 ? nil : Int(count)
  }

  /// Whether nothing has come from the peer, neither bytes nor its end: looks without taking anything.
  package var isQuiet: Bool { !hungUp && ctransom_is_quiet(descriptor) != 0 }

  /// Ends the registration; waits end with `.closed`. To be called before the descriptor is closed.
  package func close() {
    loop.preconditionOnLoop()
    guard let slot = exchange(&slot, with: nil) else { return }
    loop.remove(self, slot: slot)
    hangUpHandler = nil
    for side in [Side.read, .write] {
      if let timer = self[side].timer { loop.cancel(timer.id) }
      self[side].timer = nil
      self[side].end(.closed)
    }
  }

  func becameReady(_ readiness: Readiness) {
    if readiness.canRead {
      reading.isReady = true
      reading.end(.ready)
    }
    if readiness.canWrite {
      writing.isReady = true
      writing.end(.ready)
      if reading.endsWithEither { reading.end(.ready) }
    }
    if readiness.hungUp, !hungUp {
      hungUp = true
      callHangUpHandler()
    }
  }

  private func callHangUpHandler() {
    guard let handler = exchange(&hangUpHandler, with: nil) else { return }
    loop.execute(handler)
  }

  // MARK: Waiting

  private enum Side { case read, write }

  private subscript(side: Side) -> Direction {
    _read {
      switch side {
      case .read: yield reading
      case .write: yield writing
      }
    }
    _modify {
      switch side {
      case .read: yield &reading
      case .write: yield &writing
      }
    }
  }

  private func cancellableWait(
    _ side: Side, until deadline: MonotonicInstant?
  ) async -> Wake {
    if let wake = wakeAtOnce(side) { return wake == .ready && Task.isCancelled ? .cancelled : wake }
    self[side].wait += 1
    let wait = self[side].wait
    let isolation = #isolation
    return await withTaskCancellationHandler {
      await suspend(side, until: deadline, isolation)
    } onCancel: {
      // From any thread, and perhaps before the wait began: in a later turn it surely has.
      loop.execute { [self] in
        cancelled(side, wait)
      }
    }
  }

  /// `isolation` is the caller's. The handler's closure does not inherit it, and would run on the global executor.
  private func suspend(
    _ side: Side, until deadline: MonotonicInstant?, _ isolation: isolated (any Actor)?
  ) async -> Wake {
    await unsafe withUnsafeContinuation { unsafe begin(side, $0, until: deadline) }
  }

  /// Suspends the caller, unless something has come between its call and its continuation.
  private func begin(
    _ side: Side, _ continuation: UnsafeContinuation<Wake, Never>,
    until deadline: MonotonicInstant?
  ) {
    precondition(
      unsafe self[side].waiter == nil, "two tasks wait for one direction of a descriptor")
    if let wake = wakeAtOnce(side) {
      unsafe continuation.resume(returning: wake)
    } else if self[side].cancelledWait == self[side].wait {
      unsafe continuation.resume(returning: .cancelled)
    } else {
      unsafe self[side].waiter = continuation
      if let deadline { arm(side, deadline) }
    }
  }

  private func wakeAtOnce(_ side: Side) -> Wake? {
    loop.preconditionOnLoop()
    guard slot != nil else { return .closed }
    return self[side].isReady ? .ready : nil
  }

  private func cancelled(_ side: Side, _ wait: UInt64) {
    guard self[side].wait == wait else { return }
    self[side].cancelledWait = wait
    self[side].end(.cancelled)
  }

  private func arm(_ side: Side, _ deadline: MonotonicInstant) {
    self[side].deadline = deadline
    if let timer = self[side].timer {
      guard deadline < timer.at else { return }
      loop.cancel(timer.id)
    }
    let id = loop.schedule(at: deadline) { [weak self] in self?.timerFired(side) }
    self[side].timer = (deadline, id)
  }

  private func timerFired(_ side: Side) {
    self[side].timer = nil
    guard let deadline = self[side].deadline else { return }
    if deadline <= loop.now {
      self[side].end(.timedOut)
    } else {
      arm(side, deadline)
    }
  }
}
