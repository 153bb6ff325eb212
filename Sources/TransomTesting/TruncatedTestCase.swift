internal import Synchronization
internal import TransomPostgres
internal import XCTest

/// For XCTest what ``DatabaseTrait/truncated(prepare:)`` is for Swift Testing: each test of the class gets a database
/// whose tables are empty, in which it can commit.
open class TruncatedTestCase: DatabaseTestCase {
  private static let reused = Mutex<[ObjectIdentifier: ReusedDatabases]>([:])

  override func invoke(_ test: () -> Void) throws {
    let type = type(of: self)
    let reused = Self.reused.withLock { all in
      let reused = all[ObjectIdentifier(type)] ?? ReusedDatabases()
      all[ObjectIdentifier(type)] = reused
      return reused
    }
    let (databases, name) = try blocking { try await reused.borrow { try await type.prepare($0) } }
    Self.run(test, with: databases)
    try blocking { try await reused.giveBack(databases, name) }
  }
}
