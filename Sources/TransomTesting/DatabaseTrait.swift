public import Testing
public import TransomPostgres

/// Gives each test of a suite, or one test, a database: see ``Testing/Trait/database(prepare:)`` and
/// ``Testing/Trait/rolledBack(prepare:)``.
public struct DatabaseTrait: SuiteTrait, TestTrait, TestScoping {
  enum Mode: Sendable {
    /// An empty database for each test.
    case own
    /// One for all tests of the trait, each in a transaction that is rolled back.
    case rolledBack(SharedDatabase)
  }

  let mode: Mode
  let prepare: @Sendable (Database) async throws -> Void

  /// It applies to every test of a suite.
  public var isRecursive: Bool { true }

  /// Runs a test with its database.
  public func provideScope(
    for test: Test, testCase: Test.Case?,
    performing function: @Sendable @concurrent () async throws -> Void
  ) async throws {
    // Of a suite only the tests in it get one.
    guard testCase != nil else { return try await function() }
    switch mode {
    case .own:
      try await TestServer.withDatabase { databases in
        try await prepare(databases.default)
        try await TestDatabases.$current.withValue(databases) { try await function() }
      }
    case .rolledBack(let shared):
      let databases = try await shared.databases(prepare)
      try await TestDatabases.$current.withValue(databases) {
        try await databases.default.withTestTransaction { try await function() }
      }
    }
  }
}

extension Trait where Self == DatabaseTrait {
  /// Each test gets an empty database of its own, on a private server of the test run, prepared by a closure. What it
  /// commits nobody else sees, and it is gone afterwards, with all its connections.
  ///
  ///     @Suite(.database { try await $0.execute("create table account (id int)") })
  ///     struct AccountTests {
  ///       @Test func opens() async throws {
  ///         let databases = try TestDatabases.databases
  ///         …
  ///       }
  ///     }
  public static func database(
    prepare: @escaping @Sendable (Database) async throws -> Void = { _ in }
  ) -> DatabaseTrait {
    DatabaseTrait(mode: .own, prepare: prepare)
  }

  /// Each test runs in a transaction that is rolled back at its end, on a database that the tests of the trait share
  /// and that is prepared once. An atomic block in it is a savepoint, and `onCommit` hooks do not run:
  /// ``TransomPostgres/Database/captureOnCommitCallbacks(execute:_:)`` has them.
  ///
  /// It is faster than ``database(prepare:)``. Tests that write the same unique key wait for one another.
  public static func rolledBack(
    prepare: @escaping @Sendable (Database) async throws -> Void = { _ in }
  ) -> DatabaseTrait {
    DatabaseTrait(mode: .rolledBack(SharedDatabase()), prepare: prepare)
  }
}

/// The databases of the test that runs.
public enum TestDatabases {
  @TaskLocal static var current: Databases?

  /// The databases that the test's trait made: one, with the alias `default`.
  ///
  /// - Throws: `NoTestDatabase` outside of a test with such a trait.
  public static var databases: Databases {
    get throws {
      guard let current else { throw NoTestDatabase() }
      return current
    }
  }
}

/// The test has no trait that makes a database.
public struct NoTestDatabase: Error, CustomStringConvertible {
  /// What to do about it.
  public var description: String {
    "the test has no database: give it or its suite the trait .database or .rolledBack"
  }
}

/// A database that several tests share, made by the first one.
actor SharedDatabase {
  private var made: Task<Databases, any Error>?

  func databases(
    _ prepare: @escaping @Sendable (Database) async throws -> Void
  ) async throws -> Databases {
    if let made { return try await made.value }
    // No child of the test's task: it is nobody's connection that prepares it.
    let task = Task.detached {
      let databases = try await TestServer.makeDatabase().databases
      try await prepare(databases.default)
      return databases
    }
    made = task
    return try await task.value
  }
}
