/// The fields of an object in the document. The raw value is the name's position in `names`.
protocol RequestField: RawRepresentable<Int> {
  static var names: [StaticString] { get }
}

extension RequestField {
  /// The field of this name; nil if there is none.
  init?(_ key: JSONNode, in json: borrowing JSONReader) {
    guard let position = json.position(of: key, in: Self.names) else { return nil }
    self.init(rawValue: position)
  }

  /// All names, for whoever used another.
  static var list: String { names.map(\.description).joined(separator: ", ") }

  /// For the set of the fields that have occurred.
  var bit: UInt32 { 1 << UInt32(rawValue) }
}

enum DocumentField: Int, RequestField {
  case database, isolation, readOnly, deferrable, dryRun, timeout, maxAttempts, role, settings
  case rowFormat, statements, onCommit

  static let names: [StaticString] = [
    "database", "isolation", "read_only", "deferrable", "dry_run", "timeout_ms", "max_attempts",
    "role", "settings", "row_format", "statements", "on_commit",
  ]
}

enum ItemField: Int, RequestField {
  case sql, params, batch, refs, expect, id, savepoint, onError, onCommit

  static let names: [StaticString] = [
    "sql", "params", "batch", "refs", "expect", "id", "savepoint", "on_error", "on_commit",
  ]
}

enum ExpectationField: Int, RequestField {
  case rowCount, min, max

  static let names: [StaticString] = ["row_count", "min", "max"]
}

enum HookField: Int, RequestField {
  case event, data, refs, url

  static let names: [StaticString] = ["event", "data", "refs", "url"]
}

/// Values of the types that fields have, and the errors of those that are of another.
extension JSONReader {
  func error(_ code: RequestError.Code, at node: JSONNode, _ detail: String) -> RequestError {
    RequestError(code, at: pointer(to: node), detail)
  }

  func expect(_ kind: JSONKind, _ node: JSONNode) throws(RequestError) {
    guard self.kind(of: node) != kind else { return }
    let found = self.kind(of: node).description
    throw error(.invalidRequest, at: node, "must be \(kind), not \(found)")
  }

  func boolean(_ node: JSONNode) throws(RequestError) -> Bool {
    switch kind(of: node) {
    case .true: return true
    case .false: return false
    case let other: throw error(.invalidRequest, at: node, "must be true or false, not \(other)")
    }
  }

  /// A string that PostgreSQL can take as a name or as SQL: not empty, without U+0000.
  func name(_ node: JSONNode) throws(RequestError) -> String {
    try expect(.string, node)
    return try checkedName(node)
  }

  /// Refuses U+0000 in a parameter that is a string, or in one of an array, which may become an array of texts. Inside of
  /// an object it is JSON's own matter: json can hold it, and jsonb says that it cannot.
  func refuseNUL(_ value: JSONNode) throws(RequestError) {
    guard !holdsNUL(value) else {
      throw error(.invalidParameter, at: value, "PostgreSQL's text cannot hold U+0000")
    }
    guard kind(of: value) == .array else { return }
    var children = self.children(of: value)
    while let element = next(&children) { try refuseNUL(element) }
  }

  /// The same for a key.
  func checkedName(_ node: JSONNode) throws(RequestError) -> String {
    guard !span(node).isEmpty else {
      throw error(.invalidRequest, at: node, "must not be empty")
    }
    guard !holdsNUL(node) else {
      throw error(.invalidRequest, at: node, "must not hold U+0000")
    }
    return string(node)
  }

  /// An integer, written with digits only: 1e3 and 5.0 are refused.
  func integer(_ node: JSONNode, in range: ClosedRange<Int>) throws(RequestError) -> Int {
    try expect(.number, node)
    let digits = span(node)
    var value = 0
    for index in digits.indices {
      let digit = Int(digits[index]) - 0x30
      // The range's bounds are far below what ten times itself would overflow.
      guard 0...9 ~= digit, value <= range.upperBound else {
        value = -1
        break
      }
      value = value * 10 + digit
    }
    guard range.contains(value) else {
      throw error(
        .invalidRequest, at: node,
        "must be an integer from \(range.lowerBound) to \(range.upperBound)")
    }
    return value
  }

  /// One of the names of an enumeration's cases.
  func choice<Choice: RawRepresentable<String> & CaseIterable>(
    _ node: JSONNode, of type: Choice.Type
  ) throws(RequestError) -> Choice {
    try expect(.string, node)
    guard let choice = Choice(rawValue: string(node)) else {
      let names = Choice.allCases.map(\.rawValue).joined(separator: ", ")
      throw error(.invalidRequest, at: node, "must be one of \(names)")
    }
    return choice
  }

  /// Checks that a field has not occurred in its object, and notes that it has.
  func note(
    _ field: some RequestField, _ key: JSONNode, in seen: inout UInt32
  ) throws(RequestError) {
    guard seen & field.bit == 0 else {
      throw error(.invalidRequest, at: key, "occurs twice in the same object")
    }
    seen |= field.bit
  }
}

extension JSONKind: CustomStringConvertible {
  /// The kind as a sentence says it.
  package var description: String {
    switch self {
    case .null: "null"
    case .false: "false"
    case .true: "true"
    case .number: "a number"
    case .string: "a string"
    case .array: "an array"
    case .object: "an object"
    }
  }
}
