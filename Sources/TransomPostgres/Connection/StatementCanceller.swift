internal import Synchronization

/// Ends what runs on a connection when its task is cancelled: asks the server to cancel it, again and again until it
/// has answered, and at last closes the connection.
///
/// A request that arrives while nothing runs yet is lost: the commands may still be on their way
/// (PostgreSQL manual, 34.7 "Canceling Queries in Progress").
final class StatementCanceller: Sendable {
  /// How long a server may take to answer a cancellation.
  private static let grace = Duration.seconds(10)

  private struct State {
    var wasCancelled = false
    var isAnswered = false
  }

  private let connection: PostgresConnection
  private let state = Mutex(State())

  init(_ connection: PostgresConnection) { self.connection = connection }

  /// Runs the body, and has what runs on the server cancelled when the task is.
  @inline(__always)
  static func cancelling<Value>(
    _ connection: PostgresConnection, _ body: () async -> Value
  ) async -> (value: Value, wasCancelled: Bool) {
    let canceller = StatementCanceller(connection)
    let value = await withTaskCancellationHandler(operation: body) { canceller.cancel() }
    let wasCancelled = canceller.state.withLock { state in
      state.isAnswered = true
      return state.wasCancelled
    }
    // The request may be slower than the answer, and would end what is sent next.
    if wasCancelled { await connection.waitForCancels() }
    return (value, wasCancelled)
  }

  private func cancel() {
    let isRunning = state.withLock { state in
      state.wasCancelled = !state.isAnswered
      return state.wasCancelled
    }
    guard isRunning else { return }
    connection.keepCancelling(for: Self.grace) { [weak self] in
      self?.state.withLock { !$0.isAnswered } ?? false
    }
  }
}
