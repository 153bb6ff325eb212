import Testing
import TransomWebhooks

/// When a delivery is tried again, and when no more.
@Suite struct RetryTests {
  @Test func `pauses follow the schedule, with a tenth of jitter, and then end`() {
    let schedule = RetrySchedule.standard
    for (index, delay) in schedule.delays.enumerated() {
      #expect(schedule.pause(afterFailures: index + 1, jitter: 0) == delay * 0.9)
      #expect(schedule.pause(afterFailures: index + 1, jitter: 0.5) == delay)
      #expect(schedule.pause(afterFailures: index + 1, jitter: 1) == delay * 1.1)
    }
    #expect(schedule.pause(afterFailures: 10, jitter: 0) == nil)
    #expect(schedule.pause(afterFailures: 0, jitter: 0) == nil)
  }

  @Test(
    arguments: [
      (200, AttemptVerdict.delivered), (299, .delivered), (410, .gone),
      (300, .retry(after: .seconds(5))),
      (404, .retry(after: .seconds(5))), (500, .retry(after: .seconds(60))),
      (429, .retry(after: .seconds(60))), (503, .retry(after: .seconds(60))),
      (nil, .retry(after: .seconds(5))),
    ] as [(Int?, AttemptVerdict)])
  func `an attempt is judged by its status`(_ status: Int?, _ verdict: AttemptVerdict) {
    let isBusy = status == 429 || status == 503
    let expected =
      verdict == .retry(after: .seconds(60)) && !isBusy ? .retry(after: .seconds(5)) : verdict
    #expect(
      AttemptVerdict(
        status: status, retryAfter: .seconds(60), failures: 0, schedule: .standard, jitter: 0.5)
        == expected)
  }

  @Test func `after the last pause a delivery is dead`() {
    let schedule = RetrySchedule([.seconds(1)])
    func verdict(_ failures: Int) -> AttemptVerdict {
      AttemptVerdict(
        status: 500, retryAfter: nil, failures: failures, schedule: schedule, jitter: 0.5)
    }
    #expect(verdict(0) == .retry(after: .seconds(1)) && verdict(1) == .dead)
  }

  @Test func `a receiver can ask for a longer pause, of a day at most, and for no shorter one`() {
    let schedule = RetrySchedule([.seconds(100)])
    func pause(_ seconds: Int) -> Duration? {
      schedule.pause(afterFailures: 1, jitter: 0.5, retryAfter: .seconds(seconds))
    }
    #expect(pause(1) == .seconds(100) && pause(200) == .seconds(200))
    #expect(pause(1_000_000) == .seconds(86_400))
  }

  @Test(
    arguments: [
      ("120", 120), ("0", 0), (" 7", 7), ("99999999999999999999999", 1_000_000_000),
      ("Sun, 06 Nov 1994 08:49:37 GMT", 37), ("Sun, 06 Nov 1994 08:48:37 GMT", 0),
      ("", nil), ("-1", nil), ("1.5", nil), ("soon", nil), ("Sun, 06 Nov 1994 08:49:37", nil),
      ("Sun, 06 Foo 1994 08:49:37 GMT", nil),
    ] as [(String, Int?)])
  func `Retry-After is a number of seconds or a date`(_ value: String, _ seconds: Int?) {
    // 784111777 is 08:49:37.
    let parsed = RetryAfter.parse(value, now: 784_111_740)
    #expect(parsed == seconds.map { .seconds($0) })
  }
}
