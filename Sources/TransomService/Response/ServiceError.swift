package import TransomPostgres

/// Everything that can go wrong with a request. ``problem`` is its answer.
///
/// `pointer` is the JSON Pointer (RFC 6901) of what is wrong in the request document.
package enum ServiceError: Error, Equatable, Sendable {
  // The request apart from its document. What is no proper HTTP, the HTTP server refuses itself.
  /// No resource has this path.
  case notFound(path: String)
  /// The service does not go by the name that the request gives it.
  case misdirected(host: String)
  /// `allowed` is the value of `Allow`, such as `GET, HEAD`.
  case methodNotAllowed(method: String, allowed: String)
  /// `mediaType` is the Content-Type that came; nil if none did.
  case unsupportedMediaType(mediaType: String?)
  /// The body came compressed or otherwise encoded; `coding` is the Content-Encoding.
  case unsupportedContentCoding(coding: String)
  case unauthenticated(detail: String)
  /// The caller is known, and may not do this.
  case forbidden(pointer: String?, detail: String)
  /// The caller has sent more than it may; it may try again after so many seconds.
  case tooManyRequests(detail: String, seconds: Int)

  // The document. Nothing was run.
  /// The document is refused: `code` and `status` are the request decoder's own.
  case invalidRequest(code: String, status: Int, pointer: String?, detail: String)
  case unknownDatabase(alias: String)
  /// No transaction has this name.
  case unknownTransaction(name: String)
  /// There is no such place for an Idempotency-Key's answer as the schema `transom` is.
  case idempotencyNotInstalled(database: String)
  case invalidIdempotencyKey
  /// The transaction wants one.
  case missingIdempotencyKey
  /// An Idempotency-Key would have to keep an answer that nobody has as a whole.
  case streamWithIdempotencyKey
  /// An earlier request with the same key had another body.
  case idempotencyKeyReused

  // Before the transaction.
  case poolTimedOut(database: String, milliseconds: Int)
  /// No connection can be opened. `detail` must not tell credentials.
  case databaseUnavailable(database: String, detail: String)
  case draining

  // In the transaction. It was rolled back.
  /// The server refused a statement, a role or a setting.
  case statementFailed(pointer: String?, ServerError)
  /// The key is read-only, and the transaction had written nevertheless.
  case wroteWithoutRight
  case expectationFailed(pointer: String, detail: String)
  case unresolvedReference(pointer: String, detail: String)
  /// A batch's statement, such as EXECUTE, has other columns the second time than the first.
  case columnsDiffer(pointer: String)
  /// A parameter is not what the server wants there. (What is wrong with any is refused before: `invalidRequest`.)
  case invalidParameter(pointer: String, detail: String)
  /// The answer would be larger than `limit` bytes. `isCommitted` if that was known too late.
  case resultTooLarge(pointer: String?, limit: Int, isCommitted: Bool = false)
  /// The request's time is over. `started` is false if it still waited for a connection.
  case timedOut(pointer: String?, milliseconds: Int, started: Bool)
  /// The connection was lost, and it is certain that nothing is stored.
  case connectionLost(pointer: String?, detail: String)

  // At the transaction's end.
  /// The server refused COMMIT, such as for a deferred constraint.
  case commitFailed(ServerError)
  /// The connection was lost at COMMIT, and what became of it cannot be told. A request that `hasKey` can be sent again.
  case commitInDoubt(transactionID: String?, hasKey: Bool)
  /// The transaction was committed, but its results could not be written: the connection was lost before their types were
  /// looked up, or the runs of a batch have different columns.
  case committedWithoutResults

  /// A mistake of Transom's own.
  case internalError(detail: String, outcome: Outcome)
}
