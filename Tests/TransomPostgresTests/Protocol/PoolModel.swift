import TestSupport
@testable import TransomPostgres

/// Does what a pool's shell would do, at random, and keeps books of its own in the simplest way.
struct PoolModel {
  private typealias ConnectionID = PoolStateMachine.ConnectionID
  private typealias WaiterID = PoolStateMachine.WaiterID

  private var random: SeededGenerator
  private let maximum: Int
  private var pool: PoolStateMachine
  private var now = Duration.zero
  private var idle: Set<Int> = []
  private var leased: Set<Int> = []
  private var waiting: [Int] = []
  private var connecting = 0
  private var made = 0
  /// When the shell asks again after a failure.
  private var timers: [Duration] = []
  /// What went wrong, in words.
  private(set) var problems: [String] = []

  init(seed: UInt64) {
    random = SeededGenerator(seed: seed)
    maximum = Int.random(in: 1...5, using: &random)
    pool = PoolStateMachine(.init(maximum: maximum))
  }

  mutating func step() {
    switch Int.random(in: 0..<12, using: &random) {
    case 0...3: somebodyComes()
    case 4:
      guard let waiter = waiting.randomElement(using: &random) else { break }
      check(pool.waiterLeft(WaiterID(number: waiter)), "a waiter could not leave")
      waiting.removeAll { $0 == waiter }
    case 5, 6: aLeaseEnds()
    case 7, 8: anAttemptEnds()
    case 9:
      guard let connection = idle.randomElement(using: &random) else { break }
      check(pool.idleLost(ConnectionID(number: connection)), "an idle connection was unknown")
      idle.remove(connection)
    case 10: theNeighbourActs()
    default: timePasses()
    }
    checkInvariants()
  }

  /// Everything comes back, then the pool shuts down.
  mutating func end() {
    let (close, refuse) = pool.shutDown()
    check(Set(close.map(\.number)) == idle, "closes other connections than the idle ones")
    check(refuse.map(\.number) == waiting, "refuses others than who waits")
    idle = []
    waiting = []
    while connecting > 0 { anAttemptEnds() }
    while !leased.isEmpty {
      check(!pool.isDrained, "drained while leases are out")
      aLeaseEnds()
    }
    check(pool.isDrained, "not drained although every lease is back")
  }

  private mutating func somebodyComes() {
    if let connection = pool.leaseIdle() {
      check(idle.remove(connection.number) != nil, "leased what was not idle")
      leased.insert(connection.number)
      return
    }
    check(idle.isEmpty, "found nothing idle although there was")
    made += 1
    waiting.append(made)
    switch pool.waiterCame(WaiterID(number: made), at: now) {
    case .wait(let connect): if connect { connecting += 1 }
    case .refused: check(false, "refused before the shutdown")
    }
  }

  private mutating func aLeaseEnds() {
    guard let connection = leased.randomElement(using: &random) else { return }
    leased.remove(connection)
    let isReusable = Int.random(in: 0..<4, using: &random) > 0
    let placement = pool.released(
      ConnectionID(number: connection), isReusable: isReusable, at: now)
    if case .close = placement { check(!isReusable || pool.isShutDown, "closed a good one") }
    place(connection, placement)
  }

  private mutating func anAttemptEnds() {
    guard connecting > 0 else { return }
    connecting -= 1
    if Bool.random(using: &random) {
      made += 1
      place(made, pool.connected(ConnectionID(number: made)))
    } else {
      let retry = pool.connectFailed(at: now, jitter: .random(in: 0...1, using: &random))
      check(retry > now, "asks again at once")
      timers.append(retry)
    }
    connectMore()
  }

  private mutating func place(_ connection: Int, _ placement: PoolStateMachine.Placement) {
    switch placement {
    case .grant(let waiter):
      check(waiter.number == waiting.first, "served out of order")
      if !waiting.isEmpty { waiting.removeFirst() }
      leased.insert(connection)
    case .park:
      check(waiting.isEmpty, "parked while somebody waits")
      idle.insert(connection)
    case .close(let connect):
      if connect { connecting += 1 }
    }
  }

  private mutating func theNeighbourActs() {
    if Bool.random(using: &random) {
      check(pool.neighbourLent()?.number == waiting.first, "lent to somebody else")
      if !waiting.isEmpty { waiting.removeFirst() }
    } else if pool.beginConnectingForNeighbour() {
      connecting += 1
    }
  }

  private mutating func timePasses() {
    now += .milliseconds(Int.random(in: 1...2_000, using: &random))
    let due = timers.filter { $0 <= now }.count
    timers.removeAll { $0 <= now }
    for _ in 0..<due { connectMore() }
  }

  private mutating func connectMore() {
    while pool.beginConnecting(at: now) { connecting += 1 }
  }

  private mutating func checkInvariants() {
    check(pool.idleCount == idle.count, "idle \(pool.idleCount), not \(idle.count)")
    check(pool.openCount == idle.count + leased.count, "open \(pool.openCount)")
    check(pool.connectingCount == connecting, "connecting \(pool.connectingCount)")
    check(pool.waiterCount == waiting.count, "waiting \(pool.waiterCount)")
    check(pool.openCount + connecting <= maximum, "more than \(maximum)")
    check(idle.isEmpty || waiting.isEmpty, "somebody waits while a connection is idle")
    check(
      waiting.isEmpty || !leased.isEmpty || connecting > 0 || timers.contains { $0 > now },
      "waits for nothing")
  }

  private mutating func check(_ holds: Bool, _ problem: String) {
    if !holds { problems.append(problem) }
  }
}
