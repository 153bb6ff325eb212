internal import TransomHTTP

// POST /transactions/NAME, on the same way as POST /transactions.
extension TransactionExecutor {
  func decode(
    _ request: Request, _ transaction: NamedTransaction
  ) -> Result<TransactionRequest, ServiceError> {
    do throws(RequestError) {
      let document = try NamedRequestDecoder.document(request.body, of: transaction, with: &reader)
      return .success(
        try RequestDecoder.decode(
          document.span, with: &reader, hooks: hookRules, known: knownStatements))
    } catch {
      return .failure(ServiceError(error))
    }
  }
}
