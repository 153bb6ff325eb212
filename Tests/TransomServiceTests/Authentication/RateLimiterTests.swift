import Testing
import TransomEventLoop
import TransomService

struct RateLimiterTests {
  private let start = MonotonicInstant.now

  /// How many of so many requests are let in at a moment.
  private func admitted(_ limiter: RateLimiter, of count: Int, at moment: Duration) -> Int {
    (0..<count).count { _ in (try? limiter.enter(at: start + moment)) != nil }
  }

  @Test func `so many requests come in at once as in a second, and then at their rate`() {
    let limiter = RateLimiter(.init(rate: 10))
    #expect(admitted(limiter, of: 50, at: .zero) == 10)
    #expect(admitted(limiter, of: 50, at: .milliseconds(99)) == 0)
    #expect(admitted(limiter, of: 50, at: .milliseconds(100)) == 1)
    #expect(admitted(limiter, of: 50, at: .milliseconds(500)) == 4)
    #expect(admitted(limiter, of: 50, at: .seconds(60)) == 10, "a rest saves no more than that")
  }

  @Test func `a burst may be smaller or larger than the rate`() {
    #expect(admitted(RateLimiter(.init(rate: 100, burst: 1)), of: 50, at: .zero) == 1)
    let large = RateLimiter(.init(rate: 1, burst: 30))
    #expect(admitted(large, of: 50, at: .zero) == 30)
    #expect(admitted(large, of: 50, at: .milliseconds(2500)) == 2)
  }

  @Test func `so many requests run at a time`() throws {
    let limiter = RateLimiter(.init(concurrency: 2))
    #expect(admitted(limiter, of: 5, at: .zero) == 2)
    limiter.leave()
    #expect(admitted(limiter, of: 5, at: .zero) == 1)
    limiter.leave()
    limiter.leave()
    #expect(admitted(limiter, of: 5, at: .zero) == 2)
  }

  @Test func `who is refused is told when to come again`() throws {
    let limiter = RateLimiter(.init(rate: 1, burst: 3, concurrency: 3))
    #expect(admitted(limiter, of: 3, at: .zero) == 3)
    let crowded = #expect(throws: ServiceError.self) { try limiter.enter(at: start) }
    #expect(crowded?.problem.status == 429 && crowded?.problem.retryAfter == 1)
    limiter.leave()
    let slow = RateLimiter(.init(rate: 1, burst: 1))
    try slow.enter(at: start)
    let early = #expect(throws: ServiceError.self) { try slow.enter(at: start) }
    #expect(early?.problem.retryAfter == 1 && early?.problem.outcome == .notStarted)
  }
}
