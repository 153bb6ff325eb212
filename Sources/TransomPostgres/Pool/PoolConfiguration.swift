/// How many connections a database gets, and how long to wait for one.
public struct PoolConfiguration: Sendable {
  /// The number of connections at most, shared out over the event loops; at least one for each.
  public var size = 16
  /// How long to wait for a connection when all are busy.
  public var waitLimit: Duration = .seconds(2)
  /// A connection older than this is replaced when it comes back; up to a tenth less, so that not all go at once.
  public var maximumLifetime: Duration = .seconds(3600)

  /// The defaults.
  public init() {}
}

/// Why no connection could be had. Nothing was sent to the database.
public enum LeaseError: Error, Equatable, Sendable {
  /// All connections were busy for the whole wait.
  case poolExhausted
  /// No connection could be made: what the last attempt said.
  case unreachable(String)
  /// The pool is shutting down.
  case shuttingDown
  /// The waiting task was cancelled.
  case cancelled
}
