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

@Suite(.truncated { try await $0.execute("create table t (id int)") })
struct LeftOverTests {
  @Test(.timeLimit(.minutes(1)), arguments: 1...2)
  func `a task that a test has left behind does not keep its end`(_: Int) async throws {
    let database = try TestDatabases.databases.default
    let (began, begin) = AsyncStream.makeStream(of: Void.self)
    Task.detached {
      try await database.withConnection { connection in
        try await connection.execute("select 1")
        begin.finish()
        try await connection.execute("select pg_sleep(600)")
      }
    }
    for await _ in began {}
  }
}

@Suite(.database { try await $0.execute("create table t (id int)") })
struct TestTransactionTests {
  /// What a test of XCTest does in its tasks.
  private static func rollBack(behind sql: Statement) async throws {
    let database = try TestDatabases.databases.default
    let transaction = try TestTransaction(database)
    let (ended, end) = AsyncStream.makeStream(of: Void.self)
    transaction.bound {
      Task {
        defer { end.finish() }
        try await database.execute("insert into t values (1)")
        try await database.execute(sql)
      }
    }
    for await _ in ended {}
    transaction.letGo()
    try await transaction.rollBack()
  }

  @Test func `what a test has stored by a COMMIT of its own is an error of the test`() async throws
  {
    let database = try TestDatabases.databases.default
    await #expect(throws: PostgresError.self) { try await Self.rollBack(behind: "commit") }
    try await database.execute("delete from t")
    try await Self.rollBack(behind: "select 1")
    // A test that fails, or expects an error, is rolled back like any other.
    try await Self.rollBack(behind: "select 1/0")
    let count = try await database.query("select from t").count
    #expect(count == 0)
  }
}

struct NoTraitTests {
  @Test func `without a trait there is no database`() {
    #expect(throws: NoTestDatabase.self) { try TestDatabases.databases }
  }
}

@Suite(
  .truncated {
    try await $0.execute("create schema other")
    try await $0.execute("create table t (id serial primary key, name text unique)")
    try await $0.execute("create table other.u (t int references public.t)")
    try await $0.execute("insert into t (name) values ('of prepare')")
  })
struct TruncatedTraitTests {
  /// In parallel, and one after the other on the same database.
  @Test(arguments: 1...8)
  func `a test can commit, sees its own rows only, and its tables are emptied afterwards`(_: Int)
    async throws
  {
    let databases = try TestDatabases.databases
    let id = try await databases.default.atomic(durable: true) { tx in
      try await tx.query("insert into t (name) values ('Ada') returning id").only(Int.self)
    }
    #expect(id == 1)
    try await databases.default.execute("insert into other.u values (1)")
    let seen = try await databases.withIndependentConnections {
      try await databases.default.query("select name from t join other.u on t = id")
        .decode(String.self)
    }
    #expect(seen == ["Ada"])
  }
}
