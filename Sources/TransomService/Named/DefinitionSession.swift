internal import TransomPostgres

/// The questions that the check of one named transaction asks its database, each in a transaction that is rolled back and has
/// the role and the settings of the definition.
struct DefinitionSession {
  private enum Question {
    case query(StatementText, ParameterList)
    case description(StatementText)
  }

  /// The answer to a question; of a query, its only value.
  private struct Answer {
    var text: String?
    var types: [OID] = []
  }

  /// Which question could not be answered, and why.
  private struct Refusal: Error {
    var index: Int
    var error: ServerError
  }

  private struct Statement {
    var pointer: String
    var request: TransactionRequest.Statement
    /// Whether it stands behind one that makes or changes tables, types or the like, which it may need.
    var isBehindDefinition: Bool
  }

  private let transaction: NamedTransaction
  private let request: TransactionRequest
  private var preamble: [(question: Question, pointer: String)] = []

  init(_ transaction: NamedTransaction, _ request: TransactionRequest) {
    self.transaction = transaction
    self.request = request
    // Somebody may be changing a table just now.
    for name in ["lock_timeout", "statement_timeout"] { set(name, "5s", for: "") }
    if let role = request.role { set("role", role, for: "/role") }
    for setting in request.settings where transaction.parameter(markedBy: setting.value) == nil {
      let pointer = JSONPointer().appending("settings").appending(setting.name).description
      set(setting.name, setting.value, for: pointer)
    }
  }

  private mutating func set(_ name: String, _ value: String, for pointer: String) {
    let question = Self.query("select pg_catalog.set_config($1, $2, true)", [name, value])
    preamble.append((question, pointer))
  }

  private static func query(_ sql: StatementText, _ parameters: [String]) -> Question {
    var list = ParameterList()
    for parameter in parameters { list.append(parameter.utf8) }
    return .query(sql, list)
  }

  // MARK: The check

  func check(
    on connection: isolated PostgresConnection
  ) async throws(ConnectionError) -> DefinitionCheck.Finding {
    var flaws: [String] = []
    do {
      // Role and settings, be there anything else or not.
      _ = try await ask(Self.query("select 1", []), on: connection)
      let declared = try await declaredTypes(&flaws, on: connection)
      for statement in statements() {
        flaws += try await self.flaws(of: statement, declared, on: connection)
      }
    } catch {
      switch error {
      case .lost(let error): throw error
      case .refused(let refusal):
        guard refusal.error.isPassing else {
          flaws.append(flaw(at: preamble[refusal.index].pointer, refusal.error))
          break
        }
        return .unknown(reason: refusal.error.message)
      }
    }
    return flaws.isEmpty ? .sound : .flaws(flaws)
  }

  private enum Failure: Error {
    case lost(ConnectionError)
    /// A role or a setting.
    case refused(Refusal)
  }

  /// The types that the definition says, by parameter.
  private func declaredTypes(
    _ flaws: inout [String], on connection: isolated PostgresConnection
  ) async throws(Failure) -> [OID?] {
    var types: [OID?] = []
    for parameter in transaction.parameters {
      let question = Self.query(
        "select pg_catalog.to_regtype($1)::pg_catalog.oid", [parameter.type.castName])
      let place = transaction.source.place(of: "/params/\(parameter.name)")
      switch try await ask(question, on: connection) {
      case .failure(let error):
        flaws.append("\(place): \(error.message)")
        types.append(nil)
      case .success(let answer):
        let type = answer.text.flatMap { UInt32($0) }.map { OID($0) }
        if type == nil { flaws.append("\(place): there is no type \(parameter.type.name)") }
        types.append(type)
      }
    }
    return types
  }

  private func flaws(
    of statement: Statement, _ declared: [OID?], on connection: isolated PostgresConnection
  ) async throws(Failure) -> [String] {
    let inferred: [OID]
    switch try await ask(.description(statement.request.sql.statement), on: connection) {
    case .success(let answer): inferred = answer.types
    case .failure(let error):
      if error.isPassing { throw .refused(Refusal(index: 0, error: error)) }
      if statement.isBehindDefinition, error.namesNothing { return [] }
      return [flaw(at: statement.pointer, error)]
    }
    var flaws: [String] = []
    let range = statement.request.parameters
    let count = range.count / (statement.request.runs ?? 1)
    guard inferred.count == count else {
      return [
        "\(place(statement.pointer)): it takes \(inferred.count) parameters, but has \(count)"
      ]
    }
    for index in range {
      let number = (index - range.lowerBound) % max(count, 1)
      guard let text = request.parameters.text(at: index),
        let parameter = transaction.parameter(markedBy: text), let type = declared[parameter],
        type != inferred[number]
      else { continue }
      let name = try await self.name(of: inferred[number], on: connection)
      flaws.append(
        "\(place(statement.pointer)): PostgreSQL takes $\(number + 1) for \(name), but "
          + "\"\(transaction.parameters[parameter].name)\" is "
          + "\(transaction.parameters[parameter].type.name): write a cast, or :"
          + "\(transaction.parameters[parameter].name)")
    }
    return flaws
  }

  private func name(
    of type: OID, on connection: isolated PostgresConnection
  ) async throws(Failure) -> String {
    let question = Self.query(
      "select pg_catalog.format_type($1, null)", [String(type.rawValue)])
    guard case .success(let answer) = try await ask(question, on: connection) else { return "?" }
    return answer.text ?? "?"
  }

  private func place(_ pointer: String) -> String { transaction.source.place(of: pointer) }

  private func flaw(at pointer: String, _ error: ServerError) -> String {
    let hint = error.hint.map { " (\($0))" } ?? ""
    return "\(place(pointer)): \(error.message)\(hint), SQLSTATE \(error.sqlState.code)"
  }

  private func statements() -> [Statement] {
    var statements: [Statement] = []
    var isBehindDefinition = false
    func append(_ items: [TransactionRequest.Item], _ list: JSONPointer) {
      for (index, item) in items.enumerated() {
        let pointer = list.appending(index)
        switch item {
        case .statement(let statement):
          statements.append(
            Statement(
              pointer: pointer.description, request: statement,
              isBehindDefinition: isBehindDefinition))
          if statement.sql.kind == .defines { isBehindDefinition = true }
        case .group(let group): append(group.items, pointer.appending("savepoint"))
        }
      }
    }
    append(request.items, JSONPointer().appending("statements"))
    return statements
  }

  // MARK: On the wire

  /// Asks one question.
  private func ask(
    _ question: Question, on connection: isolated PostgresConnection
  ) async throws(Failure) -> Result<Answer, ServerError> {
    let result: Result<[Answer], Refusal>
    do {
      result = try await Self.ask(preamble.map(\.question) + [question], on: connection)
    } catch {
      throw .lost(error)
    }
    switch result {
    case .success(let answers): return .success(answers[preamble.count])
    case .failure(let refusal) where refusal.index == preamble.count:
      return .failure(refusal.error)
    case .failure(let refusal): throw .refused(refusal)
    }
  }

  private static func ask(
    _ questions: [Question], on connection: isolated PostgresConnection
  ) async throws(ConnectionError) -> Result<[Answer], Refusal> {
    connection.limitReceiving(to: .max)
    try connection.enqueueUnnamed("BEGIN")
    for question in questions {
      switch question {
      case .query(let sql, let parameters):
        try connection.enqueue(sql, parameters, 0..<parameters.count, isPrepared: false)
      case .description(let sql): try connection.enqueueDescription(of: sql)
      }
    }
    try connection.sync()
    var answers: [Answer] = []
    var refusal: Refusal?
    var hasBegun = false
    answering: while true {
      switch try await connection.next() {
      case .result where !hasBegun: hasBegun = true
      case .result(let result):
        let text = result.rowCount > 0 ? result.text(row: 0, column: 0) : nil
        answers.append(Answer(text: text, types: result.parameterTypes))
      case .failed(let error): refusal = Refusal(index: answers.count, error: error)
      case .skipped: continue
      case .synced: break answering
      }
    }
    try connection.enqueueUnnamed("ROLLBACK")
    try connection.sync()
    while true {
      if case .synced = try await connection.next() { break }
    }
    return refusal.map { .failure($0) } ?? .success(answers)
  }
}

extension ServerError {
  /// Whether the same question may well be answered later.
  fileprivate var isPassing: Bool {
    sqlState == "55P03" || sqlState == .queryCanceled || sqlState.status == 503
  }

  /// Whether a table, column, function, type or schema is not there.
  fileprivate var namesNothing: Bool {
    ["42P01", "42703", "42883", "42704", "3F000"].contains(sqlState.code)
  }
}
