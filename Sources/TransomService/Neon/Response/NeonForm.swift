/// How the results of a POST /sql are written.
package struct NeonForm: Equatable, Sendable {
  /// Whether they stand in `results`; if not, the only one is the answer.
  package var isBatch: Bool
  /// Whether all values are strings of PostgreSQL's text.
  package var isRawText: Bool
  /// Whether the rows of each query are arrays.
  package var arrays: [Bool]

  package init(isBatch: Bool, isRawText: Bool, arrays: [Bool]) {
    self.isBatch = isBatch
    self.isRawText = isRawText
    self.arrays = arrays
  }

  /// How the values of a type are written.
  func encoding(of type: UInt32) -> ColumnEncoding {
    isRawText ? .text : Self.encodings[type] ?? .text
  }

  /// The types that Neon's service turns into JSON other than strings, and their arrays. What a number of JavaScript cannot
  /// hold, int8 and numeric, stays text.
  private static let encodings: [UInt32: ColumnEncoding] = {
    var encodings: [UInt32: ColumnEncoding] = [:]
    for type in builtInTypes {
      let encoding: ColumnEncoding =
        switch type.name {
        case "bool", "int2", "int4", "float4", "float8", "json", "jsonb": .scalar(type.encoding)
        default: .text
        }
      if encoding != .text { encodings[type.oid] = encoding }
      guard type.arrayOID != 0 else { continue }
      encodings[type.arrayOID] = .array(
        of: encoding, delimiter: UInt8(ascii: type.name == "box" ? ";" : ","))
    }
    return encodings
  }()
}
