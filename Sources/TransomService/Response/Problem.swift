package import TransomPostgres

/// What is stored once a request has failed. Every problem says it.
package enum Outcome: String, CaseIterable, Equatable, Sendable {
  /// Nothing was run.
  case notStarted = "not_started"
  /// What was run is undone.
  case rolledBack = "rolled_back"
  /// The transaction is stored; only the answer is not complete.
  case committed
  /// COMMIT was sent, and whether it was carried out could not be found out.
  case unknown
}

/// The answer to a request that failed: problem details (RFC 9457) with Transom's own members.
package struct Problem: Equatable, Sendable {
  package static let contentType = "application/problem+json"

  /// The last part of `type`, which is `/problems/` and this: stable, for programs.
  package var code: String
  /// The same for every problem of a type.
  package var title: String
  package var status: Int
  /// What went wrong this time.
  package var detail: String
  package var outcome: Outcome
  /// Whether the same request can be sent again, safely and with hope.
  package var retryable: Bool
  /// The JSON Pointer (RFC 6901) of the item that failed, such as `/statements/1/savepoint/0`.
  package var statement: String?
  /// The JSON Pointer of what is wrong in the request, if that is not an item as a whole.
  package var pointer: String?
  /// PostgreSQL's id of the transaction (`xid8`), for `pg_xact_status`.
  package var transactionID: String?
  /// What the server reported, if it did.
  package var serverError: ServerError?

  /// `Retry-After` in seconds (RFC 9110, section 10.2.3).
  package var retryAfter: Int?
  /// `Allow` (RFC 9110, section 10.2.1).
  package var allow: String?
  /// `Accept-Encoding` (RFC 9110, section 12.5.3).
  package var acceptEncoding: String?
  /// `WWW-Authenticate` (RFC 9110, section 11.6.1).
  package var challenge: String?

  package init(
    code: String, title: String, status: Int, detail: String, outcome: Outcome, retryable: Bool
  ) {
    self.code = code
    self.title = title
    self.status = status
    self.detail = detail
    self.outcome = outcome
    self.retryable = retryable
  }

  /// Appends the problem as a JSON object.
  package func write(to writer: inout JSONWriter) {
    writer.raw(#"{"type":"#)
    writer.string("/problems/" + code)
    writer.member("title", title)
    writer.member("status", status)
    writer.member("detail", detail)
    writer.member("outcome", outcome.rawValue)
    writer.raw(#","retryable":"#)
    writer.bool(retryable)
    writer.member("statement", statement)
    writer.member("pointer", pointer)
    writer.member("transaction_id", transactionID)
    serverError?.writeMembers(to: &writer)
    writer.byte(JSONWriter.closeBrace)
  }
}

extension ServerError {
  /// Appends the fields that the server sent. Its message is the problem's `detail`, so its own
  /// detail is `server_detail`.
  fileprivate func writeMembers(to writer: inout JSONWriter) {
    writer.member("sqlstate", sqlState.code)
    writer.member("severity", severity)
    writer.member("server_detail", detail)
    writer.member("hint", hint)
    writer.member("position", position)
    writer.member("internal_position", internalPosition)
    writer.member("internal_query", internalQuery)
    writer.member("where", context)
    writer.member("schema", schema)
    writer.member("table", table)
    writer.member("column", column)
    writer.member("data_type", dataType)
    writer.member("constraint", constraint)
    writer.member("file", file)
    writer.member("line", line)
    writer.member("routine", routine)
  }
}

extension JSONWriter {
  /// Appends a further member of an object; nothing for nil.
  mutating func member(_ name: String, _ value: String?) {
    guard let value else { return }
    byte(Self.comma)
    key(name)
    string(value)
  }

  /// Appends a further member of an object; nothing for nil.
  fileprivate mutating func member(_ name: String, _ value: Int?) {
    guard let value else { return }
    byte(Self.comma)
    key(name)
    integer(value)
  }
}
