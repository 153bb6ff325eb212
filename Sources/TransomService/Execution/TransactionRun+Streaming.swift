internal import TransomEventLoop
internal import TransomPostgres

// A run whose answer is passed on while it runs.
extension TransactionRun {
  /// Whether what there is has to be passed on before anything else happens.
  var isFull: Bool { isStreamed && streamed[0].isFull }

  /// Whether there is something to be passed on before the transaction goes on: it ends only when the client has all of
  /// what is known by then.
  var holdsLines: Bool { isStreamed && streamed[0].hasBegun && !streamed[0].isEmpty }

  /// Whether the rows of a step come one by one.
  func comesByRow(_ step: TransactionPlan.Step) -> Bool {
    guard isStreamed else { return false }
    switch step {
    case .statement, .rerun: return true
    default: return false
    }
  }

  /// Passes on what there is; at first only if that is a whole part.
  mutating func passLinesOn(on connection: isolated PostgresConnection) async {
    guard holdsLines || isFull else { return }
    if interruption.reason == nil {
      if await streamed[0].passOn(encoding: encoding) {
        if !connection.receivedTooMuch {
          connection.limitReceiving(to: streamed[0].receiveBudget)
        }
        return
      }
      // Unless it was told to stop: who takes nothing more is as good as gone.
      interruption.interrupt(.clientGone)
    }
    streamed[0].mute()
    // What is on its way is read, as the answer to the cancellation stands behind it.
    if !connection.receivedTooMuch { connection.limitReceiving(to: .max) }
    // The loop has other work, such as to cancel.
    await connection.loop.nextTurn()
  }

  /// A command was answered, or one of its rows has come.
  mutating func succeededStreaming(
    _ result: consuming PGResultHandle, _ writer: inout ResultWriter,
    on connection: isolated PostgresConnection
  ) {
    let types = questions.types.table
    if result.status == .singleTuple {
      // Behind a batch whose runs differ everything is undone.
      guard machine.currentFailure == nil, let statement = machine.answering else { return }
      if takes(result) {
        streamed[0].row(result, of: statement, types, trustsJSON: connection.sendsCheckedTexts)
        if streamed[0].holdsTooMuch { connection.refuseMore() }
      }
      if connection.receivedTooMuch, overflowing == nil { overflowing = statement }
      return
    }
    unanswered -= 1
    var effect = machine.succeeded(tagIsCommit: result.isCommit, rowCount: result.affectedRows)
    if tellsID(effect, result) { identify(result) }
    if effect == .identified { return }
    noteColumns(&effect, result)
    if let statement = effect.statement { times.answered(statement) }
    streamed[0].write(effect, result, keepingIn: &writer, types)
  }

  /// Ends the answer of a transaction that has ended as it should have; nil if it is not passed on while it runs.
  ///
  /// - Returns: what has not been passed on of it.
  mutating func finishStreaming(_ writer: inout ResultWriter) -> [UInt8]? {
    guard isStreamed else { return nil }
    let events = writer.emittedEvents
    _ = writer.discard()
    return streamed[0].finish(events: events)
  }
}
