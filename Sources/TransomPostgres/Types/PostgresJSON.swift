internal import FoundationEssentials

/// A value that goes and comes as JSON: for columns of type `json` or `jsonb`.
public struct PostgresJSON<Value> {
  /// The value.
  public var value: Value

  /// Takes the value.
  public init(_ value: Value) { self.value = value }
}

extension PostgresJSON: Sendable where Value: Sendable {}
extension PostgresJSON: Equatable where Value: Equatable {}

extension PostgresJSON: PostgresEncodable where Value: Encodable {
  /// Appends the value as JSON; what cannot be encoded makes the statement fail.
  public func encode(into text: inout ParameterText) {
    do {
      text.append(String(decoding: try JSONEncoder().encode(value), as: UTF8.self))
    } catch {
      text.fail(PostgresError(.encoding, "\(Value.self) cannot be encoded as JSON: \(error)"))
    }
  }
}

extension PostgresJSON: PostgresDecodable where Value: Decodable {
  /// Reads JSON.
  public init(decoding value: PostgresValue) throws {
    guard let text = value.text else { throw value.mismatch(Value.self) }
    do {
      self.init(try JSONDecoder().decode(Value.self, from: Data(text.utf8)))
    } catch {
      throw PostgresError(.decoding, "the JSON is no \(Value.self): \(error)")
    }
  }
}
