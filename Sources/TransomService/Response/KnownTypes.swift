package import TransomPostgres

/// What one database's catalogue said of the types that are not built in, each when it was asked for last.
///
/// It never changes: what is learned makes another one, so that whoever works with one can keep it.
package final class KnownTypes: Sendable {
  package let table: TypeTable
  private let rows: [UInt32: CatalogueType]

  package static let none = KnownTypes([:])

  /// Types come and go with temporary tables: so many are kept, then it begins anew.
  static let limit = 2000

  private init(_ rows: [UInt32: CatalogueType]) {
    self.rows = rows
    var table = TypeTable()
    table.add(rows.values)
    self.table = table
  }

  /// The same with the rows of a look-up, each in place of what was known of its type.
  package func adding(_ found: [CatalogueType]) -> KnownTypes {
    var all = rows.count + found.count > Self.limit ? [:] : rows
    for row in found { all[row.oid] = row }
    // All encodings are made anew: each holds those of the types that it is made of.
    return KnownTypes(all)
  }

  /// These types and all that they are made of, but for what is built in; nil if not all is known.
  package func closure(of types: Set<UInt32>) -> Set<UInt32>? {
    var closure: Set<UInt32> = []
    var open = Array(types)
    while let oid = open.popLast() {
      guard !TypeTable.isBuiltIn(oid), closure.insert(oid).inserted else { continue }
      guard let row = rows[oid] else { return nil }
      open += row.parts
    }
    return closure
  }

  /// Whether all of these types are still as they were, by the answer to ``CatalogueType/check``.
  package func hold(for types: Set<UInt32>, by answer: borrowing PGResultHandle) -> Bool {
    var confirmed = 0
    for row in 0..<answer.rowCount {
      guard let oid = answer.text(row: row, column: 0).flatMap({ UInt32($0) }),
        let known = rows[oid], known.stamp == answer.text(row: row, column: 1)
      else { return false }
      confirmed += 1
    }
    return confirmed == types.count
  }
}

extension CatalogueType {
  /// The rows of an answer to ``lookup``.
  package static func rows(of answer: borrowing PGResultHandle) -> [CatalogueType] {
    var types: [CatalogueType] = []
    for row in 0..<answer.rowCount {
      var columns: [String?] = []
      for column in 0..<answer.columnCount {
        columns.append(answer.text(row: row, column: column))
      }
      if let type = CatalogueType(row: columns) { types.append(type) }
    }
    return types
  }

  /// The parameter of ``lookup`` and ``check``.
  package static func parameter(_ types: Set<UInt32>) -> ParameterList {
    var parameters = ParameterList()
    parameters.append("{\(types.map(String.init).joined(separator: ","))}".utf8)
    return parameters
  }
}
