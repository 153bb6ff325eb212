internal import TransomEventLoop
internal import TransomHTTP

// POST /sql, on the same way as POST /transactions.
extension TransactionExecutor {
  /// Executes what POST /sql asks for in the database of this alias, and returns the answer. On the loop only.
  nonisolated func execute(
    _ request: Request, _ options: NeonOptions, database: String, as caller: Caller?,
    into buffer: consuming [UInt8], interruption: Interruption, slow: inout SlowTransaction?
  ) async throws(ServiceError) -> TransactionAnswer {
    var transaction = try onLoop { $0.decode(request, options, database) }.get()
    try caller?.constrain(&transaction)
    return try await execute(
      transaction, into: buffer, interruption: interruption, slow: &slow)
  }

  private func decode(
    _ request: Request, _ options: NeonOptions, _ database: String
  ) -> Result<TransactionRequest, ServiceError> {
    do {
      return .success(
        try NeonRequestDecoder.decode(
          request.body, with: &reader, options, database: database, known: knownStatements))
    } catch {
      return .failure(ServiceError(error))
    }
  }
}
