import Testing
import TransomEventLoop

struct TimerQueueTests {
  private let start = MonotonicInstant.now

  @Test func `timers come out in the order of their deadlines, and only once they are due`() {
    var queue = TimerQueue<Int>()
    for seconds in [5, 1, 4, 2, 3] { _ = queue.insert(at: start + .seconds(seconds), seconds) }
    #expect(queue.nextDeadline() == start + .seconds(1))
    var due: [Int] = []
    while let payload = queue.popDue(at: start + .seconds(3)) { due.append(payload) }
    #expect(due == [1, 2, 3])
    #expect(queue.count == 2)
  }

  @Test func `a timer that was removed does not come out, and its old name removes nothing else`() {
    var queue = TimerQueue<String>()
    let first = queue.insert(at: start, "first")
    #expect(queue.remove(first) == "first")
    _ = queue.insert(at: start, "second")
    #expect(queue.remove(first) == nil)
    #expect(queue.popDue(at: start) == "second")
    #expect(queue.popDue(at: start) == nil)
  }

  @Test func `any sequence of insertions and removals agrees with a sorted list`() {
    let seed = UInt64.random(in: 0 ... .max)
    var random = SeededGenerator(seed: seed)
    var queue = TimerQueue<Int>()
    var model: [(deadline: MonotonicInstant, id: TimerQueue<Int>.TimerID, payload: Int)] = []
    for step in 0..<5_000 {
      switch Int.random(in: 0..<5, using: &random) {
      case 0...2:
        // Distinct deadlines, so that the order is one only.
        let deadline =
          start + .milliseconds(Int.random(in: 0..<1_000, using: &random)) + .nanoseconds(step)
        model.append((deadline, queue.insert(at: deadline, step), step))
      case 3:
        guard let index = model.indices.randomElement(using: &random) else { continue }
        let gone = model.remove(at: index)
        #expect(queue.remove(gone.id) == gone.payload, "seed \(seed)")
      default:
        let now = start + .milliseconds(Int.random(in: 0..<1_000, using: &random))
        let expected = model.min { $0.deadline < $1.deadline }.flatMap {
          $0.deadline <= now ? $0 : nil
        }
        #expect(queue.popDue(at: now) == expected?.payload, "seed \(seed)")
        model.removeAll { $0.payload == expected?.payload }
      }
      #expect(queue.nextDeadline() == model.map(\.deadline).min(), "seed \(seed)")
    }
  }
}

/// SplitMix64: the same sequence for the same seed.
struct SeededGenerator: RandomNumberGenerator {
  private var state: UInt64

  init(seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var value = state
    value = (value ^ (value >> 30)) &* 0xBF58_476D_1CE4_E5B9
    value = (value ^ (value >> 27)) &* 0x94D0_49BB_1331_11EB
    return value ^ (value >> 31)
  }
}
