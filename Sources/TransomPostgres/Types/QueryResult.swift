/// Owns what the server answered, for the values that are read out of it.
package final class ResultStorage: Sendable {
  package let handle: PGResultHandle

  package init(_ handle: consuming PGResultHandle) { self.handle = handle }
}

/// What a statement returned: its rows, all of them in memory, and how many it changed.
///
/// It is a collection of rows, and independent of the connection. Values are read when they are asked for.
public struct QueryResult: Sendable {
  let storage: ResultStorage

  init(_ storage: ResultStorage) { self.storage = storage }

  /// The command, such as `SELECT` or `CREATE TABLE`; empty if the statement was.
  public var command: String { storage.handle.commandText }

  /// The number of rows that the statement returned or changed; 0 for commands that count none.
  public var rowCount: Int { storage.handle.affectedRows }

  /// The columns of the rows; none if the statement returns no rows.
  public var columns: [Column] { Column.all(of: storage) }
}

/// A column of a result.
public struct Column: Hashable, Sendable {
  /// Its name.
  public let name: String
  /// Its type.
  public let type: OID

  static func all(of storage: ResultStorage) -> [Column] {
    (0..<storage.handle.columnCount).map {
      Column(name: storage.handle.name(ofColumn: $0), type: storage.handle.columnType($0))
    }
  }
}

extension QueryResult: RandomAccessCollection {
  /// 0
  public var startIndex: Int { 0 }
  /// The number of rows.
  public var endIndex: Int { storage.handle.rowCount }

  /// A row, counted from 0.
  public subscript(position: Int) -> Row {
    precondition(indices.contains(position), "there is no such row")
    return Row(storage, position)
  }
}

extension QueryResult {
  /// All rows, each decoded as a value or a tuple, column by column.
  ///
  ///     let people = try result.decode((Int, String, Date?).self)
  ///
  /// - Throws: `PostgresError` of kind `.decoding`.
  @inlinable
  public func decode<each Value: PostgresDecodable>(
    _ type: (repeat each Value).Type
  ) throws -> [(repeat each Value)] {
    var rows: [(repeat each Value)] = []
    rows.reserveCapacity(count)
    for row in self { rows.append(try row.decode(type)) }
    return rows
  }

  /// All rows, each decoded as a `Decodable` type by the names of the columns.
  ///
  /// - Throws: `PostgresError` of kind `.decoding`, or what the type's own initializer throws.
  public func decode<Value: Decodable>(as type: Value.Type) throws -> [Value] {
    let names = ColumnNames(storage)
    return try map { try RowDecoder(row: $0, names: names).decode(type) }
  }

  /// The only row, decoded as a value or a tuple.
  ///
  /// - Throws: `PostgresError` of kind `.rowCount` if there are none or more.
  @inlinable
  public func only<each Value: PostgresDecodable>(
    _ type: (repeat each Value).Type
  ) throws -> (repeat each Value) {
    guard count == 1 else { throw PostgresError.notOneRow(but: count) }
    return try self[0].decode(type)
  }
}

// The decoding of tuples is compiled for the types of who asks for them; what goes wrong need not be.
extension PostgresError {
  @usableFromInline static func notOneRow(but count: Int) -> PostgresError {
    PostgresError(.rowCount, "\(count) rows where one was expected")
  }

  @usableFromInline static func otherColumnCount(_ count: Int, asked: String) -> PostgresError {
    PostgresError(.decoding, "the row has \(count) columns, and \(asked) were asked for")
  }
}

/// One row of a result.
public struct Row: Sendable {
  let storage: ResultStorage
  private let index: Int

  init(_ storage: ResultStorage, _ index: Int) {
    self.storage = storage
    self.index = index
  }

  /// The number of columns.
  public var count: Int { storage.handle.columnCount }

  /// The columns.
  public var columns: [Column] { Column.all(of: storage) }

  /// A value by its column's number, counted from 0.
  public subscript(column: Int) -> PostgresValue {
    precondition(0..<count ~= column, "there is no such column")
    return PostgresValue(storage, row: index, column: column)
  }

  /// A value by its column's name, the first of that name; nil if there is no such column.
  public subscript(name: String) -> PostgresValue? {
    for column in 0..<count where storage.handle.name(ofColumn: column) == name {
      return self[column]
    }
    return nil
  }

  /// The value of a column.
  ///
  /// - Throws: `PostgresError` of kind `.decoding` if there is no such column, or its value is not of the type.
  public func decode<Value: PostgresDecodable>(
    _ name: String, as type: Value.Type = Value.self
  ) throws -> Value {
    guard let value = self[name] else {
      throw PostgresError(.decoding, "there is no column \(name)")
    }
    return try Value(decoding: value)
  }

  /// The row as a value or a tuple, column by column.
  ///
  /// - Throws: `PostgresError` of kind `.decoding`, also if the number of columns is another one.
  @inlinable
  public func decode<each Value: PostgresDecodable>(
    _ type: (repeat each Value).Type
  ) throws -> (repeat each Value) {
    let count = count
    var column = 0
    func next<Next: PostgresDecodable>(_ type: Next.Type) throws -> Next {
      guard column < count else { throw PostgresError.otherColumnCount(count, asked: "more") }
      defer { column += 1 }
      return try Next(decoding: self[column])
    }
    let values = (repeat try next((each Value).self))
    guard column == count else { throw PostgresError.otherColumnCount(count, asked: "\(column)") }
    return values
  }

  /// The row as a `Decodable` type, by the names of the columns.
  ///
  /// A property finds its column by its own name or by that in snake case: `createdAt` is `created_at`. A property
  /// that is no ``PostgresDecodable`` is read from a column's JSON, or by its raw value.
  ///
  /// - Throws: `PostgresError` of kind `.decoding`, or what the type's own initializer throws.
  public func decode<Value: Decodable>(as type: Value.Type) throws -> Value {
    try RowDecoder(row: self, names: ColumnNames(storage)).decode(type)
  }
}
