internal import Synchronization
internal import TransomPostgres

/// Ends a transaction early, from any thread: because its time is over, or because nobody waits for it any more.
///
/// What runs is cancelled on the server, and then answers with an error like any other. A server that does not
/// react loses its connection.
package final class Interruption: Sendable {
  package enum Reason: Sendable {
    case timedOut
    case clientGone
  }

  private struct State {
    var reason: Reason?
    var connection: PostgresConnection?
    var handler: (@Sendable () -> Void)?
  }

  /// How long a server may take to answer a cancellation.
  private static let grace = Duration.seconds(5)

  private let state = Mutex(State())

  package init() {}

  /// Why the transaction is to end; nil if it may go on.
  package var reason: Reason? { state.withLock { $0.reason } }

  /// The transaction runs on this connection from now on; nil: on none.
  func attach(_ connection: PostgresConnection?) {
    state.withLock { $0.connection = connection }
  }

  /// Calls `handler` when the transaction is to end early, on any thread.
  package func onInterruption(_ handler: @escaping @Sendable () -> Void) {
    let isLate = state.withLock { state in
      state.handler = handler
      return state.reason != nil
    }
    if isLate { handler() }
  }

  /// Ends the transaction. The first reason counts.
  package func interrupt(_ reason: Reason) {
    let (connection, handler) = state.withLock { state in
      guard state.reason == nil else {
        return (PostgresConnection?.none, (@Sendable () -> Void)?.none)
      }
      state.reason = reason
      return (state.connection, state.handler)
    }
    handler?()
    guard let connection else { return }
    connection.keepCancelling(for: Self.grace) { [self, weak connection] in
      connection.map(isAttached) ?? false
    }
  }

  private func isAttached(_ connection: PostgresConnection) -> Bool {
    state.withLock { $0.connection === connection }
  }
}
