import Testing
import TransomPostgres
import TransomTesting

/// All run in parallel, on one table: whoever saw another's rows would fail.
@Suite(.rolledBack { try await $0.execute("create table t (id int)") })
struct RolledBackTraitTests {
  @Test(arguments: 1...8)
  func `a test sees its own rows only, and nothing of it is left`(_ id: Int) async throws {
    let database = try TestDatabases.databases.default
    let before = try await database.query("select id from t").decode(Int.self)
    #expect(before == [])
    try await database.atomic(durable: true) { tx in
      try await tx.execute("insert into t values (\(id))")
    }
    let after = try await database.query("select id from t").decode(Int.self)
    #expect(after == [id])
  }

  @Test func `hooks are captured, and executed on demand`() async throws {
    let database = try TestDatabases.databases.default
    let register: () async throws -> Void = {
      try await database.atomic { tx in
        try await tx.onCommit { try await database.execute("insert into t values (1)") }
      }
    }
    #expect(try await database.captureOnCommitCallbacks(register).count == 1)
    let none = try await database.query("select id from t").count
    #expect(none == 0)
    #expect(try await database.captureOnCommitCallbacks(execute: true, register).count == 1)
    let one = try await database.query("select id from t").count
    #expect(one == 1)
  }

  @Test func `statements are counted, and too many are an issue that names them`() async throws {
    let database = try TestDatabases.databases.default
    try await database.expectQueries(count: 2) {
      try await database.atomic { tx in
        try await tx.execute("select 1")
        try await tx.execute("select 2")
      }
    }
    await withKnownIssue {
      try await database.expectQueries(count: 0) { try await database.execute("select 3") }
    }
  }
}

@Suite(.database { try await $0.execute("create table t (id int primary key)") })
struct DatabaseTraitTests {
  @Test(arguments: 1...3)
  func `each test has a database of its own, in which it can commit`(_ round: Int) async throws {
    let database = try TestDatabases.databases.default
    try await database.atomic(durable: true) { tx in
      try await tx.execute("insert into t values (1)")
    }
    let count = try await database.query("select id from t").count
    #expect(count == 1)
  }
}

struct NoTraitTests {
  @Test func `without a trait there is no database`() {
    #expect(throws: NoTestDatabase.self) { try TestDatabases.databases }
  }
}
