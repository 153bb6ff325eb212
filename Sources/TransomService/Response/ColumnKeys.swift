/// Makes the keys by which the columns of a result stand in its row objects.
///
/// A name that occurs again gets `_2`, `_3`, … but never a key that is another column's name or
/// key, so that no column is lost: `a, a, a_2` become `a, a_3, a_2`.
enum ColumnKeys {
  /// Whether no name occurs twice: then every name is its key. The answer for nearly every result.
  static func areDistinct(_ names: borrowing [UInt8], _ ranges: [Range<Int>]) -> Bool {
    // Few columns: to compare each with each is cheaper than to hash.
    guard ranges.count <= 16 else {
      return Set(ranges.map { names[$0] }).count == ranges.count
    }
    for (index, range) in ranges.enumerated() {
      for earlier in ranges[..<index] where earlier.count == range.count {
        if names[earlier] == names[range] { return false }
      }
    }
    return true
  }

  static func make(for names: [ArraySlice<UInt8>]) -> [[UInt8]] {
    var taken = Set(names.map { [UInt8]($0) })
    var lastNumber: [ArraySlice<UInt8>: Int] = [:]
    return names.map { name in
      guard var number = lastNumber[name] else {
        lastNumber[name] = 1
        return [UInt8](name)
      }
      number += 1
      while !taken.insert(numbered(name, number)).inserted { number += 1 }
      lastNumber[name] = number
      return numbered(name, number)
    }
  }

  private static func numbered(_ name: ArraySlice<UInt8>, _ number: Int) -> [UInt8] {
    name + Array("_\(number)".utf8)
  }
}
