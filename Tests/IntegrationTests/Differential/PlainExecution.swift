import TransomPostgres

/// Executes a transaction in the plainest way: a command at a time, each of which is waited for.
///
/// It shares nothing with the service but the wire contract: no pipeline, no plan, and values become JSON by
/// PostgreSQL's own `to_json`.
struct PlainExecution {
  /// Why an item failed, on its way outwards.
  private struct Failure: Error {
    var code: String
    var status: Int
    var statement: String?
    /// Of the run of a batch, or of a setting.
    var pointer: String?
    var error: ServerError?
    /// No group holds it up.
    var isFatal = false
  }

  private let connection: PlainConnection
  private let values: PlainValues
  private let transaction: RandomTransaction
  /// What statements may be referred to now.
  private var results: [String: JSON] = [:]

  /// Runs the transaction, and returns what the service must answer.
  static func answer(
    to transaction: RandomTransaction, on connection: PlainConnection, _ values: PlainValues
  ) async throws -> JSON {
    var execution = PlainExecution(connection: connection, values: values, transaction: transaction)
    do {
      return try await execution.run()
    } catch let failure as Failure {
      try await connection.run("ROLLBACK")
      return execution.problem(failure)
    }
  }

  private init(
    connection: PlainConnection, values: PlainValues, transaction: RandomTransaction
  ) {
    self.connection = connection
    self.values = values
    self.transaction = transaction
  }

  private mutating func run() async throws -> JSON {
    var begin = "BEGIN"
    if let isolation = transaction.isolation { begin += " ISOLATION LEVEL \(isolation)" }
    if transaction.isReadOnly { begin += " READ ONLY" }
    try await connection.run(begin)
    for (name, value) in transaction.settings {
      try await send(
        "select set_config($1, $2, true)", [name, value], statement: nil,
        pointer: "/settings/\(name)")
    }
    let results = try await run(transaction.items, in: "/statements")
    if transaction.isDryRun {
      try await connection.run("ROLLBACK")
    } else {
      do {
        try await connection.run("COMMIT")
      } catch let error as ServerError {
        throw Failure(code: "commit-failed", status: Self.status(of: error), error: error)
      }
    }
    return [
      "status": transaction.isDryRun ? "rolled_back" : "committed", "results": .array(results),
    ]
  }

  private mutating func run(
    _ items: [RandomTransaction.Item], in path: String
  ) async throws -> [JSON] {
    var done: [JSON] = []
    try await run(items, in: path, into: &done)
    return done
  }

  private mutating func run(
    _ items: [RandomTransaction.Item], in path: String, into done: inout [JSON]
  ) async throws {
    for (index, item) in items.enumerated() {
      let pointer = "\(path)/\(index)"
      switch item {
      case .statement(let statement): done.append(try await run(statement, at: pointer))
      case .group(let items, let continues):
        done.append(try await run(group: items, continues, at: pointer))
      }
    }
  }

  private mutating func run(
    group items: [RandomTransaction.Item], _ continues: Bool, at pointer: String
  ) async throws -> JSON {
    let before = results
    try await connection.run("SAVEPOINT here")
    var done: [JSON] = []
    do {
      try await run(items, in: pointer + "/savepoint", into: &done)
      try await connection.run("RELEASE here")
      return ["savepoint": "released", "results": .array(done)]
    } catch let failure as Failure {
      guard !failure.isFatal else { throw failure }
      try await connection.run("ROLLBACK TO here")
      try await connection.run("RELEASE here")
      results = before
      guard continues else { throw failure }
      return ["savepoint": "rolled_back", "error": problem(failure), "results": .array(done)]
    }
  }

  // MARK: A statement

  private mutating func run(
    _ statement: RandomTransaction.Statement, at pointer: String
  ) async throws -> JSON {
    if statement.isEndless {
      throw Failure(code: "timeout", status: 504, statement: pointer, isFatal: true)
    }
    let replaced = try replacements(of: statement, at: pointer)
    var total = PlainConnection.Reply()
    for (number, run) in statement.runs.enumerated() {
      var parameters = run.map(\.text)
      for (index, text) in replaced { parameters[index] = text }
      let reply = try await send(
        statement.sql, parameters, statement: pointer,
        pointer: statement.isBatch ? "\(pointer)/batch/\(number)" : nil)
      total.command = reply.command
      total.columns = reply.columns
      total.rowCount += reply.rowCount
      total.rows += reply.rows
    }
    if let expected = statement.expectation, !expected.contains(total.rowCount) {
      throw Failure(code: "expectation-failed", status: 409, statement: pointer)
    }
    let result = try await json(total, id: statement.id)
    if let id = statement.id { results[id] = result }
    return result
  }

  private func replacements(
    of statement: RandomTransaction.Statement, at pointer: String
  ) throws -> [(Int, String?)] {
    try statement.references.map { reference in
      guard let value = results[reference.id]?.value(at: reference.path) else {
        throw Failure(code: "unresolved-reference", status: 422, statement: pointer)
      }
      return (reference.parameter - 1, value.parameter)
    }
  }

  @discardableResult
  private func send(
    _ sql: String, _ parameters: [String?], statement: String?, pointer: String? = nil
  ) async throws -> PlainConnection.Reply {
    do {
      return try await connection.run(sql, parameters)
    } catch let error as ServerError {
      throw Failure(
        code: "statement-failed", status: Self.status(of: error), statement: statement,
        pointer: pointer, error: error)
    }
  }

  // MARK: JSON

  private func json(_ reply: PlainConnection.Reply, id: String?) async throws -> JSON {
    var result: [String: JSON] = [
      "command": .string(reply.command), "row_count": .number(Double(reply.rowCount)),
    ]
    if let id { result["id"] = .string(id) }
    guard let columns = reply.columns else { return .object(result) }
    let keys = Self.keys(columns.map(\.name))
    var described: [JSON] = []
    for (column, key) in zip(columns, keys) {
      var description: [String: JSON] = [
        "name": .string(column.name), "type": .string(try await values.name(of: column.type)),
      ]
      if transaction.hasObjects, key != column.name { description["key"] = .string(key) }
      described.append(.object(description))
    }
    result["columns"] = .array(described)
    var rows: [JSON] = []
    for row in reply.rows {
      var cells: [JSON] = []
      for (text, column) in zip(row, columns) {
        cells.append(try await values.json(text, of: column.type))
      }
      rows.append(
        transaction.hasObjects
          ? .object(Dictionary(zip(keys, cells)) { $1 }) : .array(cells))
    }
    result["rows"] = .array(rows)
    return .object(result)
  }

  /// A name that occurs again gets a number.
  private static func keys(_ names: [String]) -> [String] {
    var seen: [String: Int] = [:]
    return names.map { name in
      seen[name, default: 0] += 1
      let count = seen[name] ?? 1
      return count == 1 ? name : "\(name)_\(count)"
    }
  }

  private func problem(_ failure: Failure) -> JSON {
    var problem: [String: JSON] = [
      "type": .string("/problems/" + failure.code), "status": .number(Double(failure.status)),
      "outcome": "rolled_back",
    ]
    if let statement = failure.statement { problem["statement"] = .string(statement) }
    if let pointer = failure.pointer { problem["pointer"] = .string(pointer) }
    if let error = failure.error {
      problem["sqlstate"] = .string(error.sqlState.code)
      problem["detail"] = .string(error.message)
      if let detail = error.detail { problem["server_detail"] = .string(detail) }
      if let constraint = error.constraint { problem["constraint"] = .string(constraint) }
      if let position = error.position { problem["position"] = .number(Double(position)) }
    }
    return .object(problem)
  }

  /// Of the codes that can come up here.
  private static func status(of error: ServerError) -> Int {
    error.sqlState.code.hasPrefix("23") ? 409 : 422
  }
}

extension JSON {
  /// What a JSON Pointer of these tokens leads to (RFC 6901, section 4).
  fileprivate func value(at path: [String]) -> JSON? {
    var value = self
    for token in path {
      switch value {
      case .object(let members):
        guard let member = members[token] else { return nil }
        value = member
      case .array(let elements):
        guard let index = Int(token), String(index) == token, elements.indices.contains(index)
        else { return nil }
        value = elements[index]
      default: return nil
      }
    }
    return value
  }

  /// A scalar as a parameter.
  fileprivate var parameter: String? {
    switch self {
    case .number(let number): String(Int(number))
    case .string(let text): text
    case .boolean(let value): value ? "true" : "false"
    default: nil
    }
  }
}
