/// A value that can be read out of a row.
///
/// A type of one's own conforms by reading the value's text form:
///
///     extension Celsius: PostgresDecodable {
///       public init(decoding value: PostgresValue) throws { degrees = try Double(decoding: value) }
///     }
public protocol PostgresDecodable {
  /// Reads the value.
  ///
  /// - Throws: `PostgresError` of kind `.decoding` if it is NULL, or is not one of this type.
  init(decoding value: PostgresValue) throws
}

/// One value of a row, in PostgreSQL's text form.
public struct PostgresValue: Sendable {
  private enum Storage: Sendable {
    case cell(ResultStorage, row: Int, column: Int)
    /// An element of an array or a range; nil is NULL.
    case part([UInt8]?)
  }

  private let storage: Storage
  /// The type of the column; an element's value has 0.
  public let type: OID

  init(_ result: ResultStorage, row: Int, column: Int) {
    storage = .cell(result, row: row, column: column)
    type = result.handle.columnType(column)
  }

  package init(part: [UInt8]?) {
    storage = .part(part)
    type = OID(0)
  }

  /// Whether it is NULL.
  public var isNull: Bool {
    switch storage {
    case .cell(let result, let row, let column): result.handle.isNull(row: row, column: column)
    case .part(let bytes): bytes == nil
    }
  }

  /// The text; nil is NULL.
  public var text: String? {
    guard !isNull else { return nil }
    return withBytes { String(span: $0) }
  }

  /// Calls `body` with the text's UTF-8 code units, none for NULL, without copying them.
  public func withBytes<Result, Failure: Error>(
    _ body: (Span<UInt8>) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    switch storage {
    case .cell(let result, let row, let column):
      return try result.handle.withValue(row: row, column: column, body)
    case .part(let bytes):
      let bytes = bytes ?? []
      return try body(bytes.span)
    }
  }

  /// The error for a value that is not of the type that it was asked to be.
  public func mismatch<Value>(_ type: Value.Type) -> PostgresError {
    guard let text else {
      return PostgresError(.decoding, "NULL\(place) is no \(Value.self); an optional could hold it")
    }
    return PostgresError(
      .decoding, "\(text.prefix(80).debugDescription)\(place) is no \(Value.self)")
  }

  private var place: String {
    guard case .cell(let result, _, let column) = storage else { return "" }
    return " in column \(result.handle.name(ofColumn: column))"
  }
}

extension String {
  /// Copies UTF-8 code units; what is malformed becomes U+FFFD.
  init(span: Span<UInt8>) {
    if let text = try? UTF8Span(validating: span) {
      self.init(copying: text)
    } else {
      self.init(decoding: [UInt8](span: span), as: UTF8.self)
    }
  }
}

extension [UInt8] {
  /// Copies bytes.
  init(span: Span<UInt8>) {
    self.init()
    reserveCapacity(span.count)
    for index in span.indices { append(span[index]) }
  }
}
