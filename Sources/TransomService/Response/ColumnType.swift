/// A PostgreSQL type as a result needs it: its name for `columns[].type`, and its encoding.
package struct ColumnType: Equatable, Sendable {
  /// `pg_type.typname`, such as `int8` or `_int4`.
  package let name: String
  package let encoding: ColumnEncoding

  package init(name: String, encoding: ColumnEncoding) {
    self.name = name
    self.encoding = encoding
  }
}

/// The types by OID: the built-in ones, whose OIDs never change, and those of one database that
/// were looked up in its catalogue.
package struct TypeTable: Equatable, Sendable {
  private var added: [UInt32: ColumnType] = [:]

  package init() {}

  /// Adds a type of this database, found in `pg_type`.
  package mutating func add(_ type: ColumnType, oid: UInt32) {
    added[oid] = type
  }

  /// Whether ``subscript(_:)`` knows the type's name and encoding.
  package func knows(_ oid: UInt32) -> Bool {
    Self.builtIn[oid] != nil || added[oid] != nil
  }

  /// The type. An unknown one is named by its OID, and its values are their text.
  package subscript(oid: UInt32) -> ColumnType {
    Self.builtIn[oid] ?? added[oid] ?? ColumnType(name: String(oid), encoding: .text)
  }

  /// Whether the type is the same in every database. Without a look into a table: it is asked of each column.
  package static func isBuiltIn(_ oid: UInt32) -> Bool {
    oid < builtInLimit && areBuiltIn[Int(oid)]
  }

  private static let builtInLimit: UInt32 = 8192
  private static let areBuiltIn = (0..<builtInLimit).map { builtIn[$0] != nil }

  /// A built-in type; nil for any other.
  static func builtInType(_ oid: UInt32) -> ColumnType? { builtIn[oid] }

  private static let builtIn: [UInt32: ColumnType] = {
    var types: [UInt32: ColumnType] = [:]
    for row in builtInTypes {
      let type = ColumnType(name: row.name, encoding: .scalar(row.encoding))
      types[row.oid] = type
      guard row.arrayOID != 0 else { continue }
      // The only built-in type whose own text holds commas unquoted is box.
      let delimiter = row.name == "box" ? UInt8(ascii: ";") : UInt8(ascii: ",")
      types[row.arrayOID] = ColumnType(
        name: "_" + row.name, encoding: .array(of: type.encoding, delimiter: delimiter))
    }
    // Its elements' type differs from row to row (pg_stats); the text does not tell it.
    types[2277] = ColumnType(
      name: "anyarray", encoding: .array(of: .text, delimiter: UInt8(ascii: ",")))
    return types
  }()
}
