extension Duration {
  /// The whole nanoseconds of it; the nearest number there is if they are too many.
  package var nanoseconds: Int64 { whole(1_000_000_000) }

  /// The whole microseconds of it.
  package var microseconds: Int { Int(whole(1_000_000_000_000)) }

  /// The whole milliseconds of it.
  package var milliseconds: Int { Int(whole(1_000_000_000_000_000)) }

  /// How many units of so many attoseconds it holds, rounded towards zero.
  private func whole(_ unit: UInt64) -> Int64 {
    // Up to 18 seconds: a division of 64 bits instead of 128.
    if let few = UInt64(exactly: attoseconds) { return Int64(few / unit) }
    return Int64(clamping: attoseconds / Int128(unit))
  }
}
