internal import TransomEventLoop

// Who has what of a pool.
extension ConnectionPool {
  /// How a wait ended.
  enum Grant: Sendable {
    /// A connection, and the pool that it belongs to: another loop's if that lent it.
    case connection(PostgresConnection, of: ConnectionPool)
    case timedOut
    case cancelled
    case refused
  }

  struct Waiter {
    var id: WaiterID
    var continuation: CheckedContinuation<Grant, Never>
    var deadline: MonotonicInstant
  }

  struct Member {
    var id: ConnectionID
    var connection: PostgresConnection
    /// When it is to be replaced: different from one to the next, so that not all end at once.
    var expiresAt: MonotonicInstant
  }
}
