internal import CTransomLinux
internal import DequeModule
internal import Synchronization

/// One thread, one epoll instance: a serial and task executor that also waits for descriptors and timers.
///
/// An actor whose `unownedExecutor` is a loop runs on the loop's thread, and so do the descriptors that
/// it waits for: a wait that ends continues on the same thread, with no lock and no hop. Descriptors are
/// registered once, edge-triggered (epoll(7)): there is no system call for a wait but `epoll_wait`.
///
/// A task that lives on a loop is to prefer it (`executorPreference: loop`). A continuation resumes its task on the
/// generic executor first, and only the preference makes that the loop; without it each wait costs two hops.
///
/// `@unchecked Sendable`: everything but `thread`, `remote`, `hasRemote`, `isAsleep`, `isStopping` and `stopped` is
/// touched on the loop's own thread only (each such method checks that), and those six are thread-safe.
@safe
public final class EventLoop: SerialExecutor, TaskExecutor, @unchecked Sendable {
  package typealias TimerID = TimerQueue<@Sendable () -> Void>.TimerID

  private enum Work {
    /// A part of a task that is isolated to an actor of the loop.
    case job(UnownedJob)
    /// A part of a task that prefers the loop, and is isolated to nothing.
    case free(UnownedJob)
    case call(@Sendable () -> Void)
  }

  private struct Remote {
    var work: [Work] = []
    var hasStopped = false
  }

  /// Events taken from the kernel at once.
  private static let eventCapacity = 256
  /// Jobs run before the kernel is asked for events again, so that a busy task cannot starve sockets.
  private static let jobsPerTurn = 512

  package let name: String

  private let epoll: FileDescriptor
  private let wakeUp: FileDescriptor
  private let events: UnsafeMutablePointer<epoll_event>
  /// The loop's thread while it has one: nothing else may be taken for it, and the system gives an ended thread's
  /// identity to others.
  private let thread = Atomic<pthread_t>(0)

  private var work = Deque<Work>()
  /// Who waits for the next turn.
  private var waiters: [CheckedContinuation<Void, Never>] = []
  private var timers = TimerQueue<@Sendable () -> Void>()
  private var watches: [DescriptorWatch?] = []
  private var freeWatches: [Int] = []
  private var turnBegan = MonotonicInstant.now
  /// While a task is resumed that is isolated to an actor of the loop.
  private var resumesIsolated = false

  private let remote = Mutex(Remote())
  private let hasRemote = Atomic(false)
  private let isAsleep = Atomic(false)
  private let isStopping = Atomic(false)
  private let stopped = Mutex<[CheckedContinuation<Void, Never>]>([])

  /// Starts a loop and its thread.
  package init(name: String) throws(SystemError) {
    self.name = name
    let epoll = epoll_create1(Int32(EPOLL_CLOEXEC))
    guard epoll >= 0 else { throw .last("epoll_create1") }
    self.epoll = FileDescriptor(adopting: epoll)
    let wakeUp = eventfd(0, Int32(EFD_CLOEXEC | EFD_NONBLOCK))
    guard wakeUp >= 0 else { throw .last("eventfd") }
    self.wakeUp = FileDescriptor(adopting: wakeUp)
    unsafe events = .allocate(capacity: Self.eventCapacity)
    guard ctransom_epoll_add(epoll, wakeUp, EPOLLIN.rawValue, UInt64.max) == 0 else {
      throw .last("epoll_ctl")
    }
    try startThread()
  }

  deinit {
    unsafe events.deallocate()
  }

  /// When the turn that runs now began: read once a turn, so that many readers cost nothing.
  package var now: MonotonicInstant {
    preconditionOnLoop()
    return turnBegan
  }

  /// Whether the caller runs on this loop's thread.
  package var isCurrent: Bool { thread.load(ordering: .relaxed) == pthread_self() }

  /// Stops the process if the caller runs elsewhere.
  public func preconditionOnLoop() {
    precondition(isCurrent, "used from another thread than its event loop's")
  }

  // MARK: Executor

  /// Runs a part of a task that is isolated to an actor of the loop, soon. From any thread.
  public func enqueue(_ job: consuming ExecutorJob) { enqueue(.job(UnownedJob(job))) }

  /// The same for a task that prefers the loop. If it were run as an actor's, it would come back here for each call of a
  /// function that is isolated to nothing.
  @_implements(TaskExecutor,enqueue(_:))
  public func enqueueFree(_ job: consuming ExecutorJob) {
    let job = UnownedJob(job)
    enqueue(isCurrent && resumesIsolated ? .job(job) : .free(job))
  }

  /// Resumes a task that waits on the loop, on the loop. One that is isolated to an actor of the loop goes on as that, and does
  /// not come back here to become it.
  func resume<Value: Sendable>(
    _ continuation: UnsafeContinuation<Value, Never>, returning value: Value, isIsolated: Bool
  ) {
    preconditionOnLoop()
    resumesIsolated = isIsolated
    unsafe continuation.resume(returning: value)
    resumesIsolated = false
  }

  private func enqueue(_ item: Work) {
    if isCurrent {
      work.append(item)
    } else {
      enqueueRemotely(item)
    }
  }

  /// Calls `body` on the loop's thread, soon, never at once. From any thread.
  package func execute(_ body: @escaping @Sendable () -> Void) {
    enqueue(.call(body))
  }

  /// What an actor that lives on this loop returns as its `unownedExecutor`.
  ///
  /// Safe: an actor holds its loop, so that the reference never outlives it.
  @safe package var executor: UnownedSerialExecutor { unsafe asUnownedSerialExecutor() }

  /// Whether the actor runs on this loop because it says so, and not for as long as its task prefers the loop.
  ///
  /// Safe: a reference to an executor is two words, the first of which tells who it is.
  public func isExecutor(of actor: (any Actor)?) -> Bool {
    guard let actor else { return false }
    let words = unsafe unsafeBitCast(actor.unownedExecutor, to: (UInt, UInt).self)
    return unsafe words.0 == UInt(bitPattern: Unmanaged.passUnretained(self).toOpaque())
  }

  /// Calls `body` on the loop's thread and waits for what it returns. From any thread.
  package func run<Value: Sendable, Failure: Error>(
    _ body: @escaping @Sendable () throws(Failure) -> Value
  ) async throws(Failure) -> Value {
    let result = await withCheckedContinuation {
      (continuation: CheckedContinuation<Result<Value, Failure>, Never>) in
      execute {
        continuation.resume(returning: Result { () throws(Failure) in try body() })
      }
    }
    return try result.get()
  }

  /// Stops the process if the caller runs elsewhere.
  public func checkIsolated() { preconditionOnLoop() }

  /// Whether the caller runs on this loop's thread.
  public func isIsolatingCurrentContext() -> Bool? { isCurrent }

  /// Lets everything else on the loop have its turn first, sockets and timers included. On the loop only.
  ///
  /// `Task.yield` lets only other work pass that is there already: a task that yields and finds itself alone goes on at
  /// once, and the kernel is not asked for events until much later.
  package func nextTurn() async {
    await withCheckedContinuation { continuation in
      preconditionOnLoop()
      waiters.append(continuation)
    }
  }

  private func enqueueRemotely(_ item: Work) {
    let wasStopped = remote.withLock { remote in
      remote.work.append(item)
      return exchange(&remote.hasStopped, with: false)
    }
    hasRemote.store(true, ordering: .sequentiallyConsistent)
    // A task that ends late must not be lost: the thread comes back for it, and stops again.
    if wasStopped, (try? startThread()) == nil {
      preconditionFailure("no thread for late work of event loop \(name)")
    }
    // The loop says that it sleeps before it looks for remote work, so one of both sees the other.
    if isAsleep.exchange(false, ordering: .sequentiallyConsistent) { signal() }
  }

  private func signal() {
    var one: UInt64 = 1
    _ = unsafe CTransomLinux.write(wakeUp.rawValue, &one, 8)
  }

  // MARK: Timers

  /// Calls `body` on the loop once `deadline` has passed. On the loop only.
  package func schedule(
    at deadline: MonotonicInstant, _ body: @escaping @Sendable () -> Void
  ) -> TimerID {
    preconditionOnLoop()
    return timers.insert(at: deadline, body)
  }

  /// Forgets a timer; does nothing if it has fired. On the loop only.
  package func cancel(_ timer: TimerID) {
    preconditionOnLoop()
    timers.remove(timer)
  }

  // MARK: Descriptors

  /// Registers a non-blocking descriptor, edge-triggered.
  func add(_ watch: DescriptorWatch, reportsOutput: Bool) throws(SystemError) -> Int {
    preconditionOnLoop()
    let slot = freeWatches.popLast() ?? watches.count
    if slot == watches.count { watches.append(nil) }
    let interest = Self.interest(reportsOutput)
    guard ctransom_epoll_add(epoll.rawValue, watch.descriptor, interest, UInt64(slot)) == 0 else {
      freeWatches.append(slot)
      throw .last("epoll_ctl")
    }
    watches[slot] = watch
    return slot
  }

  private static func interest(_ reportsOutput: Bool) -> UInt32 {
    EPOLLIN.rawValue | EPOLLRDHUP.rawValue | EPOLLET.rawValue
      | (reportsOutput ? EPOLLOUT.rawValue : 0)
  }

  /// Changes what is reported of a descriptor, and has it all reported that holds now. False: it could not be changed.
  func modify(_ watch: DescriptorWatch, slot: Int, reportsOutput: Bool) -> Bool {
    preconditionOnLoop()
    return ctransom_epoll_modify(
      epoll.rawValue, watch.descriptor, Self.interest(reportsOutput), UInt64(slot)) == 0
  }

  /// Ends a registration. Its slot is used again only in a later turn: events of this turn that were
  /// taken from the kernel before must not reach another descriptor.
  func remove(_ watch: DescriptorWatch, slot: Int) {
    preconditionOnLoop()
    _ = ctransom_epoll_remove(epoll.rawValue, watch.descriptor)
    watches[slot] = nil
    work.append(.call { [self] in freeWatches.append(slot) })
  }

  // MARK: The loop

  private func run() {
    while true {
      runWork()
      // Before it sleeps: whoever asked it to stop while there was work does not wake it again.
      if isStopping.load(ordering: .sequentiallyConsistent), !hasWork, tryStop() { return }
      let count = waitForEvents()
      turnBegan = .now
      takeRemoteWork()
      for index in 0..<count {
        let token = unsafe ctransom_epoll_token(events + index)
        guard token != UInt64.max else {
          drainWakeUp()
          continue
        }
        let watch = watches[Int(token)]
        watch?.becameReady(Readiness(epoll: unsafe events[index].events))
      }
      fireTimers()
      for waiter in exchange(&waiters, with: []) { waiter.resume() }
    }
  }

  private var hasWork: Bool { !work.isEmpty || !waiters.isEmpty }

  /// Timers that are made meanwhile wait for the next turn, so that they cannot starve sockets.
  private func fireTimers() {
    var left = timers.count
    while left > 0, let body = timers.popDue(at: turnBegan) {
      left -= 1
      body()
    }
  }

  private func runWork() {
    var left = Self.jobsPerTurn
    while left > 0, let item = work.popFirst() {
      left -= 1
      switch item {
      case .job(let job):
        unsafe job.runSynchronously(
          isolatedTo: asUnownedSerialExecutor(), taskExecutor: asUnownedTaskExecutor())
      case .free(let job):
        unsafe job.runSynchronously(on: asUnownedTaskExecutor())
      case .call(let body):
        body()
      }
    }
  }

  /// Waits for events, until the next timer is due; does not wait while there is work.
  private func waitForEvents() -> Int {
    var timeout: CInt = 0
    if !hasWork {
      isAsleep.store(true, ordering: .sequentiallyConsistent)
      if !hasRemote.load(ordering: .sequentiallyConsistent) { timeout = millisecondsToNextTimer() }
    }
    let count = unsafe epoll_wait(epoll.rawValue, events, CInt(Self.eventCapacity), timeout)
    if !hasWork { isAsleep.store(false, ordering: .sequentiallyConsistent) }
    // A loop that cannot wait cannot go on; being interrupted by a signal is no failure.
    precondition(count >= 0 || SystemError.currentErrno == EINTR, "epoll_wait failed")
    return max(0, Int(count))
  }

  private func millisecondsToNextTimer() -> CInt {
    guard let deadline = timers.nextDeadline() else { return -1 }
    let left = deadline - .now
    // Rounded up, so that the loop does not spin before a timer is due.
    return left <= .zero
      ? 0 : CInt(clamping: left.milliseconds.addingReportingOverflow(1).partialValue)
  }

  private func takeRemoteWork() {
    guard hasRemote.load(ordering: .sequentiallyConsistent) else { return }
    let taken = remote.withLock { remote in
      hasRemote.store(false, ordering: .sequentiallyConsistent)
      return exchange(&remote.work, with: [])
    }
    work.append(contentsOf: taken)
  }

  private func drainWakeUp() {
    var value: UInt64 = 0
    _ = unsafe CTransomLinux.read(wakeUp.rawValue, &value, 8)
  }

  // MARK: Start and stop

  private func startThread() throws(SystemError) {
    // The thread begins with the lock held by us, so that it sees its own identity.
    let code = remote.withLock { _ -> CInt in
      var thread = pthread_t()
      let context = unsafe Unmanaged.passRetained(self).toOpaque()
      let code = unsafe pthread_create(
        &thread, nil,
        { context in
          guard let context = unsafe context else { return nil }
          let loop = unsafe Unmanaged<EventLoop>.fromOpaque(context).takeRetainedValue()
          loop.remote.withLock { _ in }
          loop.run()
          return nil
        }, context)
      if code == 0 {
        self.thread.store(thread, ordering: .relaxed)
        unsafe pthread_setname_np(thread, name)
        pthread_detach(thread)
      } else {
        unsafe Unmanaged<EventLoop>.fromOpaque(context).release()
      }
      return code
    }
    guard code == 0 else { throw SystemError(call: "pthread_create", errno: code) }
  }

  private func tryStop() -> Bool {
    let stops = remote.withLock { remote in
      guard remote.work.isEmpty else { return false }
      remote.hasStopped = true
      // What the waiters below enqueue here is late work, which needs a new thread.
      thread.store(0, ordering: .relaxed)
      return true
    }
    guard stops else { return false }
    for waiter in stopped.withLock({ exchange(&$0, with: []) }) { waiter.resume() }
    return true
  }

  /// Ends the thread after the work that is there. Whatever lived on the loop must be closed before.
  package func shutdown() async {
    isStopping.store(true, ordering: .sequentiallyConsistent)
    await withCheckedContinuation { continuation in
      let hasStopped = remote.withLock { remote in
        if !remote.hasStopped { stopped.withLock { $0.append(continuation) } }
        return remote.hasStopped
      }
      if hasStopped { continuation.resume() } else { signal() }
    }
  }
}
