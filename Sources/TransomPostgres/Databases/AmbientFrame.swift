internal import Synchronization
internal import TransomEventLoop

/// The connections that the current task has, the newest first.
///
/// It is a task-local value, so that child tasks inherit it. They are told apart by their identity: a connection belongs
/// to the task that took it, and to no other, not even when that task is done with it.
final class AmbientFrame: Sendable {
  @TaskLocal static var current: AmbientFrame?

  private enum Content: Sendable {
    case connection(ConnectionScope)
    /// What is further out is not seen for these databases.
    case barrier(Set<ObjectIdentifier>)
  }

  private let content: Content
  private let outer: AmbientFrame?

  init(_ scope: ConnectionScope, inside outer: AmbientFrame?) {
    content = .connection(scope)
    self.outer = outer
  }

  init(barrierFor databases: [DatabaseCore], inside outer: AmbientFrame?) {
    content = .barrier(Set(databases.map(ObjectIdentifier.init)))
    self.outer = outer
  }

  /// The current task's connection to a database; nil if it has none.
  ///
  /// - Throws: `PostgresError` of kind `.connectionOwnedByAnotherTask` if another task's is in the way.
  static func scope(of database: DatabaseCore) throws(PostgresError) -> ConnectionScope? {
    var frame = current
    while let here = frame {
      switch here.content {
      case .connection(let scope) where scope.database === database:
        guard scope.isOwnedByCurrentTask else { throw .ownedByAnotherTask }
        return scope
      case .barrier(let databases) where databases.contains(ObjectIdentifier(database)):
        return nil
      case .connection, .barrier: frame = here.outer
      }
    }
    return nil
  }
}
