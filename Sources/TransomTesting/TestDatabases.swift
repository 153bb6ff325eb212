public import TransomPostgres

/// The databases of the test that runs.
public enum TestDatabases {
  @TaskLocal static var current: Databases?
  /// Whether it is a test of XCTest that runs.
  @TaskLocal static var isXCTest = false

  /// The databases that the test's trait or class made: one, with the alias `default`.
  ///
  /// - Throws: `NoTestDatabase` outside of such a test.
  public static var databases: Databases {
    get throws {
      guard let current else { throw NoTestDatabase() }
      return current
    }
  }
}

/// The test has no trait, and no superclass, that makes a database.
public struct NoTestDatabase: Error, CustomStringConvertible {
  /// What to do about it.
  public var description: String {
    """
    the test has no database: give it or its suite the trait .database, .rolledBack or .truncated, or its class the \
    superclass DatabaseTestCase
    """
  }
}
