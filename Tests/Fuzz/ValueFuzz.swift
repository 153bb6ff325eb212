import FoundationEssentials
import TransomPostgres
import TransomService

/// A value as PostgreSQL writes it, whatever its type is said to be: the service makes JSON of it, the library values.
enum ValueFuzz {
  private static let scalars: [ScalarEncoding] = [
    .text, .number, .bool, .timestamp, .timestamptz, .json, .numberVector, .textVector, .hstore,
  ]
  private static let encodings: [ColumnEncoding] = {
    let plain = scalars.map { ColumnEncoding.scalar($0) }
    let row = ColumnEncoding.composite([
      CompositeAttribute(name: "a\"\n", encoding: .scalar(.number)),
      CompositeAttribute(name: "b", encoding: .array(of: .text, delimiter: 0x2C)),
      CompositeAttribute(name: "c", encoding: .scalar(.hstore)),
    ])
    return plain + plain.map { .array(of: $0, delimiter: 0x2C) }
      + [row, .array(of: row, delimiter: 0x3B), .composite([])]
  }()

  static func run(_ input: [UInt8]) {
    checkJSON(of: input)
    checkArray(input)
    checkValues(PostgresValue(part: input))
    checkCopyRow(input)
  }

  // MARK: The service

  /// What is written is one JSON value, also by an encoder that was used before.
  private static func checkJSON(of text: [UInt8]) {
    var used = ValueEncoder()
    used.trustsJSON = false
    var reader = JSONReader()
    for encoding in encodings {
      var fresh = ValueEncoder()
      fresh.trustsJSON = false
      let json = Self.json(text, encoding, by: &fresh)
      check(Self.json(text, encoding, by: &used) == json, "another result by a used encoder")
      do {
        try reader.read(json.span, depth: 8192)
      } catch {
        fatalError("\(encoding): no JSON: \(String(decoding: json, as: UTF8.self))")
      }
    }
  }

  private static func json(
    _ text: [UInt8], _ encoding: ColumnEncoding, by encoder: inout ValueEncoder
  ) -> [UInt8] {
    var writer = JSONWriter()
    encoder.append(text.span, as: encoding, after: [UInt8]().span, to: &writer)
    return writer.bytes
  }

  /// Two readers of arrays, the service's and the library's: what the stricter one takes, the other one does, too.
  private static func checkArray(_ text: [UInt8]) {
    var reader = ArrayTextReader(text.span, delimiter: 0x2C)
    var elements: [[UInt8]?] = []
    var element: [UInt8] = []
    var depth = 0
    while true {
      switch reader.next(in: text.span, element: &element) {
      case .open:
        depth += 1
        guard depth == 1 else { return }
      case .close, .delimiter: break
      case .null: elements.append(nil)
      case .element: elements.append(element)
      case .malformed: return
      case .end:
        let others = TransomPostgres.ArrayLiteral.elements(of: text.span)
        check(others == elements, "the library reads another array")
        return
      }
    }
  }

  // MARK: The library

  /// What is read is written so that it is read again.
  private static func checkValues(_ value: PostgresValue) {
    checkCycle(value, as: String.self)
    checkCycle(value, as: Int.self)
    checkCycle(value, as: Int8.self)
    checkCycle(value, as: UInt64.self)
    checkCycle(value, as: Bool.self)
    checkCycle(value, as: UUID.self)
    checkCycle(value, as: [UInt8].self)
    checkCycle(value, as: [Int?].self)
    checkCycle(value, as: [String?].self)
    checkCycle(value, as: [[String]].self)
    checkCycle(value, as: PostgresRange<String>.self)
    checkCycle(value, as: Range<Int>.self)
    checkCycle(value, as: ClosedRange<Int>.self)
    checkCycle(value, as: ClosedRange<Int8>.self)
    _ = try? Decimal(decoding: value)
    _ = try? [Double](decoding: value)
    _ = try? PostgresRange<Date>(decoding: value)
    guard let date = try? Date(decoding: value) else { return }
    guard let again = try? Date(decoding: written(date)) else { fatalError("\(date) is lost") }
    // Microseconds are kept; of times that are far away a Double does not hold them all.
    let difference = abs(again.timeIntervalSince(date))
    check(
      date == again || difference < 1e-6 * max(1, abs(date.timeIntervalSinceReferenceDate) / 1e9),
      "\(again) is not \(date)")
  }

  private static func checkCycle<Value: PostgresDecodable & PostgresEncodable & Equatable>(
    _ value: PostgresValue, as type: Value.Type
  ) {
    guard let first = try? Value(decoding: value) else { return }
    guard let again = try? Value(decoding: written(first)) else {
      fatalError("\(first) of \(type) is not read again")
    }
    check(again == first, "\(again) is not \(first)")
  }

  private static func written(_ value: some PostgresEncodable) -> PostgresValue {
    var text = ParameterText(appendingTo: [])
    value.encode(into: &text)
    return PostgresValue(part: text.isNull ? nil : text.bytes)
  }

  /// A row for COPY has as many columns as values, on one line, and its escapes stand for the values.
  private static func checkCopyRow(_ input: [UInt8]) {
    guard !input.contains(0) else { return }
    let text = String(decoding: input, as: UTF8.self)
    let row = CopyRow(text, String?.none, text)
    guard row.flaw == nil else { return }
    check(row.bytes.last == 0x0A && !row.bytes.dropLast().contains(0x0A), "not one line")
    let columns = row.bytes.dropLast().split(separator: 0x09, omittingEmptySubsequences: false)
    check(columns.count == 3 && Array(columns[1]) == Array(#"\N"#.utf8), "other columns")
    check(unescaped(columns[0]) == Array(text.utf8), "another value")
    check(Array(columns[0]) != Array(#"\N"#.utf8), "a value that is NULL")
  }

  /// PostgreSQL manual, "COPY", "Text Format".
  private static func unescaped(_ column: ArraySlice<UInt8>) -> [UInt8] {
    var bytes: [UInt8] = []
    var isEscape = false
    for byte in column {
      switch (isEscape, byte) {
      case (false, UInt8(ascii: "\\")): isEscape = true
      case (false, _): bytes.append(byte)
      case (true, UInt8(ascii: "n")): (bytes, isEscape) = (bytes + [0x0A], false)
      case (true, UInt8(ascii: "r")): (bytes, isEscape) = (bytes + [0x0D], false)
      case (true, UInt8(ascii: "t")): (bytes, isEscape) = (bytes + [0x09], false)
      case (true, _): (bytes, isEscape) = (bytes + [byte], false)
      }
    }
    return bytes
  }
}
