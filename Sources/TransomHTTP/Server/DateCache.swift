internal import FoundationEssentials

/// The current `Date` field, made anew when the second is over.
struct DateCache {
  private var date = HTTPDate(unixSeconds: 0)
  private var end: ContinuousClock.Instant?

  mutating func date(at now: ContinuousClock.Instant) -> HTTPDate {
    if let end, now < end { return date }
    let seconds = Date().timeIntervalSince1970
    let whole = seconds.rounded(.down)
    date = HTTPDate(unixSeconds: Int64(whole))
    end = now + .seconds(1 - (seconds - whole))
    return date
  }
}
