import TransomPostgres

// The table "Errors" of the wire contract. Only this file gives an error its status and code, and
// says what is stored. No `default`: a new case does not compile until all of that is decided.

extension ServiceError {
  /// The answer to give.
  package var problem: Problem {
    let type = problemType
    var problem = Problem(
      code: type.code, title: type.title, status: type.status, detail: detail, outcome: outcome,
      retryable: isRetryable)
    problem.statement = pointer.flatMap(Self.statementPointer)
    if pointer != problem.statement { problem.pointer = pointer }
    problem.transactionID = transactionID
    problem.serverError = serverError
    problem.retryAfter = retryAfter
    if case .methodNotAllowed(_, let allowed) = self { problem.allow = allowed }
    if case .unsupportedContentCoding = self { problem.acceptEncoding = "identity" }
    if case .unauthenticated = self { problem.challenge = "Bearer" }
    return problem
  }

  private var problemType: (status: Int, code: String, title: String) {
    switch self {
    case .notFound: (404, "not-found", "There is nothing at this path")
    case .misdirected: (421, "misdirected-request", "The service does not go by this name")
    case .methodNotAllowed: (405, "method-not-allowed", "The method is not allowed here")
    case .unsupportedMediaType: (415, "unsupported-media-type", "The body is not JSON")
    case .unsupportedContentCoding:
      (415, "unsupported-content-coding", "The body is encoded in a way that is not supported")
    case .unauthenticated: (401, "unauthenticated", "Credentials are missing or wrong")
    case .forbidden: (403, "forbidden", "The key does not allow this")
    case .tooManyRequests: (429, "too-many-requests", "The key has sent too many requests")
    case .invalidRequest(let code, let status, _, _): (status, code, Self.title(ofRequest: code))
    case .unknownDatabase: (404, "unknown-database", "The database is not configured")
    case .unknownTransaction: (404, "unknown-transaction", "No transaction has this name")
    case .idempotencyNotInstalled:
      (422, "idempotency-not-installed", "The database cannot keep idempotency keys")
    case .invalidIdempotencyKey: (400, "invalid-idempotency-key", "The Idempotency-Key is invalid")
    case .missingIdempotencyKey: (400, "missing-idempotency-key", "An Idempotency-Key is needed")
    case .streamWithIdempotencyKey:
      (422, "stream-with-idempotency-key", "A stream cannot be kept under an Idempotency-Key")
    case .idempotencyKeyReused:
      (422, "idempotency-key-reused", "The Idempotency-Key belongs to another request")
    case .poolTimedOut: (503, "pool-timeout", "No connection became free in time")
    case .databaseUnavailable: (503, "database-unavailable", "The database cannot be reached")
    case .draining: (503, "draining", "The service is shutting down")
    case .statementFailed(_, let error):
      (error.sqlState.status, "statement-failed", "A statement failed")
    case .wroteWithoutRight: (403, "forbidden", "The key does not allow this")
    case .expectationFailed: (409, "expectation-failed", "An expectation was not met")
    case .unresolvedReference: (422, "unresolved-reference", "A reference leads to nothing")
    case .columnsDiffer: (422, "columns-differ", "The runs of a batch have different columns")
    case .invalidParameter:
      (422, "invalid-parameter", Self.title(ofRequest: "invalid-parameter"))
    case .resultTooLarge: (422, "result-too-large", "The result is too large")
    case .timedOut: (504, "timeout", "The transaction took too long")
    case .connectionLost: (503, "connection-lost", "The connection to the database was lost")
    case .commitFailed(let error): (error.sqlState.status, "commit-failed", "The commit failed")
    case .committedWithoutResults:
      (500, "results-lost", "The transaction is committed, but its results are lost")
    case .commitInDoubt: (503, "commit-in-doubt", "Whether the commit succeeded is unknown")
    case .internalError: (500, "internal-error", "Transom failed")
    }
  }

  /// A title for the request decoder's codes; one for all where there is none of its own.
  private static func title(ofRequest code: String) -> String {
    switch code {
    case "malformed-json": "The body is not valid JSON"
    case "too-deep": "The body is nested too deeply"
    case "unknown-field": "The request has an unknown field"
    case "transaction-control": "Transaction control is not a statement's to take"
    case "copy-not-supported": "COPY from or to the client is not supported"
    case "invalid-parameter": "A parameter is invalid"
    case "webhooks-not-installed": "This service has no webhooks"
    default: "The request is invalid"
    }
  }

  private var outcome: Outcome {
    switch self {
    case .notFound, .misdirected, .methodNotAllowed, .unsupportedMediaType,
      .unsupportedContentCoding, .unauthenticated, .forbidden, .tooManyRequests,
      .invalidRequest, .unknownDatabase, .unknownTransaction, .idempotencyNotInstalled,
      .invalidIdempotencyKey,
      .missingIdempotencyKey, .streamWithIdempotencyKey, .idempotencyKeyReused, .poolTimedOut,
      .databaseUnavailable,
      .draining:
      .notStarted
    case .statementFailed, .wroteWithoutRight, .expectationFailed, .unresolvedReference,
      .columnsDiffer, .invalidParameter, .connectionLost, .commitFailed:
      .rolledBack
    case .resultTooLarge(_, _, let isCommitted): isCommitted ? .committed : .rolledBack
    case .timedOut(_, _, let started): started ? .rolledBack : .notStarted
    case .commitInDoubt: .unknown
    case .committedWithoutResults: .committed
    case .internalError(_, let outcome): outcome
    }
  }

  /// True where the same request may well succeed next time, and nothing is stored yet.
  private var isRetryable: Bool {
    switch self {
    case .poolTimedOut, .databaseUnavailable, .draining, .connectionLost, .tooManyRequests:
      true
    case .statementFailed(_, let error), .commitFailed(let error): error.sqlState.isRetryable
    case .timedOut(_, _, let started): !started
    case .commitInDoubt(_, let hasKey): hasKey
    case .notFound, .misdirected, .methodNotAllowed, .unsupportedMediaType,
      .unsupportedContentCoding, .unauthenticated, .forbidden,
      .invalidRequest, .unknownDatabase, .unknownTransaction, .idempotencyNotInstalled,
      .invalidIdempotencyKey,
      .missingIdempotencyKey, .streamWithIdempotencyKey, .idempotencyKeyReused, .wroteWithoutRight,
      .expectationFailed,
      .unresolvedReference, .columnsDiffer,
      .invalidParameter, .resultTooLarge,
      .committedWithoutResults, .internalError:
      false
    }
  }

  /// Seconds: a crowded pool is soon free again, a server that restarts takes a while.
  ///
  /// Nil for a commit in doubt, though it is a 503, too: some clients would take it for a promise
  /// that nothing is stored, and send the request again by themselves. With an Idempotency-Key they may.
  private var retryAfter: Int? {
    switch self {
    case .databaseUnavailable, .connectionLost: 5
    case .commitInDoubt(_, let hasKey): hasKey ? 5 : nil
    case .poolTimedOut, .draining: 1
    case .tooManyRequests(_, let seconds): seconds
    case .statementFailed(_, let error), .commitFailed(let error):
      error.sqlState.status == 503 ? 5 : nil
    case .notFound, .misdirected, .methodNotAllowed, .unsupportedMediaType,
      .unsupportedContentCoding, .unauthenticated, .forbidden,
      .invalidRequest, .unknownDatabase, .unknownTransaction, .idempotencyNotInstalled,
      .invalidIdempotencyKey,
      .missingIdempotencyKey, .streamWithIdempotencyKey, .idempotencyKeyReused, .wroteWithoutRight,
      .expectationFailed,
      .unresolvedReference, .columnsDiffer,
      .invalidParameter, .resultTooLarge,
      .timedOut, .committedWithoutResults, .internalError:
      nil
    }
  }
}

extension ServiceError {
  private var detail: String {
    switch self {
    case .unauthenticated(let detail), .forbidden(_, let detail), .tooManyRequests(let detail, _),
      .invalidRequest(_, _, _, let detail), .databaseUnavailable(_, let detail),
      .expectationFailed(_, let detail), .unresolvedReference(_, let detail),
      .invalidParameter(_, let detail),
      .connectionLost(_, let detail), .internalError(let detail, _):
      detail
    case .statementFailed(_, let error), .commitFailed(let error): error.message
    case .notFound(let path): "There is nothing at \(path)."
    case .methodNotAllowed(let method, let allowed):
      "\(method) is not allowed here; allowed: \(allowed)."
    case .misdirected(let host):
      "\(host) is not one of the service's names; --allowed-hosts tells it more."
    case .unsupportedMediaType(let mediaType?):
      "The body must be application/json, not \(mediaType)."
    case .unsupportedMediaType(nil): "The body needs the Content-Type application/json."
    case .unsupportedContentCoding(let coding):
      "The body must not be encoded, but the Content-Encoding is \(coding)."
    case .idempotencyNotInstalled(let database):
      database == "default"
        ? "An Idempotency-Key needs the schema transom in \"default\": run \"transom migrate\"."
        : "Idempotency keys are kept in the database \"default\" only, not in \"\(database)\"."
    case .invalidIdempotencyKey:
      "An Idempotency-Key is one line of 1 to \(IdempotencyKey.maximumLength) printable ASCII characters."
    case .missingIdempotencyKey:
      "The transaction is one that must not run twice: it needs an Idempotency-Key."
    case .streamWithIdempotencyKey:
      "An Idempotency-Key keeps the answer as a whole, and a stream is none: leave out the key, or application/x-ndjson in Accept."
    case .idempotencyKeyReused:
      "A request with the same Idempotency-Key and another body has been committed; nothing was run."
    case .unknownTransaction(let name): "There is no transaction \"\(name)\"."
    case .unknownDatabase(let alias): "No database \"\(alias)\" is configured."
    case .poolTimedOut(let database, let milliseconds):
      "No connection to \"\(database)\" became free within \(milliseconds) ms."
    case .columnsDiffer:
      "The statement's result has other columns than the first time that it ran in this batch."
    case .wroteWithoutRight:
      "The key is read-only, but the transaction had written; it was rolled back."
    case .draining: "The service is shutting down and takes no new transactions."
    case .resultTooLarge(_, let limit, let isCommitted):
      "The response may have \(limit) bytes."
        + (isCommitted ? " That was known when the transaction had been committed." : "")
    case .timedOut(_, let milliseconds, true):
      "The transaction was not done after \(milliseconds) ms; it was cancelled and rolled back."
    case .timedOut(_, let milliseconds, false):
      "The transaction could not be started within \(milliseconds) ms."
    case .committedWithoutResults:
      "The results could not be read after COMMIT. The transaction is stored; of its results nothing is known."
    case .commitInDoubt(_, false):
      "The connection was lost at COMMIT, and the transaction's fate could not be found out."
    case .commitInDoubt(_, true):
      "What became of the transaction, or of another request with its Idempotency-Key, could not be found out."
        + " The same request with the same Idempotency-Key can be sent again."
    }
  }

  private var pointer: String? {
    switch self {
    case .invalidRequest(_, _, let pointer, _), .statementFailed(let pointer, _),
      .resultTooLarge(let pointer, _, _), .timedOut(let pointer, _, _),
      .connectionLost(let pointer, _), .forbidden(let pointer, _):
      pointer
    case .expectationFailed(let pointer, _), .unresolvedReference(let pointer, _),
      .invalidParameter(let pointer, _), .columnsDiffer(let pointer):
      pointer
    case .unknownDatabase: "/database"
    case .notFound, .misdirected, .methodNotAllowed, .unsupportedMediaType,
      .unsupportedContentCoding, .unauthenticated, .tooManyRequests,
      .unknownTransaction, .idempotencyNotInstalled, .invalidIdempotencyKey,
      .missingIdempotencyKey, .streamWithIdempotencyKey, .idempotencyKeyReused, .poolTimedOut,
      .databaseUnavailable, .draining, .wroteWithoutRight,
      .commitFailed, .commitInDoubt, .committedWithoutResults, .internalError:
      nil
    }
  }

  /// The item that a pointer leads to or into: `/statements/1/savepoint/0` of
  /// `/statements/1/savepoint/0/sql`; nil if it is none.
  private static func statementPointer(_ pointer: String) -> String? {
    let tokens = pointer.split(separator: "/", omittingEmptySubsequences: false).dropFirst()
    var statement = ""
    var list: Substring = "statements"
    var index = tokens.startIndex
    while index + 1 < tokens.endIndex, tokens[index] == list,
      !tokens[index + 1].isEmpty, tokens[index + 1].utf8.allSatisfy({ 0x30...0x39 ~= $0 })
    {
      statement += "/\(list)/\(tokens[index + 1])"
      list = "savepoint"
      index += 2
    }
    return statement.isEmpty ? nil : statement
  }

  private var transactionID: String? {
    switch self {
    case .commitInDoubt(let id, _): id
    default: nil
    }
  }

  private var serverError: ServerError? {
    switch self {
    case .statementFailed(_, let error), .commitFailed(let error): error
    default: nil
    }
  }
}
