public import TransomPostgres
public import XCTest

/// For XCTest what ``DatabaseTrait/database(prepare:)`` is for Swift Testing: each test of the class gets an empty
/// database of its own, as ``TestDatabases/databases``.
///
///     final class AccountTests: DatabaseTestCase {
///       override class func prepare(_ database: Database) async throws {
///         try await database.execute("create table account (id int)")
///       }
///
///       func testOpens() async throws {
///         let database = try TestDatabases.databases.default
///         …
///       }
///     }
open class DatabaseTestCase: XCTestCase {
  /// Prepares a database for the tests of the class.
  open class func prepare(_ database: Database) async throws {}

  /// Runs a test with its database.
  open override func invokeTest() {
    do {
      try invoke { super.invokeTest() }
    } catch {
      XCTFail("the test's database: \(error)")
    }
  }

  /// Gives a test its database.
  func invoke(_ test: () -> Void) throws {
    let type = type(of: self)
    let (databases, name) = try blocking {
      let made = try await TestServer.makeDatabase()
      do {
        try await type.prepare(made.databases.default)
      } catch {
        try? await TestServer.remove(made.databases, made.name)
        throw error
      }
      return made
    }
    Self.run(test, with: databases)
    try blocking { try await TestServer.remove(databases, name) }
  }

  static func run(_ test: () -> Void, with databases: Databases) {
    TestDatabases.$isXCTest.withValue(true) {
      TestDatabases.$current.withValue(databases, operation: test)
    }
  }
}
