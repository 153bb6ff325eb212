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
    guard index >= 4, Self.isDayAndTime(text, from: index) else { return nil }
    separator = index + 6
    index += 15
    if index < text.count, text[index] == UInt8(ascii: ".") {
      let fraction = index + 1
      index = fraction
      while index < text.count, Self.isDigit(text[index]) { index += 1 }
      guard index > fraction else { return nil }
    }
    if hasZone {
      guard
        Self.isTwoDigits(text, after: UInt8(ascii: "+"), from: index)
          || Self.isTwoDigits(text, after: UInt8(ascii: "-"), from: index)
      else { return nil }
      index += 3
      let hoursEnd = index
      while Self.isTwoDigits(text, after: UInt8(ascii: ":"), from: index) { index += 3 }
      missingMinutes = index == hoursEnd ? index : nil
    } else {
      missingMinutes = nil
    }
    guard index == text.count || Self.isEra(text, from: index) else { return nil }
  }

  /// Whether the text goes on with `-02-29 12:34:56`.
  private static func isDayAndTime(_ text: Span<UInt8>, from start: Int) -> Bool {
    isTwoDigits(text, after: UInt8(ascii: "-"), from: start)
      && isTwoDigits(text, after: UInt8(ascii: "-"), from: start + 3)
      && isTwoDigits(text, after: UInt8(ascii: " "), from: start + 6)
      && isTwoDigits(text, after: UInt8(ascii: ":"), from: start + 9)
      && isTwoDigits(text, after: UInt8(ascii: ":"), from: start + 12)
  }

  @inline(__always)
  private static func isTwoDigits(
    _ text: Span<UInt8>, after separator: UInt8, from start: Int
  ) -> Bool {
    start < text.count && text[start] == separator && isTwoDigits(text, from: start + 1)
  }

  @inline(__always)
  private static func isTwoDigits(_ text: Span<UInt8>, from start: Int) -> Bool {
    start + 1 < text.count && isDigit(text[start]) && isDigit(text[start + 1])
  }

  @inline(__always)
  private static func isDigit(_ byte: UInt8) -> Bool {
    0x30...0x39 ~= byte
  }

  /// Whether the text ends in ` BC` from here.
  private static func isEra(_ text: Span<UInt8>, from start: Int) -> Bool {
    start + 3 == text.count && text[start] == 0x20 && text[start + 1] == UInt8(ascii: "B")
      && text[start + 2] == UInt8(ascii: "C")
  }
}
