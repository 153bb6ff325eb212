public import FoundationEssentials

extension Date: PostgresEncodable, PostgresDecodable {
  /// Appends a point in time for `timestamptz`, to the microsecond; what is infinitely far away goes as `infinity`.
  public func encode(into text: inout ParameterText) {
    let seconds = timeIntervalSinceReferenceDate
    if let microseconds = Timestamp.microseconds(of: seconds) {
      text.append(Timestamp.text(of: microseconds))
    } else if seconds.isInfinite {
      text.append(seconds > 0 ? "infinity" : "-infinity")
    } else {
      text.fail(PostgresError(.encoding, "a Date is no point in time that PostgreSQL has"))
    }
  }

  /// Reads a `timestamptz`, a `timestamp` or a `date`; the last two are taken as UTC.
  public init(decoding value: PostgresValue) throws {
    guard let text = value.text, let seconds = Timestamp.seconds(in: text) else {
      throw value.mismatch(Date.self)
    }
    self.init(timeIntervalSinceReferenceDate: seconds)
  }
}

/// PostgreSQL's text form of times (manual, 8.5 "Date/Time Types"), in seconds since 2001 in UTC, which `Date` counts.
enum Timestamp {
  /// Days from 1970-01-01 to 2001-01-01.
  private static let referenceDays = 11_323

  /// About the year 287,000 before and after 2001.
  private static let limit = 9_000_000_000_000.0

  /// Rounded; nil if it is too far away for PostgreSQL, which goes to the year 294276.
  static func microseconds(of seconds: Double) -> Int64? {
    guard abs(seconds) < limit else { return nil }
    return Int64((seconds * 1_000_000).rounded())
  }

  static func text(of microseconds: Int64) -> String {
    let (days, inDay) = floorDivide(microseconds, 86_400_000_000)
    let (year, month, day) = civil(fromDays: Int(days) + referenceDays)
    let (second, fraction) = floorDivide(inDay, 1_000_000)
    let isBC = year <= 0
    var text = padded(isBC ? 1 - year : year, 4) + "-" + padded(month, 2) + "-" + padded(day, 2)
    text += " " + padded(Int(second) / 3600, 2) + ":" + padded(Int(second) / 60 % 60, 2)
    text += ":" + padded(Int(second) % 60, 2)
    if fraction != 0 { text += "." + padded(Int(fraction), 6) }
    return text + "+00" + (isBC ? " BC" : "")
  }

  private static func padded(_ number: Int, _ width: Int) -> String {
    let digits = String(number)
    return String(repeating: "0", count: max(0, width - digits.utf8.count)) + digits
  }

  static func seconds(in text: String) -> Double? {
    if text == "infinity" { return .infinity }
    if text == "-infinity" { return -.infinity }
    var reader = Reader(bytes: Array(text.utf8))
    guard var year = reader.number(), reader.skip("-"), let month = reader.number(),
      reader.skip("-"), let day = reader.number(), 1...12 ~= month, 1...31 ~= day
    else { return nil }
    var inDay = 0
    var fraction = 0.0
    var offset = 0
    if reader.skip(" "), !reader.isAt("B") {
      guard let hour = reader.number(), reader.skip(":"), let minute = reader.number(),
        reader.skip(":"), let second = reader.number()
      else { return nil }
      inDay = hour * 3600 + minute * 60 + second
      if reader.skip(".") {
        guard let digits = reader.fraction() else { return nil }
        fraction = digits
      }
      guard let zone = reader.offset() else { return nil }
      offset = zone
      _ = reader.skip(" ")
    }
    if reader.skip("B") {
      guard reader.skip("C") else { return nil }
      year = 1 - year
    }
    guard reader.isAtEnd, year < 1_000_000 else { return nil }
    let days = days(year, month, day) - referenceDays
    let seconds = Double(days * 86_400 + inDay - offset) + fraction
    // A `date` can be later than what could be written again.
    return abs(seconds) < limit ? seconds : nil
  }

  /// Reads ASCII.
  private struct Reader {
    let bytes: [UInt8]
    var index = 0

    init(bytes: [UInt8]) { self.bytes = bytes }

    var isAtEnd: Bool { index == bytes.count }

    func isAt(_ sign: Unicode.Scalar) -> Bool {
      index < bytes.count && bytes[index] == UInt8(ascii: sign)
    }

    mutating func skip(_ sign: Unicode.Scalar) -> Bool {
      guard isAt(sign) else { return false }
      index += 1
      return true
    }

    mutating func number() -> Int? {
      let start = index
      var value = 0
      while index < bytes.count, 0x30...0x39 ~= bytes[index], index - start < 9 {
        value = value * 10 + Int(bytes[index] - 0x30)
        index += 1
      }
      return index == start ? nil : value
    }

    mutating func fraction() -> Double? {
      let start = index
      guard let digits = number() else { return nil }
      var scale = 1.0
      for _ in start..<index { scale *= 10 }
      return Double(digits) / scale
    }

    /// The offset from UTC in seconds: `+05`, `-03:30`, `+00:19:32`; 0 if there is none.
    mutating func offset() -> Int? {
      let isNegative = isAt("-")
      guard skip("+") || skip("-") else { return 0 }
      guard let hours = number() else { return nil }
      var seconds = hours * 3600
      for unit in [60, 1] where skip(":") {
        guard let value = number() else { return nil }
        seconds += value * unit
      }
      return isNegative ? -seconds : seconds
    }
  }

  private static func floorDivide(_ value: Int64, _ divisor: Int64) -> (Int64, Int64) {
    let (quotient, rest) = value.quotientAndRemainder(dividingBy: divisor)
    return rest < 0 ? (quotient - 1, rest + divisor) : (quotient, rest)
  }

  // The proleptic Gregorian calendar in eras of 400 years that begin in March.

  private static func days(_ year: Int, _ month: Int, _ day: Int) -> Int {
    let year = month <= 2 ? year - 1 : year
    let era = (year >= 0 ? year : year - 399) / 400
    let yearOfEra = year - era * 400
    let dayOfYear = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1
    let dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
    return era * 146_097 + dayOfEra - 719_468
  }

  private static func civil(fromDays days: Int) -> (year: Int, month: Int, day: Int) {
    let shifted = days + 719_468
    let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
    let dayOfEra = shifted - era * 146_097
    let yearOfEra =
      (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
    let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    let shiftedMonth = (5 * dayOfYear + 2) / 153
    let month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
    let year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
    return (year, month, dayOfYear - (153 * shiftedMonth + 2) / 5 + 1)
  }
}
