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
public enum Wake: Equatable, Sendable {
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
public final class DescriptorWatch: @unchecked Sendable {
  /// Where it waits.
  public let loop: EventLoop
  package let descriptor: CInt

  @safe
  private struct Direction {
    var isReady = true
    var waiter: UnsafeContinuation<Wake, Never>?
    /// Whether who waits is isolated to an actor of the loop.
    var isIsolated = false
    /// In place of a task that waits.
    var handler: (@Sendable () -> Void)?
    /// Grows with each wait, so that a late cancellation or timer meets its own wait only.
    var wait: UInt64 = 0
    /// The wait that was cancelled before its continuation was there; 0: none, as they are counted from 1.
    var cancelledWait: UInt64 = 0
    var deadline: MonotonicInstant?
    /// This wait ends when the other direction is ready, too.
    var endsWithEither = false
    /// The one timer of this direction. It is left alone when a wait ends and moved when it fires,
    /// so that a wait with a deadline costs nothing as long as it is in time.
    var timer: (at: MonotonicInstant, id: EventLoop.TimerID)?

    mutating func end(_ wake: Wake, on loop: EventLoop) {
      deadline = nil
      endsWithEither = false
      if let waiter = unsafe exchange(&waiter, with: nil) {
        unsafe loop.resume(waiter, returning: wake, isIsolated: isIsolated)
      }
      exchange(&handler, with: nil)?()
    }
  }

  /// By `Side`. A subscript of our own with two stored properties would put its frame on the heap each time.
  private var directions: InlineArray<2, Direction> = [Direction(), Direction()]
  private var slot: Int?
  private let alwaysReportsOutput: Bool
  /// Whether the kernel is asked to report when a write is worth a try.
  private var asksForOutput: Bool
  private var hungUp = false
  private var hangUpHandler: (@Sendable () -> Void)?

  /// Registers a non-blocking descriptor with a loop. On the loop only.
  ///
  /// That a write is worth a try is asked for after `didFill` only, unless `alwaysReportsOutput`: on a Unix-domain socket
  /// it is news each time the peer has read, and wakes the loop for nothing.
  package init(
    _ descriptor: CInt, on loop: EventLoop, alwaysReportsOutput: Bool = false
  ) throws(SystemError) {
    self.loop = loop
    self.descriptor = descriptor
    self.alwaysReportsOutput = alwaysReportsOutput
    asksForOutput = alwaysReportsOutput
    slot = try loop.add(self, reportsOutput: alwaysReportsOutput)
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
    if !hungUp { directions[Side.read].isReady = false }
  }

  /// The last write could not take everything: the next wait for writing waits for the kernel.
  package func didFill() {
    directions[Side.write].isReady = false
    askForOutput(true)
  }

  private func askForOutput(_ value: Bool) {
    guard let slot, value != asksForOutput, !alwaysReportsOutput else { return }
    asksForOutput = value
    // Nobody would tell: the next write finds out by itself.
    if !loop.modify(self, slot: slot, reportsOutput: value), value {
      directions[Side.write].isReady = true
    }
  }

  // The waits run in their caller's isolation, which must be on the loop.

  /// Waits until a read is worth a try; if `isShielded`, in a cancelled task, too.
  ///
  /// A shielded wait spares the books that Swift keeps of a cancellation handler: for a caller whose cancellation
  /// closes the watch. It becomes a part of its caller, as each asynchronous call has a frame and a look at the executor.
  @inlinable
  @inline(__always)
  public func readable(
    until deadline: MonotonicInstant? = nil, isShielded: Bool = false
  ) async -> Wake {
    guard isShielded else { return await cancellableReadable(until: deadline) }
    if let wake = wakeBeforeRead() { return wake }
    let isolation = #isolation
    let isIsolated = loop.isExecutor(of: isolation)
    return await unsafe withUnsafeContinuation {
      unsafe suspendReader($0, until: deadline, isIsolated: isIsolated)
    }
  }

  /// Waits until a read is worth a try, or the task is cancelled.
  public func cancellableReadable(until deadline: MonotonicInstant?) async -> Wake {
    await cancellableWait(Side.read, until: deadline)
  }

  /// How a shielded wait ends that need not begin.
  public func wakeBeforeRead() -> Wake? {
    if let wake = wakeAtOnce(Side.read) { return wake }
    // Leaves a cancellation of an earlier wait behind.
    directions[Side.read].wait += 1
    return nil
  }

  /// Keeps who waits to read; `isIsolated`: to an actor of the loop.
  public func suspendReader(
    _ reader: UnsafeContinuation<Wake, Never>, until deadline: MonotonicInstant?, isIsolated: Bool
  ) {
    directions[Side.read].isIsolated = isIsolated
    unsafe begin(Side.read, reader, until: deadline)
  }

  /// Calls `handler` on the loop once a read is worth a try, the deadline has passed or the watch was closed; never from
  /// within this call, and once. It is a wait that costs no task: no other may wait to read meanwhile.
  package func onReadable(
    until deadline: MonotonicInstant, _ handler: @escaping @Sendable () -> Void
  ) {
    if wakeAtOnce(Side.read) != nil { return loop.execute(handler) }
    directions[Side.read].handler = { [loop] in loop.execute(handler) }
    arm(Side.read, deadline)
  }

  /// Waits until a write is worth a try.
  package func writable(until deadline: MonotonicInstant? = nil) async -> Wake {
    await cancellableWait(Side.write, until: deadline)
  }

  /// Ends the wait for a write, if there is one, with `.cancelled`.
  package func stopWaitingToWrite() {
    loop.preconditionOnLoop()
    directions[Side.write].end(.cancelled, on: loop)
  }

  /// Waits until a read or a write is worth a try; if `isShielded`, in a cancelled task, too.
  package func readableOrWritable(
    until deadline: MonotonicInstant? = nil, isShielded: Bool = false
  ) async -> Wake {
    if directions[Side.write].isReady {
      return Task.isCancelled && !isShielded ? .cancelled : .ready
    }
    // That is over when the wait is: behind it the task may be elsewhere.
    directions[Side.read].endsWithEither = !directions[Side.read].isReady
    return await readable(until: deadline, isShielded: isShielded)
  }

  /// Whether the kernel has reported something to read since the last `didDrain`.
  package var isReadable: Bool { directions[Side.read].isReady }

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
    for side in directions.indices {
      if let timer = directions[side].timer { loop.cancel(timer.id) }
      directions[side].timer = nil
      directions[side].end(.closed, on: loop)
    }
  }

  func becameReady(_ readiness: Readiness) {
    if readiness.canRead {
      directions[Side.read].isReady = true
      directions[Side.read].end(.ready, on: loop)
    }
    if readiness.canWrite {
      askForOutput(false)
      directions[Side.write].isReady = true
      directions[Side.write].end(.ready, on: loop)
      if directions[Side.read].endsWithEither { directions[Side.read].end(.ready, on: loop) }
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

  private enum Side {
    static let read = 0
    static let write = 1
  }

  private func cancellableWait(
    _ side: Int, until deadline: MonotonicInstant?
  ) async -> Wake {
    if let wake = wakeAtOnce(side) { return wake == .ready && Task.isCancelled ? .cancelled : wake }
    directions[side].wait += 1
    let wait = directions[side].wait
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
    _ side: Int, until deadline: MonotonicInstant?, _ isolation: isolated (any Actor)?
  ) async -> Wake {
    directions[side].isIsolated = loop.isExecutor(of: isolation)
    return await unsafe withUnsafeContinuation { unsafe begin(side, $0, until: deadline) }
  }

  /// Suspends the caller, unless something has come between its call and its continuation.
  private func begin(
    _ side: Int, _ continuation: UnsafeContinuation<Wake, Never>,
    until deadline: MonotonicInstant?
  ) {
    precondition(
      unsafe directions[side].waiter == nil, "two tasks wait for one direction of a descriptor")
    if let wake = wakeAtOnce(side) {
      directions[side].endsWithEither = false
      unsafe continuation.resume(returning: wake)
    } else if directions[side].cancelledWait == directions[side].wait {
      directions[side].endsWithEither = false
      unsafe continuation.resume(returning: .cancelled)
    } else {
      unsafe directions[side].waiter = continuation
      if let deadline { arm(side, deadline) }
    }
  }

  private func wakeAtOnce(_ side: Int) -> Wake? {
    loop.preconditionOnLoop()
    guard slot != nil else { return .closed }
    return directions[side].isReady ? .ready : nil
  }

  private func cancelled(_ side: Int, _ wait: UInt64) {
    guard directions[side].wait == wait else { return }
    directions[side].cancelledWait = wait
    directions[side].end(.cancelled, on: loop)
  }

  private func arm(_ side: Int, _ deadline: MonotonicInstant) {
    directions[side].deadline = deadline
    if let timer = directions[side].timer {
      guard deadline < timer.at else { return }
      loop.cancel(timer.id)
    }
    let id = loop.schedule(at: deadline) { [weak self] in self?.timerFired(side) }
    directions[side].timer = (deadline, id)
  }

  private func timerFired(_ side: Int) {
    directions[side].timer = nil
    guard let deadline = directions[side].deadline else { return }
    if deadline <= loop.now {
      directions[side].end(.timedOut, on: loop)
    } else {
      arm(side, deadline)
    }
  }
}
