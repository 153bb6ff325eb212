/// A `Date` field's value, an IMF-fixdate: `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110, section 5.6.7).
package struct HTTPDate: Sendable {
  /// The 29 characters, and the end of the line.
  private(set) var restOfLine: [UInt8]

  /// The date so many seconds after 1970-01-01T00:00:00Z; years 1970 to 9999.
  package init(unixSeconds: Int64) {
    let seconds = Int(min(max(unixSeconds, 0), 253_402_300_799))
    let (days, time) = seconds.quotientAndRemainder(dividingBy: 86_400)
    let (year, month, day) = Self.civil(daysSince1970: days)
    restOfLine = Array(repeating: ByteClass.space, count: 29)
    put(Self.weekdays[(days + 4) % 7], at: 0)
    restOfLine[3] = UInt8(ascii: ",")
    put(day, digits: 2, at: 5)
    put(Self.months[month - 1], at: 8)
    put(year, digits: 4, at: 12)
    put(time / 3600, digits: 2, at: 17)
    restOfLine[19] = UInt8(ascii: ":")
    put(time / 60 % 60, digits: 2, at: 20)
    restOfLine[22] = UInt8(ascii: ":")
    put(time % 60, digits: 2, at: 23)
    put("GMT", at: 26)
    restOfLine += [ByteClass.carriageReturn, ByteClass.lineFeed]
  }

  /// Appends the 29 characters.
  package func append(to bytes: inout [UInt8]) { bytes += restOfLine.dropLast(2) }

  private static let weekdays = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"]
  private static let months = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
  ]

  private mutating func put(_ letters: String, at index: Int) {
    var index = index
    for letter in letters.utf8 {
      restOfLine[index] = letter
      index += 1
    }
  }

  private mutating func put(_ number: Int, digits: Int, at index: Int) {
    var rest = number
    for position in (index..<index + digits).reversed() {
      restOfLine[position] = UInt8(truncatingIfNeeded: 0x30 + rest % 10)
      rest /= 10
    }
  }

  /// The Gregorian date, by eras of 400 years that begin on 1 March, as in Howard Hinnant's
  /// "chrono-Compatible Low-Level Date Algorithms", `civil_from_days`.
  private static func civil(daysSince1970 days: Int) -> (year: Int, month: Int, day: Int) {
    let shifted = days + 719_468
    let era = shifted / 146_097
    let dayOfEra = shifted % 146_097
    let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
    let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    let shiftedMonth = (5 * dayOfYear + 2) / 153
    let day = dayOfYear - (153 * shiftedMonth + 2) / 5 + 1
    let month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
    return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, day)
  }
}
