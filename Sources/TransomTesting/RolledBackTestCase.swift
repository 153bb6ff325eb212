internal import Synchronization
internal import TransomPostgres
internal import XCTest

/// For XCTest what ``DatabaseTrait/rolledBack(prepare:)`` is for Swift Testing: each test of the class runs in a
/// transaction that is rolled back at its end, with its `setUp` and `tearDown`.
///
/// XCTest runs those as tasks of their own, one after the other: each may use the database, but no two at the same time.
/// What overrides `setUpWithError`, `setUp` or `tearDown` must call `super`, as ever; `addTeardownBlock` has none.
open class RolledBackTestCase: DatabaseTestCase {
  private static let shared = Mutex<[ObjectIdentifier: SharedDatabase]>([:])
  private let transaction = Mutex<TestTransaction?>(nil)

  override func invoke(_ test: () -> Void) throws {
    let type = type(of: self)
    let database = Self.shared.withLock { shared in
      let database = shared[ObjectIdentifier(type)] ?? SharedDatabase()
      shared[ObjectIdentifier(type)] = database
      return database
    }
    let databases = try blocking { try await database.databases { try await type.prepare($0) } }
    let transaction = try TestTransaction(databases.default)
    self.transaction.withLock { $0 = transaction }
    transaction.bound { Self.run(test, with: databases) }
    try blocking { try await transaction.rollBack() }
  }

  private func letGo() { transaction.withLock { $0?.letGo() } }

  /// The asynchronous `setUp` is over.
  open override func setUpWithError() throws {
    try super.setUpWithError()
    letGo()
  }

  /// The test is over.
  open override func tearDown() {
    letGo()
    super.tearDown()
  }
}
