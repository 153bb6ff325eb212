/// What became of one command of a pipeline, in the order in which they were enqueued.
package enum PipelineEvent: ~Copyable {
  /// The command succeeded.
  case result(PGResultHandle)
  /// The command failed; what follows up to the next sync is skipped.
  case failed(ServerError)
  /// The command was skipped, because one before it failed.
  case skipped
  /// A sync was reached.
  case synced
}

/// The connection itself failed. It cannot be used any more.
package enum ConnectionError: Error, Equatable, CustomStringConvertible {
  /// The server or the network ended it.
  case lost(String)
  /// The server sent what the protocol does not allow at this point.
  case outOfStep
  /// The results are larger than the limit that `receive` was given.
  case resultTooLarge
  /// The connection was closed by us.
  case closed

  package var description: String {
    switch self {
    case .lost(let message): "the connection was lost: \(message)"
    case .outOfStep: "the server sent an answer that does not belong to any command"
    case .resultTooLarge: "the results are larger than allowed"
    case .closed: "the connection was closed"
    }
  }
}
