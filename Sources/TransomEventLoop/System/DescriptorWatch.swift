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
    /// Grows with each wait, so that a late cancellation or timer meets its own wait only.
    var wait: UInt64 = 0
    /// The wait that was cancelled before its continuation was there.
    var cancelledWait: UInt64?
    var deadline: ContinuousClock.Instant?
    /// This wait ends when the other direction is ready, too.
    var endsWithEither = false
    /// The one timer of this direction. It is left alone when a wait ends and moved when it fires,
    /// so that a wait with a deadline costs nothing as long as it is in time.
    var timer: (at: ContinuousClock.Instant, id: EventLoop.TimerID)?

    mutating func end(_ wake: Wake) {
      deadline = nil
      unsafe exchange(&waiter, with: nil)?.resume(returning: wake)
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

  /// Waits until a read is worth a try; if `isShielded`, in a cancelled task, too.
  ///
  /// A shielded wait spares the books that Swift keeps of a cancellation handler: for a caller whose cancellation
  /// closes the watch.
  package func readable(
    until deadline: ContinuousClock.Instant? = nil, isShielded: Bool = false,
    isolation: isolated (any Actor)? = #isolation
  ) async -> Wake {
    await wait(.read, until: deadline, isShielded, isolation)
  }

  /// Waits until a write is worth a try.
  package func writable(
    until deadline: ContinuousClock.Instant? = nil,
    isolation: isolated (any Actor)? = #isolation
  ) async -> Wake {
    await wait(.write, until: deadline, false, isolation)
  }

  /// Waits until a read or a write is worth a try; if `isShielded`, in a cancelled task, too.
  package func readableOrWritable(
    until deadline: ContinuousClock.Instant? = nil, isShielded: Bool = false,
    isolation: isolated (any Actor)? = #isolation
  ) async -> Wake {
    if writing.isReady { return Task.isCancelled && !isShielded ? .cancelled : .ready }
    reading.endsWithEither = true
    defer { reading.endsWithEither = false }
    return await wait(.read, until: deadline, isShielded, isolation)
  }

  /// Whether the kernel has reported something to read since the last `didDrain`.
  package var isReadable: Bool { reading.isReady }

  /// The number of bytes that can be read from the socket at once.
  package var readableBytes: Int { Int(max(0, ctransom_readable_bytes(descriptor))) }

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

  private func wait(
    _ side: Side, until deadline: ContinuousClock.Instant?, _ isShielded: Bool,
    _ isolation: isolated (any Actor)?
  ) async -> Wake {
    loop.preconditionOnLoop()
    guard slot != nil else { return .closed }
    guard !self[side].isReady else {
      return Task.isCancelled && !isShielded ? .cancelled : .ready
    }
    self[side].wait += 1
    let wait = self[side].wait
    if isShielded { return await suspend(side, wait, deadline, isolation) }
    return await withTaskCancellationHandler {
      await suspend(side, wait, deadline, isolation)
    } onCancel: {
      // From any thread, and perhaps before the wait began: in a later turn it surely has.
      loop.execute { [self] in
        cancelled(side, wait)
      }
    }
  }

  /// `isolation` is passed on to here: without it the caller's closure would run on the global executor.
  private func suspend(
    _ side: Side, _ wait: UInt64, _ deadline: ContinuousClock.Instant?,
    _ isolation: isolated (any Actor)?
  ) async -> Wake {
    await unsafe withUnsafeContinuation { continuation in
      precondition(
        unsafe self[side].waiter == nil, "two tasks wait for one direction of a descriptor")
      if let wake = wakeAtOnce(side, wait) {
        unsafe continuation.resume(returning: wake)
        return
      }
      unsafe self[side].waiter = continuation
      if let deadline { arm(side, deadline) }
    }
  }

  /// What has come between the call and its continuation.
  private func wakeAtOnce(_ side: Side, _ wait: UInt64) -> Wake? {
    if slot == nil { return .closed }
    if self[side].cancelledWait == wait { return .cancelled }
    return self[side].isReady ? .ready : nil
  }

  private func cancelled(_ side: Side, _ wait: UInt64) {
    guard self[side].wait == wait else { return }
    self[side].cancelledWait = wait
    self[side].end(.cancelled)
  }

  private func arm(_ side: Side, _ deadline: ContinuousClock.Instant) {
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
