import TransomPostgres
import TransomTesting
import XCTest

/// The names tell the order: XCTest runs them alphabetically, one at a time.
final class OwnDatabaseTestCaseTests: DatabaseTestCase {
  override class func prepare(_ database: Database) async throws {
    try await database.execute("create table t (id int primary key)")
  }

  func testEachTestHasADatabaseOfItsOwn() async throws { try await insert() }
  func testEachTestHasADatabaseOfItsOwnAgain() async throws { try await insert() }

  private func insert() async throws {
    let database = try TestDatabases.databases.default
    try await database.atomic(durable: true) { try await $0.execute("insert into t values (1)") }
    let ids = try await database.query("select id from t").decode(Int.self)
    XCTAssertEqual(ids, [1])
  }
}

final class RolledBackTestCaseTests: RolledBackTestCase {
  override class func prepare(_ database: Database) async throws {
    try await database.execute("create table t (id int primary key)")
  }

  private var ids: [Int] {
    get async throws {
      try await TestDatabases.databases.default.query("select id from t order by id")
        .decode(Int.self)
    }
  }

  override func setUp() async throws {
    try await TestDatabases.databases.default.execute("insert into t values (1)")
  }

  override func tearDown() async throws {
    let left = try await ids
    XCTAssertEqual(left.first, 1)
  }

  func testAChildTaskCannotUseItsTransaction() async throws {
    let database = try TestDatabases.databases.default
    let own = try await ids
    XCTAssertEqual(own, [1])
    do {
      _ = try await Task { try await database.execute("select 1") }.value
      XCTFail("it could")
    } catch let error as PostgresError {
      XCTAssertEqual(error.kind, .connectionOwnedByAnotherTask)
    }
  }

  func testItRunsInATransactionWithItsSetUp() async throws {
    let database = try TestDatabases.databases.default
    try await database.atomic(durable: true) { try await $0.execute("insert into t values (2)") }
    let seen = try await ids
    XCTAssertEqual(seen, [1, 2])
  }

  func testNothingOfAnotherTestIsLeft() async throws {
    let seen = try await ids
    XCTAssertEqual(seen, [1])
  }

  func testStatementsAreCountedAndHooksCaptured() async throws {
    let database = try TestDatabases.databases.default
    try await database.expectQueries(count: 1) { try await database.execute("select 1") }
    let hooks = try await database.captureOnCommitCallbacks(execute: true) {
      try await database.atomic { tx in
        try await tx.onCommit { try await database.execute("insert into t values (3)") }
      }
    }
    XCTAssertEqual(hooks.count, 1)
    let seen = try await ids
    XCTAssertEqual(seen, [1, 3])
  }
}

final class TruncatedTestCaseTests: TruncatedTestCase {
  override class func prepare(_ database: Database) async throws {
    try await database.execute("create table t (id serial primary key)")
  }

  func testItCommitsAndIsEmptied() async throws { try await insert() }
  func testItCommitsAndIsEmptiedAgain() async throws { try await insert() }

  private func insert() async throws {
    let database = try TestDatabases.databases.default
    try await database.execute("insert into t default values")
    let ids = try await database.query("select id from t").decode(Int.self)
    XCTAssertEqual(ids, [1])
  }
}
