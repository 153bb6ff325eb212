/// A transaction as a client may post it, drawn by lot.
struct RandomTransaction: Sendable {
  /// A parameter as JSON in the request, and as text for the server; nil is NULL.
  struct Value: Sendable {
    var json: String
    var text: String?

    static let null = Value(json: "null", text: nil)
    static func number(_ number: Int) -> Value { Value(json: "\(number)", text: "\(number)") }
    static func text(_ text: String) -> Value { Value(json: quoted(text), text: text) }
    static func boolean(_ value: Bool) -> Value { Value(json: "\(value)", text: "\(value)") }
    static func numbers(_ list: [Int]) -> Value {
      let elements = list.map(String.init).joined(separator: ",")
      return Value(json: "[\(elements)]", text: "{\(elements)}")
    }
  }

  struct Reference: Sendable {
    /// Counted from 1.
    var parameter: Int
    /// The id of another statement, and where in its result.
    var id: String
    var path: [String]
  }

  struct Statement: Sendable {
    var id: String?
    var sql: String
    /// The parameters of each run; of one, if it is no batch.
    var runs: [[Value]] = [[]]
    var isBatch = false
    var references: [Reference] = []
    /// How many rows it must count.
    var expectation: ClosedRange<Int>?
    /// It does not end within the transaction's time.
    var isEndless = false
  }

  indirect enum Item: Sendable {
    case statement(Statement)
    case group([Item], continues: Bool)
  }

  var items: [Item] = []
  var isDryRun = false
  var isReadOnly = false
  /// As in BEGIN, such as `REPEATABLE READ`.
  var isolation: String?
  var settings: [(name: String, value: String)] = []
  var hasObjects = true
  /// Milliseconds.
  var timeout: Int?
  /// Whether it makes or drops a type, so that a statement prepared earlier may have to be replayed.
  var changesTypes = false

  /// The request's body.
  var document: String {
    var members = ["\"statements\": \(Self.list(items))"]
    if isDryRun { members.append("\"dry_run\": true") }
    if isReadOnly { members.append("\"read_only\": true") }
    if let isolation {
      let name = isolation.lowercased().map { $0 == " " ? "_" : $0 }
      members.append("\"isolation\": \(Self.quoted(String(name)))")
    }
    if !settings.isEmpty {
      let all = settings.map { "\(Self.quoted($0.name)): \(Self.quoted($0.value))" }
      members.append("\"settings\": {\(all.joined(separator: ", "))}")
    }
    if !hasObjects { members.append("\"row_format\": \"arrays\"") }
    if let timeout { members.append("\"timeout_ms\": \(timeout)") }
    return "{\(members.joined(separator: ", "))}"
  }

  private static func list(_ items: [Item]) -> String {
    let all = items.map { item in
      switch item {
      case .statement(let statement): text(statement)
      case .group(let items, let continues):
        "{\"savepoint\": \(list(items)), \"on_error\": \"\(continues ? "continue" : "rollback")\"}"
      }
    }
    return "[\(all.joined(separator: ", "))]"
  }

  private static func text(_ statement: Statement) -> String {
    var members = ["\"sql\": \(quoted(statement.sql))"]
    if let id = statement.id { members.append("\"id\": \(quoted(id))") }
    let runs = statement.runs.map { "[\($0.map(\.json).joined(separator: ", "))]" }
    if statement.isBatch {
      members.append("\"batch\": [\(runs.joined(separator: ", "))]")
    } else if let run = runs.first {
      members.append("\"params\": \(run)")
    }
    if !statement.references.isEmpty {
      let all = statement.references.map { reference in
        let tokens = ([reference.id] + reference.path).map { "/" + escaped($0) }
        return "\"\(reference.parameter)\": \(quoted(tokens.joined()))"
      }
      members.append("\"refs\": {\(all.joined(separator: ", "))}")
    }
    if let expected = statement.expectation {
      members.append(
        expected.count == 1
          ? "\"expect\": {\"row_count\": \(expected.lowerBound)}"
          : "\"expect\": {\"min\": \(expected.lowerBound), \"max\": \(expected.upperBound)}")
    }
    return "{\(members.joined(separator: ", "))}"
  }

  /// A JSON string of a text without control characters.
  private static func quoted(_ text: String) -> String {
    "\"" + text.flatMap { $0 == "\"" || $0 == "\\" ? ["\\", $0] : [$0] } + "\""
  }

  /// A token of a JSON Pointer (RFC 6901, section 3).
  private static func escaped(_ token: String) -> String {
    token.map { $0 == "~" ? "~0" : $0 == "/" ? "~1" : String($0) }.joined()
  }
}
