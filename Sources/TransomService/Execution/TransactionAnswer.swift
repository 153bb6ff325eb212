/// The answer to a transaction that was committed, or was a dry run.
package struct TransactionAnswer: Sendable {
  package var body: [UInt8]
  package var outcome: Outcome
  package var timing: Timing
  /// Whether it is the answer to an earlier request with the same Idempotency-Key.
  package var isReplay = false

  /// How long its parts took.
  package struct Timing: Sendable {
    /// Waiting for a connection.
    package var queue = Duration.zero
    /// On the connection, waiting for the server for the most part.
    package var execute = Duration.zero
    /// Of that, reading the server's answers and writing them as JSON.
    package var encode = Duration.zero
  }
}
