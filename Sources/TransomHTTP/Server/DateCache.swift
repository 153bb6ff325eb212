internal import FoundationEssentials
internal import TransomEventLoop

/// The current `Date` field, made anew when the second is over.
struct DateCache {
  private var date = HTTPDate(unixSeconds: 0)
  private var end: MonotonicInstant?

  mutating func date(at now: MonotonicInstant) -> HTTPDate {
    if let end, now < end { return date }
    let seconds = Date().timeIntervalSince1970
    let whole = seconds.rounded(.down)
    date = HTTPDate(unixSeconds: Int64(whole))
    end = now + .seconds(1 - (seconds - whole))
    return date
  }
}
