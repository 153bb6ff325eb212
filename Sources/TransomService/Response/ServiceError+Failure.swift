internal import TransomPostgres

extension ServiceError {
  /// Why a transaction, or a group of it, was rolled back; `pointer` is that of the item that failed.
  init(_ failure: PlanStateMachine.Failure, at pointer: String?) {
    // Whatever keeps it from being asked, the transaction is rolled back; other errors, such as a cancellation, are told.
    if failure.step == .verify, failure.error?.sqlState == "22P02" {
      self = .wroteWithoutRight
      return
    }
    switch failure.cause {
    case .server(let error):
      self = .statementFailed(pointer: pointer, error)
    case .expectation(let expectation, let rowCount):
      let detail = "The statement counts \(Self.rows(rowCount)), but expected \(expectation.words)."
      self = .expectationFailed(pointer: pointer ?? "", detail: detail)
    case .reference(let reason):
      self = .unresolvedReference(pointer: pointer ?? "", detail: reason)
    case .columns: self = .columnsDiffer(pointer: pointer ?? "")
    case .parameter(let parameter):
      self = .invalidParameter(
        pointer: (pointer ?? "") + parameter.pointer, detail: parameter.reason)
    case .interruption:
      self = .internalError(detail: "The transaction was interrupted.", outcome: .rolledBack)
    }
  }

  fileprivate static func rows(_ count: Int) -> String { count == 1 ? "1 row" : "\(count) rows" }
}

extension TransactionRequest.Expectation {
  fileprivate var words: String {
    switch maximum {
    case nil: "are at least \(minimum)"
    case minimum: "\(minimum == 1 ? "is" : "are") just \(minimum)"
    case let maximum?: "are from \(minimum) to \(maximum)"
    }
  }
}
