import Synchronization
import TestSupport
import Testing
import TransomEventLoop

/// Anything that lives on a loop.
private actor Resident {
  let loop: EventLoop
  nonisolated var unownedExecutor: UnownedSerialExecutor { loop.executor }
  private var values: [Int] = []

  init(on loop: EventLoop) { self.loop = loop }

  func append(_ value: Int) -> Bool {
    values.append(value)
    return loop.isCurrent
  }

  func count() -> Int { values.count }

  /// Ends the loop that it lives on, and goes on.
  func shutDown(_ group: EventLoopGroup) async -> Bool {
    await group.shutdown()
    return loop.isCurrent
  }

  /// Makes a timer that is due at once, whose end makes the next, until `isOver`.
  func chainTimers(until isOver: Flag) {
    _ = loop.schedule(at: loop.now) { [self] in
      guard !isOver.isSet else { return }
      assumeIsolated { $0.chainTimers(until: isOver) }
    }
  }

  /// Calls something on a neighbour, from this loop's thread.
  func append(_ value: Int, to neighbour: Resident) async -> Bool { await neighbour.append(value) }

  /// The order in which timers fire, and whether they fired on the loop.
  func fire(_ delays: [Duration]) async -> [Int] {
    let order = Order()
    await withCheckedContinuation { continuation in
      for (index, delay) in delays.enumerated() {
        _ = loop.schedule(at: .now + delay) {
          if order.append(index) == delays.count { continuation.resume() }
        }
      }
    }
    return order.indices
  }

  /// Whether a timer that is due has fired, and the loop been asked for events, after each of so many turns.
  func timersFire(inTurns count: Int) async -> Bool {
    for _ in 0..<count {
      let hasFired = Flag()
      _ = loop.schedule(at: loop.now) { hasFired.set() }
      await loop.nextTurn()
      guard hasFired.isSet, loop.isCurrent else { return false }
    }
    return true
  }

  func cancelTimer() async -> [Int] {
    let order = Order()
    let cancelled = loop.schedule(at: .now + .milliseconds(1)) { _ = order.append(1) }
    loop.cancel(cancelled)
    await withCheckedContinuation { continuation in
      _ = loop.schedule(at: .now + .milliseconds(5)) {
        _ = order.append(2)
        continuation.resume()
      }
    }
    return order.indices
  }
}

private final class Flag: Sendable {
  private let storage = Atomic(false)
  var isSet: Bool { storage.load(ordering: .sequentiallyConsistent) }
  func set() { storage.store(true, ordering: .sequentiallyConsistent) }
}

private final class Count: Sendable {
  private let storage = Atomic(0)
  var value: Int { storage.load(ordering: .sequentiallyConsistent) }
  func add() { storage.add(1, ordering: .sequentiallyConsistent) }
}

private final class Order: Sendable {
  private let storage = Mutex<[Int]>([])
  var indices: [Int] { storage.withLock { $0 } }
  func append(_ index: Int) -> Int {
    storage.withLock {
      $0.append(index)
      return $0.count
    }
  }
}

struct EventLoopTests {
  @Test func `an actor that is pinned to a loop runs on its thread`() async throws {
    let group = try EventLoopGroup(count: 2)
    for loop in group.loops {
      let resident = Resident(on: loop)
      #expect(await resident.append(1))
      #expect(!loop.isCurrent)
    }
    await group.shutdown()
  }

  @Test func `calls from many threads all arrive`() async throws {
    let group = try EventLoopGroup(count: 2)
    let residents = group.loops.map { Resident(on: $0) }
    await withTaskGroup { tasks in
      for number in 0..<2_000 {
        tasks.addTask { _ = await residents[number % 2].append(number) }
      }
    }
    for resident in residents { #expect(await resident.count() == 1_000) }
    await group.shutdown()
  }

  @Test func `a task that prefers a loop runs on it, between awaits too`() async throws {
    let group = try EventLoopGroup(count: 1)
    let loop = group.loops[0]
    let onLoop = await Task(executorPreference: loop) {
      let before = loop.isCurrent
      await Task.yield()
      return [before, loop.isCurrent]
    }.value
    #expect(onLoop == [true, true])
    await group.shutdown()
  }

  @Test func `timers fire in the order of their deadlines, not of their making`() async throws {
    let group = try EventLoopGroup(count: 1)
    let resident = Resident(on: group.loops[0])
    #expect(
      await resident.fire([.milliseconds(9), .milliseconds(3), .zero, .milliseconds(6)]) == [
        2, 1, 3, 0,
      ])
    await group.shutdown()
  }

  @Test func `a timer that was cancelled does not fire`() async throws {
    let group = try EventLoopGroup(count: 1)
    #expect(await Resident(on: group.loops[0]).cancelTimer() == [2])
    await group.shutdown()
  }

  @Test func `timers that make timers do not keep other work from the loop`() async throws {
    let group = try EventLoopGroup(count: 1)
    let isOver = Flag()
    await Resident(on: group.loops[0]).chainTimers(until: isOver)
    await group.loops[0].run { isOver.set() }
    #expect(isOver.isSet)
    await group.shutdown()
  }

  @Test
  func
    `whoever waits for the next turn lets timers and events pass, though nothing else is to be done`()
    async throws
  {
    let group = try EventLoopGroup(count: 1)
    #expect(await Resident(on: group.loops[0]).timersFire(inTurns: 100))
    await group.shutdown()
  }

  @Test func `a task that shuts its own loop down goes on`() async throws {
    for _ in 0..<20 {
      let group = try EventLoopGroup(count: 2)
      #expect(await Resident(on: group.loops[0]).shutDown(group))
    }
  }

  @Test func `work for a loop that has ended is done, by whatever thread it comes from`()
    async throws
  {
    // The thread of a new loop often gets the identity of the one that has just ended.
    for _ in 0..<50 {
      let old = try EventLoopGroup(count: 1)
      let late = Resident(on: old.loops[0])
      #expect(await late.append(1))
      await old.shutdown()
      let new = try EventLoopGroup(count: 1)
      #expect(await Resident(on: new.loops[0]).append(2, to: late))
      #expect(await late.count() == 2)
      await new.shutdown()
    }
  }

  @Test func `a loop that is asked to stop while it has work stops after it`() async throws {
    for _ in 0..<200 {
      let group = try EventLoopGroup(count: 1)
      let loop = group.loops[0]
      let count = Count()
      await withTaskGroup { tasks in
        // Work that makes work, so that the loop is never without any when it is woken.
        for _ in 0..<4 {
          tasks.addTask { loop.execute { loop.execute { loop.execute { count.add() } } } }
        }
        tasks.addTask { await group.shutdown() }
      }
      await group.shutdown()
      try await eventually("all work is done") { count.value == 4 }
    }
  }

  @Test func `shutdown can be asked for by many at once, and again`() async throws {
    let group = try EventLoopGroup(count: 2)
    await withTaskGroup { tasks in
      for _ in 0..<20 { tasks.addTask { await group.shutdown() } }
    }
    await group.shutdown()
  }
}
