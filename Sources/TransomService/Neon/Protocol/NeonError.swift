internal import TransomPostgres

/// An error as Neon's driver takes it: the fields of node-postgres's `DatabaseError`, those that are there.
///
/// The driver reads them where the status is 400, and else tells the body as it is. So all that PostgreSQL says is a 400,
/// and what the client has caused; only what has to do with the service's own state keeps its status.
struct NeonError {
  let status: Int
  /// In seconds (RFC 9110, section 10.2.3).
  let retryAfter: Int?
  let outcome: Outcome
  private let message: String
  private let code: String
  private let severity: String
  private let serverError: ServerError?

  /// `user` is the one in the connection string.
  init(_ error: ServiceError, user: String) {
    let problem = error.problem
    let serverError = problem.serverError
    status =
      serverError == nil && [429, 500, 503].contains(problem.status) ? problem.status : 400
    retryAfter = problem.retryAfter
    outcome = problem.outcome
    self.serverError = serverError
    code = serverError?.sqlState.code ?? Self.code(of: error)
    severity = serverError?.severity ?? "ERROR"
    message = serverError?.message ?? Self.message(error, problem.detail, user)
  }

  /// As PostgreSQL itself says it, where it has words for it.
  private static func message(_ error: ServiceError, _ detail: String, _ user: String) -> String {
    switch error {
    case .unauthenticated: "password authentication failed for user \"\(user)\""
    case .unknownDatabase(let alias): "database \"\(alias)\" does not exist"
    case .timedOut: "canceling statement due to statement timeout: \(detail)"
    default: detail
    }
  }

  /// The SQLSTATE that PostgreSQL has for what only Transom says (PostgreSQL manual, appendix A).
  private static func code(of error: ServiceError) -> String {
    switch error {
    case .unauthenticated: "28P01"
    case .forbidden: "42501"
    case .unknownDatabase: "3D000"
    case .timedOut: "57014"
    case .resultTooLarge: "54000"
    case .poolTimedOut, .tooManyRequests: "53300"
    case .wroteWithoutRight: "25006"
    case .databaseUnavailable, .connectionLost: "08006"
    case .draining: "57P01"
    case .commitInDoubt, .committedWithoutResults: "08007"
    case .internalError: "XX000"
    case .invalidRequest("transaction-control", _, _, _),
      .invalidRequest("copy-not-supported", _, _, _):
      "0A000"
    default: "08P01"
    }
  }

  /// Appends the error as a JSON object.
  func write(to writer: inout JSONWriter) {
    writer.raw(#"{"message":"#)
    writer.string(message)
    writer.member("code", code)
    writer.member("severity", severity)
    if let error = serverError {
      writer.member("detail", error.detail)
      writer.member("hint", error.hint)
      // Texts, as the wire protocol has them.
      writer.member("position", error.position.map(String.init))
      writer.member("internalPosition", error.internalPosition.map(String.init))
      writer.member("internalQuery", error.internalQuery)
      writer.member("where", error.context)
      writer.member("schema", error.schema)
      writer.member("table", error.table)
      writer.member("column", error.column)
      writer.member("dataType", error.dataType)
      writer.member("constraint", error.constraint)
      writer.member("file", error.file)
      writer.member("line", error.line)
      writer.member("routine", error.routine)
    }
    writer.byte(JSONWriter.closeBrace)
  }
}
