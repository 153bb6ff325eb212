import Testing
import TransomEventLoop

@testable import TransomService

/// Who gets the places that there are for attempts.
@Suite struct DeliveryLanesTests {
  private static func at(_ milliseconds: Int) -> MonotonicInstant {
    MonotonicInstant(sinceOrigin: .milliseconds(100_000 + milliseconds))
  }

  private static func known(
    _ lanes: DeliveryLanes, _ webhook: Int, at milliseconds: Int
  ) -> Int? {
    lanes.room(at: at(milliseconds)).known.first { $0.webhook == webhook }?.room
  }

  /// One attempt from one time to another.
  private static func attempt(
    _ lanes: inout DeliveryLanes, _ webhook: Int, _ from: Int, _ to: Int, succeeded: Bool?
  ) {
    let place = lanes.began(webhook, isFailing: false, at: at(from))
    lanes.ended(place, succeeded: succeeded, at: at(to))
  }

  /// A webhook to which so many attempts in a row, each as soon as the one before has ended, succeeded.
  private static func busy(
    _ lanes: inout DeliveryLanes, _ webhook: Int, _ attempts: Int, taking: Int = 5
  ) -> Int {
    var time = 0
    for _ in 0..<attempts {
      let room = max(1, known(lanes, webhook, at: time) ?? 1)
      let places = (0..<room).map { _ in lanes.began(webhook, isFailing: false, at: at(time)) }
      time += taking
      for place in places { lanes.ended(place, succeeded: true, at: at(time)) }
    }
    return time
  }

  @Test(arguments: [(1, 1), (2, 2), (3, 4), (4, 8), (5, 16), (6, 16)])
  func `a prompt webhook gets more places while more is waiting, up to its limit`(
    _ attempts: Int, _ room: Int
  ) {
    var lanes = DeliveryLanes(maximum: 1024, forEach: 16)
    let time = Self.busy(&lanes, 1, attempts)
    #expect(Self.known(lanes, 1, at: time) == room)
    // After a pause it begins with one again.
    let place = lanes.began(1, isFailing: false, at: Self.at(time + 1001))
    #expect(Self.known(lanes, 1, at: time + 1001) == 0)
    lanes.ended(place, succeeded: true, at: Self.at(time + 1002))
    #expect(Self.known(lanes, 1, at: time + 1002) == 1 && lanes.count == 0)
  }

  @Test func `a slow webhook gets more places, too, but of those for the doubtful`() {
    var lanes = DeliveryLanes(maximum: 1024, forEach: 16)
    let time = Self.busy(&lanes, 1, 10, taking: 2000)
    #expect(Self.known(lanes, 1, at: time) == 12 && !lanes.isPrompt(1))
  }

  @Test(arguments: [(true, 1000, true), (true, 1001, false), (false, 5, false)])
  func `a webhook is prompt if its last attempt succeeded within a second`(
    _ succeeded: Bool, _ took: Int, _ isPrompt: Bool
  ) {
    var lanes = DeliveryLanes(maximum: 1024, forEach: 16)
    Self.attempt(&lanes, 1, 0, took, succeeded: succeeded)
    #expect(lanes.isPrompt(1) == isPrompt && Self.known(lanes, 1, at: took) == 1)
  }

  @Test func `a webhook that nothing is known of is tried with one attempt`() {
    var lanes = DeliveryLanes(maximum: 1024, forEach: 16)
    let room = lanes.room(at: Self.at(0))
    #expect(room.untried == 1 && room.failing == 1 && room.known.isEmpty)
    _ = lanes.began(1, isFailing: false, at: Self.at(0))
    #expect(Self.known(lanes, 1, at: 0) == 0)
  }

  @Test func `what a claim that is under way may take is there for no other`() {
    var lanes = DeliveryLanes(maximum: 64, forEach: 16)
    for (reserved, prompt, doubtful, failing) in [(0, 28, 24, 1), (24, 20, 12, 1), (48, 8, 0, 0)] {
      lanes.reserved = reserved
      let room = lanes.room(at: Self.at(0))
      #expect(room.prompt == prompt && room.doubtful == doubtful)
      #expect(room.failing == failing && room.untried == failing)
    }
  }

  @Test func `an attempt that was cut off changes nothing`() {
    var lanes = DeliveryLanes(maximum: 1024, forEach: 16)
    Self.attempt(&lanes, 1, 0, 5, succeeded: true)
    Self.attempt(&lanes, 1, 5, 10, succeeded: nil)
    #expect(lanes.isPrompt(1))
  }

  @Test func `what is on its way for too long makes its webhook doubtful before its timeout`() {
    var lanes = DeliveryLanes(maximum: 1024, forEach: 16)
    let time = Self.busy(&lanes, 1, 5)
    let place = lanes.began(1, isFailing: false, at: Self.at(time))
    lanes.advance(to: Self.at(time + 1000))
    #expect(lanes.isPrompt(1) && Self.known(lanes, 1, at: time + 1000) == 15)
    lanes.advance(to: Self.at(time + 1001))
    #expect(!lanes.isPrompt(1) && Self.known(lanes, 1, at: time + 1001) == 11)
    lanes.ended(place, succeeded: false, at: Self.at(15_000))
    #expect(!lanes.isPrompt(1) && Self.known(lanes, 1, at: 15_000) == 1)
  }

  @Test func `a webhook that fails again and again rests, and a success ends that`() {
    var lanes = DeliveryLanes(maximum: 1024, forEach: 16)
    Self.attempt(&lanes, 1, 0, 0, succeeded: false)
    #expect(Self.known(lanes, 1, at: 0) == 1)
    var time = 0
    for rest in [100, 200, 400, 800, 1600, 3200, 5000, 5000, 5000] {
      Self.attempt(&lanes, 1, time, time, succeeded: false)
      #expect(Self.known(lanes, 1, at: time + rest - 1) == 0)
      #expect(Self.known(lanes, 1, at: time + rest) == 1)
      time += rest
    }
    Self.attempt(&lanes, 1, time, time, succeeded: true)
    Self.attempt(&lanes, 1, time, time, succeeded: false)
    #expect(Self.known(lanes, 1, at: time) == 1)
  }

  @Test func `what was on its way together fails together, once`() {
    var lanes = DeliveryLanes(maximum: 1024, forEach: 16)
    let time = Self.busy(&lanes, 1, 5)
    let places = (0..<16).map { _ in lanes.began(1, isFailing: false, at: Self.at(time)) }
    for place in places { lanes.ended(place, succeeded: false, at: Self.at(time + 5)) }
    #expect(Self.known(lanes, 1, at: time + 5) == 1)
  }

  /// Claims as the database does: what is allowed, of webhooks that all have more than that.
  private static func claim(
    _ lanes: inout DeliveryLanes, of webhooks: some Sequence<Int>, isFailing: Bool = false,
    at milliseconds: Int
  ) -> Int {
    lanes.advance(to: at(milliseconds))
    let room = lanes.room(at: at(milliseconds))
    let known = Dictionary(uniqueKeysWithValues: room.known.map { ($0.webhook, $0) })
    var (prompt, doubtful) = (room.prompt, room.doubtful)
    var claimed: [Int] = []
    for webhook in webhooks {
      let lane = known[webhook]
      let isPrompt = lane?.isPrompt ?? false
      let allowed = lane?.room ?? (isFailing ? room.failing : room.untried)
      let taken = min(allowed, isPrompt ? prompt : doubtful)
      if isPrompt { prompt -= taken } else { doubtful -= taken }
      claimed += Array(repeating: webhook, count: taken)
    }
    for webhook in claimed { _ = lanes.began(webhook, isFailing: isFailing, at: at(milliseconds)) }
    return claimed.count
  }

  @Test(arguments: [4, 5, 8, 100, 1024])
  func `whatever hangs, the untried find a place beside the failing, and the prompt beside both`(
    _ maximum: Int
  ) {
    var lanes = DeliveryLanes(maximum: maximum, forEach: 16)
    Self.attempt(&lanes, 1, 0, 5, succeeded: true)
    while Self.claim(&lanes, of: 10_000..<20_000, isFailing: true, at: 10) > 0 {}
    #expect(lanes.count >= maximum / 2 && lanes.count < maximum * 3 / 4)
    while Self.claim(&lanes, of: 20_000..<30_000, at: 20) > 0 {}
    #expect(lanes.count == maximum * 3 / 4)
    #expect(Self.known(lanes, 1, at: 20) ?? 0 > 0)
    #expect(Self.claim(&lanes, of: [1], at: 20) > 0)
  }

  @Test func `a place for what is doubtful is left by those that are prompt`() {
    var lanes = DeliveryLanes(maximum: 64, forEach: 16)
    for webhook in 0..<100 { Self.attempt(&lanes, webhook, 0, 5, succeeded: true) }
    while Self.claim(&lanes, of: 0..<100, at: 10) > 0 {}
    #expect(lanes.count == 56)
    #expect(Self.claim(&lanes, of: [1000], at: 10) == 1)
  }

  @Test func `a crowd that begins to hang leaves places for those that have none`() {
    var lanes = DeliveryLanes(maximum: 1024, forEach: 16)
    for webhook in 0..<850 { Self.attempt(&lanes, webhook, 0, 5, succeeded: true) }
    while Self.claim(&lanes, of: (0..<800).shuffled(), at: 10) > 0 {}
    #expect(lanes.count == 800)
    let room = lanes.room(at: Self.at(10))
    #expect(room.known.allSatisfy { $0.room == ($0.webhook < 800 ? 0 : 1) })
    #expect(room.prompt > 0)
    // A second later they are known for what they are, and three quarters are no longer theirs.
    lanes.advance(to: Self.at(2000))
    let later = lanes.room(at: Self.at(2000))
    #expect(later.known.allSatisfy { $0.isPrompt == ($0.webhook >= 800) })
    #expect(later.doubtful == 0 && later.prompt > 0)
  }

  @Test func `what is on its way is counted right, whatever happens in whatever order`() {
    var generator = SystemRandomNumberGenerator()
    var lanes = DeliveryLanes(maximum: 40, forEach: 4)
    var places: [DeliveryLanes.Place] = []
    var time = 0
    for _ in 0..<20_000 {
      time += Int.random(in: 0...200, using: &generator)
      let room = lanes.room(at: Self.at(time))
      #expect(room.prompt + room.doubtful <= 40 - lanes.count)
      if room.prompt + room.doubtful > 0, Bool.random(using: &generator) {
        let webhook = Int.random(in: 0..<20, using: &generator)
        places.append(lanes.began(webhook, isFailing: .random(), at: Self.at(time)))
      } else if let index = places.indices.randomElement(using: &generator) {
        let place = places.remove(at: index)
        lanes.ended(place, succeeded: [true, false, nil].randomElement() ?? nil, at: Self.at(time))
      }
      #expect(lanes.count == places.count)
    }
  }
}
