internal import TransomEventLoop

extension PostgresConnection {
  /// Allows `bytes` to be received until the next call: what protects memory from a giant result.
  ///
  /// When more come, what runs is cancelled, and nothing is read until the server knows: it stands still meanwhile if there
  /// is more than the kernels' buffers hold, and carries out no later command of the pipeline. What was on its way is still
  /// taken, as the server's answer to the cancellation stands behind it; should far more come, the connection fails. If
  /// `endsRow`, the rest of the largest row that there can be is taken for that, so that the answer tells whether a COMMIT
  /// behind it was carried out. A single row may be read to its end before any of that is seen: libpq reads on as long as
  /// there is more.
  package func limitReceiving(to bytes: Int, endsRow: Bool = false) {
    receiveBudget = bytes
    restOfReceiving = Self.onItsWay + (endsRow ? Self.largestRow : 0)
    takenBytes = nil
    receivedTooMuch = false
  }

  /// Cancels what runs, as if more had come than is allowed.
  package func refuseMore() {
    guard !receivedTooMuch else { return }
    receivedTooMuch = true
    receiveBudget = restOfReceiving
    cancelRunning()
    holdsBack = cancelsUnderWay > 0
  }

  /// More than the buffers of both kernels hold: what can be on its way when a statement is cancelled.
  private static let onItsWay = 32 << 20
  /// PostgreSQL makes no larger ones (PostgreSQL manual, appendix K).
  private static let largestRow = 1 << 30
  /// libpq asks for that much at least when it reads.
  private static let leastRead = 8192

  /// Takes what libpq has read off the budget; `waiting` bytes were there before.
  ///
  /// How much it took, TCP tells, and nobody else. There it is counted what it took for certain, so that nothing below
  /// the limit is refused; the rest is what came while it read.
  func count(readOf waiting: Int) throws(ConnectionError) {
    guard receiveBudget != .max else { return }
    let certain = isEncrypted ? 0 : min(waiting, Self.leastRead)
    if let taken = watch.takenBytes {
      receiveBudget -= takenBytes.map { taken - $0 } ?? certain
      takenBytes = taken
    } else {
      receiveBudget -= waiting == certain ? certain : max(certain, waiting - watch.readableBytes)
    }
    guard receiveBudget < 0 else { return }
    guard !receivedTooMuch else { throw fail(.resultTooLarge) }
    refuseMore()
  }
}
