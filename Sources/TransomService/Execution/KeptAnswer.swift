internal import TransomEventLoop
internal import TransomPostgres

/// The answer that was kept under an Idempotency-Key, by the transaction that has used it.
struct KeptAnswer {
  enum Finding {
    /// The body of the answer.
    case answer([UInt8])
    /// Another request has used the key.
    case reused
    /// It is not there any more, or could not be asked for: whoever comes next may have the key.
    case gone
    case refused(ServerError)
  }

  private static let sql = """
    select case when expires_at <= now() then 'expired' when fingerprint = $2 then 'kept' else 'reused' end, body
    from transom.idempotency_keys where key = $1
    """
  private static let removalSQL = """
    delete from transom.idempotency_keys where key = $1 and expires_at <= now()
    """

  private let inquiry: Inquiry

  init(in database: LoopPool) { inquiry = Inquiry(database) }

  /// Looks the key up; one that has expired is removed.
  func find(_ key: IdempotencyKey, by deadline: MonotonicInstant) async -> Finding {
    var parameters = ParameterList()
    parameters.append(key.name.utf8)
    parameters.append { key.appendFingerprint(to: &$0) }
    switch await inquiry.ask(Self.sql, parameters, by: deadline) {
    case .lost, .noRow: return .gone
    case .refused(let error): return .refused(error)
    case .row(let row): return await finding(row, key, by: deadline)
    }
  }

  private func finding(
    _ row: [[UInt8]?], _ key: IdempotencyKey, by deadline: MonotonicInstant
  ) async -> Finding {
    guard let state = row.first ?? nil else { return .gone }
    if state.elementsEqual("reused".utf8) { return .reused }
    if state.elementsEqual("expired".utf8) {
      var parameters = ParameterList()
      parameters.append(key.name.utf8)
      if case .refused(let error) = await inquiry.ask(Self.removalSQL, parameters, by: deadline) {
        return .refused(error)
      }
      return .gone
    }
    var body: [UInt8] = []
    guard let text = row.last ?? nil, Hexadecimal.decode(text, into: &body) else { return .gone }
    return .answer(body)
  }
}
