internal import Synchronization
internal import TransomEventLoop

/// Ends what runs on a connection when its task is cancelled: asks the server to cancel it, again and again until it
/// has answered, and at last closes the connection.
///
/// A request that arrives while nothing runs yet is lost: the commands may still be on their way
/// (PostgreSQL manual, 34.7 "Canceling Queries in Progress").
final class StatementCanceller: Sendable {
  /// How long a server may take to answer a cancellation.
  private static let grace = Duration.seconds(10)
  private static let firstPause = Duration.milliseconds(20)

  private struct State {
    var wasCancelled = false
    var isAnswered = false
  }

  private let connection: PostgresConnection
  private let state = Mutex(State())

  init(_ connection: PostgresConnection) { self.connection = connection }

  /// Runs the body, and has what runs on the server cancelled when the task is.
  static func cancelling<Value>(
    _ connection: PostgresConnection, _ body: () async -> Value
  ) async -> (value: Value, wasCancelled: Bool) {
    let canceller = StatementCanceller(connection)
    let value = await withTaskCancellationHandler(operation: body) { canceller.cancel() }
    let wasCancelled = canceller.state.withLock { state in
      state.isAnswered = true
      return state.wasCancelled
    }
    return (value, wasCancelled)
  }

  private func cancel() {
    let isRunning = state.withLock { state in
      state.wasCancelled = !state.isAnswered
      return state.wasCancelled
    }
    guard isRunning else { return }
    connection.loop.execute { [self] in
      cancel(until: connection.loop.now + Self.grace, again: Self.firstPause)
    }
  }

  private func cancel(until deadline: MonotonicInstant, again pause: Duration) {
    guard state.withLock({ !$0.isAnswered }) else { return }
    let now = connection.loop.now
    guard now < deadline else {
      connection.assumeIsolated { $0.close() }
      return
    }
    connection.assumeIsolated { $0.cancelRunning() }
    _ = connection.loop.schedule(at: min(now + pause, deadline)) { [self] in
      cancel(until: deadline, again: pause * 2)
    }
  }
}
