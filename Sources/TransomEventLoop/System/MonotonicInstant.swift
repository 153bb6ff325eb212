internal import CTransomLinux

/// A moment on the clock that only goes forward (CLOCK_MONOTONIC): what deadlines are told in.
///
/// `ContinuousClock.Instant` means the same, but its layout is the standard library's secret: each struct that holds
/// one is copied through its type's witnesses at run time, and timers are held in many.
public struct MonotonicInstant: InstantProtocol, Sendable {
  /// The time since a moment in the past that is the same for the whole process.
  public let sinceOrigin: Duration

  /// The moment so long after the origin.
  @inlinable
  public init(sinceOrigin: Duration) { self.sinceOrigin = sinceOrigin }

  /// The moment of the call.
  public static var now: MonotonicInstant {
    var time = timespec()
    unsafe clock_gettime(CLOCK_MONOTONIC, &time)
    // By one multiplication, as it is asked for several times a request: the general ways take some of 128 bits.
    let nanoseconds = UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
    let (high, low) = nanoseconds.multipliedFullWidth(by: 1_000_000_000)
    return MonotonicInstant(
      sinceOrigin: Duration(attoseconds: Int128(high) << 64 | Int128(low)))
  }

  /// The moment so much later.
  @inlinable
  public func advanced(by duration: Duration) -> MonotonicInstant {
    MonotonicInstant(sinceOrigin: sinceOrigin + duration)
  }

  /// How much later `other` is.
  @inlinable
  public func duration(to other: MonotonicInstant) -> Duration {
    other.sinceOrigin - sinceOrigin
  }

  /// Whether `a` is earlier than `b`.
  @inlinable
  public static func < (a: MonotonicInstant, b: MonotonicInstant) -> Bool {
    a.sinceOrigin < b.sinceOrigin
  }

  /// The moment so much later.
  @inlinable
  public static func + (instant: MonotonicInstant, duration: Duration) -> MonotonicInstant {
    instant.advanced(by: duration)
  }

  /// How much later `end` is than `start`.
  @inlinable
  public static func - (end: MonotonicInstant, start: MonotonicInstant) -> Duration {
    start.duration(to: end)
  }
}
