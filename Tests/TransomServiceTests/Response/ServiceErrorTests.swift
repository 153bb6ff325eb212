import FoundationEssentials
import Testing
import TransomPostgres

@testable import TransomService

@Suite struct ServiceErrorTests {
  private static let unique = ServerError(sqlState: "23505", message: "duplicate key")
  private static let dropped = ServerError(
    severity: "FATAL", sqlState: "57P01", message: "terminating connection")

  struct Row: Sendable {
    let error: ServiceError
    let status: Int
    let code: String
    let outcome: Outcome
    let retryable: Bool

    init(_ error: ServiceError, _ status: Int, _ code: String, _ outcome: Outcome, retry: Bool) {
      self.error = error
      self.status = status
      self.code = code
      self.outcome = outcome
      self.retryable = retry
    }
  }

  static let table: [Row] = [
    Row(.notFound(path: "/x"), 404, "not-found", .notStarted, retry: false),
    Row(.misdirected(host: "x"), 421, "misdirected-request", .notStarted, retry: false),
    Row(
      .methodNotAllowed(method: "PUT", allowed: "POST"), 405, "method-not-allowed", .notStarted,
      retry: false),
    Row(
      .unsupportedMediaType(mediaType: nil), 415, "unsupported-media-type", .notStarted,
      retry: false),
    Row(
      .unsupportedContentCoding(coding: "gzip"), 415, "unsupported-content-coding", .notStarted,
      retry: false),
    Row(.unauthenticated(detail: "d"), 401, "unauthenticated", .notStarted, retry: false),
    Row(.forbidden(pointer: nil, detail: "d"), 403, "forbidden", .notStarted, retry: false),
    Row(.wroteWithoutRight, 403, "forbidden", .rolledBack, retry: false),
    Row(
      .tooManyRequests(detail: "d", seconds: 3), 429, "too-many-requests", .notStarted, retry: true),
    Row(
      .invalidRequest(code: "too-deep", status: 400, pointer: nil, detail: "d"), 400, "too-deep",
      .notStarted, retry: false),
    Row(.unknownDatabase(alias: "x"), 404, "unknown-database", .notStarted, retry: false),
    Row(.unknownTransaction(name: "x"), 404, "unknown-transaction", .notStarted, retry: false),
    Row(.missingIdempotencyKey, 400, "missing-idempotency-key", .notStarted, retry: false),
    Row(
      .poolTimedOut(database: "d", milliseconds: 9), 503, "pool-timeout", .notStarted, retry: true),
    Row(
      .databaseUnavailable(database: "d", detail: "d"), 503, "database-unavailable", .notStarted,
      retry: true),
    Row(.draining, 503, "draining", .notStarted, retry: true),
    Row(
      .statementFailed(pointer: nil, unique), 409, "statement-failed", .rolledBack, retry: false),
    Row(
      .statementFailed(pointer: nil, dropped), 503, "statement-failed", .rolledBack, retry: true),
    Row(
      .expectationFailed(pointer: "", detail: "d"), 409, "expectation-failed", .rolledBack,
      retry: false),
    Row(
      .unresolvedReference(pointer: "", detail: "d"), 422, "unresolved-reference", .rolledBack,
      retry: false),
    Row(.columnsDiffer(pointer: ""), 422, "columns-differ", .rolledBack, retry: false),
    Row(
      .resultTooLarge(pointer: nil, limit: 1), 422, "result-too-large", .rolledBack, retry: false),
    Row(
      .timedOut(pointer: nil, milliseconds: 9, started: true), 504, "timeout", .rolledBack,
      retry: false),
    Row(
      .timedOut(pointer: nil, milliseconds: 9, started: false), 504, "timeout", .notStarted,
      retry: true),
    Row(
      .connectionLost(pointer: nil, detail: "d"), 503, "connection-lost", .rolledBack, retry: true),
    Row(.commitFailed(unique), 409, "commit-failed", .rolledBack, retry: false),
    Row(.committedWithoutResults, 500, "results-lost", .committed, retry: false),
    Row(
      .commitInDoubt(transactionID: "7", hasKey: false), 503, "commit-in-doubt", .unknown,
      retry: false),
    Row(
      .commitInDoubt(transactionID: nil, hasKey: true), 503, "commit-in-doubt", .unknown,
      retry: true),
    Row(
      .idempotencyNotInstalled(database: "d"), 422, "idempotency-not-installed", .notStarted,
      retry: false),
    Row(.invalidIdempotencyKey, 400, "invalid-idempotency-key", .notStarted, retry: false),
    Row(.streamWithIdempotencyKey, 422, "stream-with-idempotency-key", .notStarted, retry: false),
    Row(.idempotencyKeyReused, 422, "idempotency-key-reused", .notStarted, retry: false),
    Row(
      .internalError(detail: "d", outcome: .rolledBack), 500, "internal-error", .rolledBack,
      retry: false),
  ]

  @Test(arguments: table)
  func `each error has its status, its code and its outcome`(_ row: Row) {
    let problem = row.error.problem
    #expect(problem.status == row.status)
    #expect(problem.code == row.code)
    #expect(problem.outcome == row.outcome)
    #expect(problem.retryable == row.retryable)
    #expect(!problem.title.isEmpty && !problem.detail.isEmpty)
    #expect(
      (problem.retryAfter != nil)
        == (problem.status == 429 || problem.status == 503 && problem.retryable))
    #expect((problem.allow != nil) == (problem.status == 405))
    #expect((problem.challenge != nil) == (problem.status == 401))
  }

  @Test(arguments: [
    ("42501", 403, false), ("28000", 403, false), ("23505", 409, false), ("23503", 409, false),
    ("40001", 409, true), ("40P01", 409, true), ("40002", 409, false), ("55P03", 409, true),
    ("57014", 504, false), ("25P03", 504, false), ("0A000", 422, false), ("21000", 422, false),
    ("22012", 422, false), ("25006", 422, false), ("2F003", 422, false), ("42601", 422, false),
    ("42P01", 422, false), ("44000", 422, false), ("54001", 422, false), ("55000", 422, false),
    ("P0001", 422, false), ("MY001", 422, false), ("53400", 422, false), ("58P01", 422, false),
    ("53300", 503, true), ("53100", 503, true), ("57P01", 503, true), ("57P03", 503, true),
    ("08006", 503, true), ("HV00N", 503, true), ("HV000", 422, false), ("58030", 500, false),
    ("XX000", 500, false), ("F0000", 500, false), ("", 422, false),
  ])
  func `each SQLSTATE has its status`(_ code: String, _ status: Int, _ retryable: Bool) {
    let state = SQLState(code)
    #expect(state.status == status)
    #expect(state.isRetryable == retryable)
  }

  @Test(arguments: [
    ("/statements/0", "/statements/0"), ("/statements/0/sql", "/statements/0"),
    ("/statements/12/savepoint/0/savepoint/3/params/2", "/statements/12/savepoint/0/savepoint/3"),
    ("/statements/1/savepoint", "/statements/1"), ("/statements/1/savepoint/x", "/statements/1"),
    ("/statements/", nil), ("/statements", nil), ("/settings/statements/0", nil), ("", nil),
  ])
  func `a pointer into an item names the item`(_ pointer: String, _ statement: String?) {
    let error = ServiceError.invalidRequest(
      code: "unknown-field", status: 400, pointer: pointer, detail: "d")
    #expect(error.problem.statement == statement)
    #expect(error.problem.pointer == (pointer == statement ? nil : pointer))
  }

  @Test func `a problem is written with all that is known and nothing else`() {
    var error = ServerError(sqlState: "23505", message: "duplicate \"key\"")
    error.detail = "Key (slot)=(1) already exists."
    error.position = 12
    error.schema = "public"
    error.table = "w3"
    error.constraint = "w3_slot_key"
    let problem = ServiceError.statementFailed(pointer: "/statements/2", error).problem
    var writer = JSONWriter()
    problem.write(to: &writer)
    #expect(
      String(decoding: writer.bytes, as: UTF8.self)
        == #"{"type":"/problems/statement-failed","title":"A statement failed","status":409,"#
        + #""detail":"duplicate \"key\"","outcome":"rolled_back","retryable":false,"#
        + #""statement":"/statements/2","sqlstate":"23505","#
        + #""severity":"ERROR","server_detail":"Key (slot)=(1) already exists.","position":12,"#
        + #""schema":"public","table":"w3","constraint":"w3_slot_key"}"#)
  }

  @Test func `openapi_yaml names every code that a client can meet`() throws {
    let root = URL(filePath: #filePath)
      .deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent().deletingLastPathComponent()
    let document = try String(
      contentsOf: root.appending(path: "openapi.yaml"), encoding: .utf8)
    for row in Self.table {
      let isNamed = document.contains("`\(row.code)`")
      #expect(isNamed, "\(row.code)")
    }
  }
}
