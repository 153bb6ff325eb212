internal import Synchronization

/// The statements that were executed, in order.
final class StatementLog: Sendable {
  private let storage = Mutex<[String]>([])

  var statements: [String] { storage.withLock { $0 } }

  func append(_ sql: String) { storage.withLock { $0.append(sql) } }
}
