public import Testing
public import TransomPostgres

/// Gives each test of a suite, or one test, a database: see ``DatabaseTrait/database(prepare:)``,
/// ``DatabaseTrait/rolledBack(prepare:)`` and ``DatabaseTrait/truncated(prepare:)``.
public struct DatabaseTrait: SuiteTrait, TestTrait, TestScoping {
  enum Mode: Sendable {
    /// An empty database for each test.
    case own
    /// One for all tests of the trait, each in a transaction that is rolled back.
    case rolledBack(SharedDatabase)
    /// One for each test that runs at the same time, emptied after each.
    case truncated(ReusedDatabases)
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
    case .truncated(let reused):
      try await reused.withDatabases(prepare) { databases in
        try await TestDatabases.$current.withValue(databases) { try await function() }
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
  /// `captureOnCommitCallbacks(execute:)` has them.
  ///
  /// It is faster than ``database(prepare:)``. Tests that write the same unique key wait for one another.
  public static func rolledBack(
    prepare: @escaping @Sendable (Database) async throws -> Void = { _ in }
  ) -> DatabaseTrait {
    DatabaseTrait(mode: .rolledBack(SharedDatabase()), prepare: prepare)
  }

  /// Each test gets a database whose tables are empty: it can commit, and what it stored is removed afterwards, by
  /// TRUNCATE, with all its connections. A database is prepared once for each test that runs at the same time, and no
  /// two of them have the same one.
  ///
  /// It is faster than ``database(prepare:)`` where preparing is expensive. Rows that `prepare` stores are removed, too:
  /// a test begins with empty tables, and with sequences that begin at their start. What else a test leaves, such as a
  /// table of its own, is found by those after it.
  public static func truncated(
    prepare: @escaping @Sendable (Database) async throws -> Void = { _ in }
  ) -> DatabaseTrait {
    DatabaseTrait(mode: .truncated(ReusedDatabases()), prepare: prepare)
  }
}
