/// SQL in which parameters have names, `:from`, made SQL as PostgreSQL takes it: each name becomes a number and has its
/// type, `($1::bigint)`.
///
/// A name stands right behind a colon, as in psql: `::` is a cast and `:=` an assignment. In the bounds of an array's slice,
/// `[1 : n]`, a space keeps a column from being one.
package struct NumberedSQL: Equatable, Sendable {
  package private(set) var text: String
  /// In the order of their numbers; the first one's follows that of the last `$n` or of the values that are given.
  package private(set) var names: [String] = []
  /// The number of the last `$n`.
  package private(set) var lastNumber = 0

  package struct UnknownName: Error, Equatable, CustomStringConvertible {
    package let name: String

    package var description: String {
      "there is no parameter \"\(name)\"; in the bounds of a slice, put a space behind the colon"
    }
  }

  /// - Parameters:
  ///   - sql: What was written.
  ///   - given: How many values it has by number.
  ///   - type: The type of the parameter of a name; nil if there is none.
  /// - Throws: `UnknownName`.
  package init(
    _ sql: String, given: Int, type: (String) -> String?
  ) throws(UnknownName) {
    let octets = Array(sql.utf8)
    var found: [(range: Range<Int>, name: String)] = []
    var scanner = SQLScanner(octets.span)
    loop: while true {
      switch scanner.next() {
      case .end: break loop
      case .parameter(let number): lastNumber = max(lastNumber, number)
      case .word(let range) where Self.follows(colon: range.lowerBound - 1, in: octets.span):
        let name = String(decoding: octets[range], as: UTF8.self)
        found.append((range.lowerBound - 1..<range.upperBound, name))
      case .word, .string, .open, .close, .dot, .other: continue
      }
    }
    var result: [UInt8] = []
    var start = 0
    for (range, name) in found {
      guard let type = type(name) else { throw UnknownName(name: name) }
      let position = names.firstIndex(of: name) ?? names.count
      if position == names.count { names.append(name) }
      result += octets[start..<range.lowerBound]
      result += "($\(max(lastNumber, given) + position + 1)::\(type))".utf8
      start = range.upperBound
    }
    result += octets[start...]
    text = String(decoding: result, as: UTF8.self)
  }

  /// Whether there is a colon, and only one.
  private static func follows(colon index: Int, in sql: Span<UInt8>) -> Bool {
    let colon = UInt8(ascii: ":")
    return index >= 0 && sql[index] == colon && (index == 0 || sql[index - 1] != colon)
  }
}
