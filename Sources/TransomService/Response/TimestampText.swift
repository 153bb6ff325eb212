/// Where a timestamp's text differs from the ISO 8601 that `to_json` gives
/// (PostgreSQL manual, 8.5.2 "Date/Time Output").
///
/// Nil for any other text: `infinity`, or another DateStyle that the client chose.
struct TimestampText {
  /// The space between date and time.
  let separator: Int
  /// Where the minutes are to be put in: after a zone of hours alone, which `to_json` completes.
  let missingMinutes: Int?

  /// Reads `2024-02-29 12:34:56.789+05:30 BC`; years have four digits or more, the fraction, the
  /// zone's minutes and seconds and the era are optional, and so is the zone unless `hasZone`.
  init?(_ text: Span<UInt8>, hasZone: Bool) {
    var index = 0
    while index < text.count, Self.isDigit(text[index]) { index += 1 }
    guard index >= 4, Self.matches(text, from: index, "-00-00 00:00:00") else { return nil }
    separator = index + 6
    index += 15
    if index < text.count, text[index] == UInt8(ascii: ".") {
      let fraction = index + 1
      index = fraction
      while index < text.count, Self.isDigit(text[index]) { index += 1 }
      guard index > fraction else { return nil }
    }
    if hasZone {
      guard Self.matches(text, from: index, "+00") || Self.matches(text, from: index, "-00")
      else { return nil }
      index += 3
      let hoursEnd = index
      while Self.matches(text, from: index, ":00") { index += 3 }
      missingMinutes = index == hoursEnd ? index : nil
    } else {
      missingMinutes = nil
    }
    guard index == text.count || (index + 3 == text.count && Self.matches(text, from: index, " BC"))
    else { return nil }
  }

  private static func isDigit(_ byte: UInt8) -> Bool {
    0x30...0x39 ~= byte
  }

  /// Whether the text goes on like `pattern`, in which `0` stands for any digit.
  private static func matches(_ text: Span<UInt8>, from start: Int, _ pattern: String) -> Bool {
    let pattern = pattern.utf8.span
    guard text.count - start >= pattern.count else { return false }
    for index in pattern.indices {
      let byte = text[start + index]
      let expected = pattern[index]
      guard expected == UInt8(ascii: "0") ? isDigit(byte) : byte == expected else { return false }
    }
    return true
  }
}
