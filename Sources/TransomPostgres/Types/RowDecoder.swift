internal import FoundationEssentials

/// Finds columns by name: looked up once for all rows of a result.
final class ColumnNames: Sendable {
  private let columns: [String: Int]

  init(_ storage: ResultStorage) {
    var columns: [String: Int] = [:]
    for (index, column) in Column.all(of: storage).enumerated() where columns[column.name] == nil {
      columns[column.name] = index
    }
    self.columns = columns
  }

  var all: some Collection<String> { columns.keys }

  /// The column of that name, or of that name in snake case.
  subscript(key: any CodingKey) -> Int? {
    columns[key.stringValue] ?? columns[Self.snakeCase(key.stringValue)]
  }

  static func snakeCase(_ name: String) -> String {
    var text = ""
    var wasLower = false
    for character in name {
      if character.isUppercase, wasLower { text += "_" }
      wasLower = !character.isUppercase
      text += character.lowercased()
    }
    return text
  }
}

/// Decodes a row as a `Decodable` type.
struct RowDecoder: Decoder {
  let row: Row
  let names: ColumnNames

  var codingPath: [any CodingKey] { [] }
  var userInfo: [CodingUserInfoKey: Any] { [:] }

  func decode<Value: Decodable>(_ type: Value.Type) throws -> Value {
    do {
      return try Value(from: self)
    } catch let error as DecodingError {
      throw PostgresError(.decoding, "the row is no \(Value.self): \(error)")
    }
  }

  func container<Key: CodingKey>(keyedBy type: Key.Type) -> KeyedDecodingContainer<Key> {
    KeyedDecodingContainer(Columns(row: row, names: names))
  }

  func unkeyedContainer() throws -> any UnkeyedDecodingContainer {
    throw PostgresError(.decoding, "a row has columns with names: it is no list")
  }

  func singleValueContainer() throws -> any SingleValueDecodingContainer {
    guard row.count == 1 else {
      throw PostgresError(
        .decoding, "the row has \(row.count) columns, and one value was asked for")
    }
    return ValueDecoder(value: row[0], codingPath: [])
  }

  private struct Columns<Key: CodingKey>: KeyedDecodingContainerProtocol {
    let row: Row
    let names: ColumnNames

    var codingPath: [any CodingKey] { [] }
    var allKeys: [Key] { names.all.compactMap { Key(stringValue: $0) } }

    func contains(_ key: Key) -> Bool { names[key] != nil }

    func decodeNil(forKey key: Key) throws -> Bool { try value(key).isNull }

    func decode<Value: Decodable>(_ type: Value.Type, forKey key: Key) throws -> Value {
      try ValueDecoder(value: value(key), codingPath: [key]).decode(type)
    }

    private func value(_ key: Key) throws -> PostgresValue {
      guard let column = names[key] else {
        throw PostgresError(.decoding, "there is no column \(key.stringValue)")
      }
      return row[column]
    }

    func nestedContainer<Nested: CodingKey>(
      keyedBy type: Nested.Type, forKey key: Key
    ) throws -> KeyedDecodingContainer<Nested> {
      throw PostgresError(.decoding, "column \(key.stringValue) has no columns of its own")
    }

    func nestedUnkeyedContainer(forKey key: Key) throws -> any UnkeyedDecodingContainer {
      throw PostgresError(.decoding, "column \(key.stringValue) is no list")
    }

    func superDecoder() throws -> any Decoder { RowDecoder(row: row, names: names) }
    func superDecoder(forKey key: Key) throws -> any Decoder {
      ValueDecoder(value: try value(key), codingPath: [key])
    }
  }
}

/// Decodes one value: directly, by its raw value, or from JSON.
private struct ValueDecoder: Decoder, SingleValueDecodingContainer {
  let value: PostgresValue
  let codingPath: [any CodingKey]

  var userInfo: [CodingUserInfoKey: Any] { [:] }

  func decodeNil() -> Bool { value.isNull }

  func decode<Value: Decodable>(_ type: Value.Type) throws -> Value {
    if let direct = type as? any PostgresDecodable.Type {
      guard let result = try direct.init(decoding: value) as? Value else {
        throw value.mismatch(Value.self)
      }
      return result
    }
    if OID.json.contains(value.type), let text = value.text {
      return try JSONDecoder().decode(type, from: Data(text.utf8))
    }
    return try Value(from: self)
  }

  func singleValueContainer() -> any SingleValueDecodingContainer { self }

  func container<Key: CodingKey>(keyedBy type: Key.Type) throws -> KeyedDecodingContainer<Key> {
    throw value.mismatch([String: Key].self)
  }

  func unkeyedContainer() throws -> any UnkeyedDecodingContainer {
    throw value.mismatch([String].self)
  }
}

extension OID {
  /// `json` and `jsonb`.
  fileprivate static let json: Set<OID> = [OID(114), OID(3802)]
}
