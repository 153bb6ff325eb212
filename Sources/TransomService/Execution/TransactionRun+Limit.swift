internal import TransomPostgres

// How large an answer may be: `ExecutionLimits.response` is the size of its body, to the byte.
//
// That is known when the results have come, and by then a COMMIT that went out with the statements may have been carried
// out. So where the limit is small, the transaction ends in a pipeline of its own, one round trip later. Where it is
// large, it does only if much comes: an eighth of the limit. Then what runs is cancelled, and run again so (`endsApart`).
// If all the rest was on its way already, the COMMIT has been carried out nevertheless. JSON may be several times larger
// than what PostgreSQL sends for it, as with long names and short values, and a single row may have come as a whole, so such
// an answer can be larger than the limit. Up to twice the limit it is given, as what is stored should not look like an
// error; beyond that, the error tells that it is stored.
extension TransactionRun {
  /// With a smaller limit, in bytes, transactions always end apart: the buffers between two hosts hold about half as much.
  static let smallLimit = 16 << 20

  /// How much PostgreSQL may send, in bytes: what is on the safe side, and protects memory while a result comes.
  var receiveBudget: Int {
    if isStreamed { return streamed[0].receiveBudget }
    guard plan.endsApart || !plan.mayStore else { return responseLimit / 8 }
    // What PostgreSQL sends for a row of one short value, against `[1],` and `{"n":1},`.
    return (rowFormat == .arrays ? responseLimit * 3 : responseLimit * 3 / 2) + Self.extra
  }

  /// How large the answer may become before what runs is cancelled, in bytes.
  var sizeBudget: Int { plan.endsApart || !plan.mayStore ? responseLimit : responseLimit / 8 }

  /// How large an answer is given if that is known only when the transaction is committed, in bytes.
  static func lateLimit(of limit: Int) -> Int { 2 * limit }

  /// For all that PostgreSQL sends besides rows.
  private static let extra = 1 << 20

  /// Ends the transaction if the answer has become larger than is allowed, or than can be told in time.
  mutating func noteSize(
    of writer: borrowing ResultWriter, by statement: Int?,
    on connection: isolated PostgresConnection
  ) {
    guard writer.finishedByteCount > sizeBudget else { return }
    overflowing = overflowing ?? statement
    connection.refuseMore()
  }
}

extension TransactionRequest {
  /// Whether a statement does more than read, or an event is emitted, and it stays.
  var mayStore: Bool { !readOnly && !dryRun && (report != nil || Self.mayStore(items, hooks)) }

  private static func mayStore(_ items: [Item], _ hooks: [Hook]) -> Bool {
    !hooks.isEmpty
      || items.contains { item in
        switch item {
        case .statement(let statement): statement.sql.kind != .reads
        case .group(let group): mayStore(group.items, group.hooks)
        }
      }
  }
}
