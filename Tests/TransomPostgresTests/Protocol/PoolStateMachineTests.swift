import Testing

@testable import TransomPostgres

struct PoolStateMachineTests {
  typealias ConnectionID = PoolStateMachine.ConnectionID
  typealias WaiterID = PoolStateMachine.WaiterID
  private let start = Duration.zero

  private func machine(maximum: Int) -> PoolStateMachine {
    PoolStateMachine(.init(maximum: maximum))
  }

  @Test func `a waiter makes the pool connect, gets the connection, and leaves it for the next`() {
    var pool = machine(maximum: 2)
    #expect(pool.leaseIdle() == nil)
    #expect(pool.waiterCame(.init(number: 1), at: start) == .wait(connect: true))
    #expect(pool.connectingCount == 1)
    #expect(pool.connected(.init(number: 10)) == .grant(to: .init(number: 1)))
    #expect(pool.released(.init(number: 10), isReusable: true, at: start) == .park)
    #expect(pool.leaseIdle() == .init(number: 10))
  }

  @Test func `no more connections are made than there are waiters, nor than allowed`() {
    var pool = machine(maximum: 2)
    let connects = (1...4).map { pool.waiterCame(.init(number: $0), at: start) }
    #expect(
      connects == [
        .wait(connect: true), .wait(connect: true), .wait(connect: false), .wait(connect: false),
      ])
    #expect(!pool.hasRoom)
    #expect(pool.beginConnecting(at: start) == false)
    #expect(pool.beginConnectingForNeighbour() == false)
  }

  @Test func `waiters are served in the order in which they came, whoever leaves meanwhile`() {
    var pool = machine(maximum: 1)
    for number in 1...4 { _ = pool.waiterCame(.init(number: number), at: start) }
    #expect(pool.waiterLeft(.init(number: 2)) == true)
    #expect(pool.waiterLeft(.init(number: 2)) == false)
    #expect(pool.connected(.init(number: 9)) == .grant(to: .init(number: 1)))
    #expect(pool.waiterLeft(.init(number: 1)) == false)
    #expect(
      pool.released(.init(number: 9), isReusable: true, at: start) == .grant(to: .init(number: 3)))
    #expect(pool.neighbourLent() == .init(number: 4))
    #expect(pool.neighbourLent() == nil)
  }

  @Test func `a connection that cannot be used again is replaced if somebody waits`() {
    var pool = machine(maximum: 1)
    _ = pool.waiterCame(.init(number: 1), at: start)
    _ = pool.connected(.init(number: 9))
    #expect(pool.waiterCame(.init(number: 2), at: start) == .wait(connect: false))
    #expect(
      pool.released(.init(number: 9), isReusable: false, at: start) == .close(connect: true))
    #expect(pool.connected(.init(number: 10)) == .grant(to: .init(number: 2)))
    #expect(
      pool.released(.init(number: 10), isReusable: false, at: start) == .close(connect: false))
    #expect(pool.openCount == 0)
  }

  @Test func `after a failure one attempt at a time is made, and not before its time`() {
    var pool = machine(maximum: 4)
    for number in 1...3 { _ = pool.waiterCame(.init(number: number), at: start) }
    let retry = pool.connectFailed(at: start, jitter: 1)
    #expect(retry == start + .milliseconds(50))
    // The others that were under way fail with it: that is one failure, not three.
    #expect(pool.connectFailed(at: start, jitter: 1) == retry)
    #expect(pool.connectFailed(at: start, jitter: 1) == retry)
    #expect(pool.beginConnecting(at: start + .milliseconds(49)) == false)
    #expect(pool.waiterCame(.init(number: 4), at: start) == .wait(connect: false))
    #expect(pool.beginConnectingForNeighbour() == false)
    #expect(pool.beginConnecting(at: retry) == true)
    #expect(pool.beginConnecting(at: retry) == false)
    // It fails again: twice as long.
    #expect(pool.connectFailed(at: retry, jitter: 1) == retry + .milliseconds(100))
    #expect(pool.beginConnecting(at: retry + .milliseconds(100)) == true)
    #expect(pool.connected(.init(number: 9)) == .grant(to: .init(number: 1)))
    // The server is back: all who wait are connected for.
    #expect(pool.beginConnecting(at: retry + .milliseconds(100)) == true)
    #expect(pool.beginConnecting(at: retry + .milliseconds(100)) == true)
    #expect(pool.beginConnecting(at: retry + .milliseconds(100)) == true)
    #expect(pool.beginConnecting(at: retry + .milliseconds(100)) == false)
  }

  @Test func `the back-off grows to its limit, and has jitter`() {
    var pool = machine(maximum: 1)
    _ = pool.waiterCame(.init(number: 1), at: start)
    var now = start
    for _ in 0..<100 {
      now = pool.connectFailed(at: now, jitter: 0.5)
      #expect(pool.beginConnecting(at: now) == true)
    }
    #expect(pool.connectFailed(at: now, jitter: 1) == now + .seconds(5))
    now += .seconds(5)
    #expect(pool.beginConnecting(at: now) == true)
    #expect(pool.connectFailed(at: now, jitter: 0) == now + .seconds(5) / 2)
  }

  @Test func `an idle connection that ended is forgotten, a leased one is its user's affair`() {
    var pool = machine(maximum: 2)
    _ = pool.waiterCame(.init(number: 1), at: start)
    _ = pool.connected(.init(number: 9))
    #expect(pool.idleLost(.init(number: 9)) == false)
    _ = pool.released(.init(number: 9), isReusable: true, at: start)
    #expect(pool.idleLost(.init(number: 9)) == true)
    #expect(pool.idleLost(.init(number: 9)) == false)
    #expect(pool.openCount == 0)
  }

  @Test func `a connection made for a neighbour is idle here, unless somebody of our own waits`() {
    var pool = machine(maximum: 2)
    #expect(pool.beginConnectingForNeighbour() == true)
    #expect(pool.connected(.init(number: 9)) == .park)
    #expect(pool.beginConnectingForNeighbour() == true)
    #expect(pool.leaseIdle() == .init(number: 9))
    #expect(pool.waiterCame(.init(number: 1), at: start) == .wait(connect: false))
    #expect(pool.connected(.init(number: 10)) == .grant(to: .init(number: 1)))
  }

  @Test func `after the shutdown nobody is served, and it is over when the leases are back`() {
    var pool = machine(maximum: 2)
    for number in 1...2 { _ = pool.waiterCame(.init(number: number), at: start) }
    _ = pool.connected(.init(number: 9))
    let (close, refuse) = pool.shutDown()
    #expect(close == [] && refuse == [.init(number: 2)])
    #expect(!pool.isDrained)
    #expect(pool.waiterCame(.init(number: 3), at: start) == .refused)
    #expect(pool.leaseIdle() == nil)
    #expect(
      pool.released(.init(number: 9), isReusable: true, at: start) == .close(connect: false))
    #expect(pool.isDrained)
    // What still connects is closed when it is done.
    #expect(pool.connected(.init(number: 10)) == .close(connect: false))
    #expect(pool.isDrained)
  }

  @Test func `any events keep the rules, and nobody waits for nothing`() {
    let seed = UInt64.random(in: 0 ... .max)
    for round in 0..<300 {
      var model = PoolModel(seed: seed &+ UInt64(round))
      for _ in 0..<300 { model.step() }
      model.end()
      #expect(model.problems == [], "seed \(seed), round \(round)")
    }
  }
}

struct PoolResizeTests {
  private let start = Duration.zero

  /// So many connections, all idle.
  private func machine(idle count: Int, maximum: Int) -> PoolStateMachine {
    var pool = PoolStateMachine(.init(maximum: maximum))
    for number in 1...count {
      _ = pool.waiterCame(.init(number: number), at: start)
      _ = pool.connected(.init(number: number))
    }
    for number in 1...count {
      _ = pool.released(.init(number: number), isReusable: true, at: start)
    }
    return pool
  }

  @Test func `a pool that shrinks closes what is idle, and the others when they come back`() {
    var pool = machine(idle: 3, maximum: 3)
    let leased = [pool.leaseIdle(), pool.leaseIdle()].compactMap(\.self)
    #expect(pool.resized(to: 1).count == 1)
    #expect(pool.idleCount == 0 && pool.openCount == 2 && !pool.hasRoom)
    #expect(pool.waiterCame(.init(number: 7), at: start) == .wait(connect: false))
    #expect(pool.released(leased[0], isReusable: true, at: start) == .close(connect: false))
    #expect(pool.released(leased[1], isReusable: true, at: start) == .grant(to: .init(number: 7)))
    #expect(pool.openCount == 1)
  }

  @Test func `a connection that is being made while the pool shrinks is closed`() {
    var pool = PoolStateMachine(.init(maximum: 2))
    for number in 1...2 { _ = pool.waiterCame(.init(number: number), at: start) }
    #expect(pool.connectingCount == 2)
    #expect(pool.resized(to: 1) == [])
    #expect(pool.connected(.init(number: 1)) == .close(connect: false))
    #expect(pool.connected(.init(number: 2)) == .grant(to: .init(number: 1)))
  }

  @Test func `a pool that grows makes connections for those who wait`() {
    var pool = machine(idle: 1, maximum: 1)
    _ = pool.leaseIdle()
    #expect(pool.waiterCame(.init(number: 7), at: start) == .wait(connect: false))
    #expect(pool.resized(to: 2) == [])
    #expect(pool.beginConnecting(at: start) == true)
    #expect(pool.connected(.init(number: 8)) == .grant(to: .init(number: 7)))
  }
}
