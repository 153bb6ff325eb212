/// A command's completion tag, such as `INSERT 0 5` or `CREATE TABLE`, taken apart
/// (PostgreSQL manual, 55.7 "Message Formats", CommandComplete).
package struct CommandTag: Equatable, Sendable {
  /// The length in bytes of the command's name, with which the tag begins.
  package let nameLength: Int
  /// The number of rows that the command inserted, changed, deleted or returned; nil if it counts
  /// none.
  package let rowCount: Int?

  package init(_ tag: Span<UInt8>) {
    guard let count = Self.lastNumber(in: tag, before: tag.count) else {
      nameLength = tag.count
      rowCount = nil
      return
    }
    rowCount = count.value
    // INSERT's tag has a second number in front, an OID of old that is always 0.
    nameLength = Self.lastNumber(in: tag, before: count.space)?.space ?? count.space
  }

  /// The number that ends at `end`, and where the space before it is.
  private static func lastNumber(
    in tag: Span<UInt8>, before end: Int
  ) -> (value: Int, space: Int)? {
    var start = end
    while start > 0, 0x30...0x39 ~= tag[start - 1] { start -= 1 }
    guard start < end, start > 0, tag[start - 1] == 0x20 else { return nil }
    var value = 0
    for index in start..<end {
      let (product, overflow) = value.multipliedReportingOverflow(by: 10)
      let (sum, carry) = product.addingReportingOverflow(Int(tag[index]) - 0x30)
      guard !overflow, !carry else { return nil }
      value = sum
    }
    return (value, start - 1)
  }
}
