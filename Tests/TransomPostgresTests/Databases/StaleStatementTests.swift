import TestSupport
import Testing
import TransomPostgres

/// A prepared statement that the catalogue, or somebody's SQL, has taken away from under us.
struct StaleStatementTests {
  private func run(
    _ body: (Connection, TestDatabase) async throws -> Void
  ) async throws {
    try await withDatabases(size: 1) { databases, server in
      try await databases.default.makeTable()
      try await databases.default.insert(1)
      try await databases.default.withConnection { try await body($0, server) }
    }
  }

  private let select: Statement = "select * from t"
  private let change = "alter table t add column name text default 'x'"

  @Test func `what a transaction prepares behind it is prepared anew, and later ones commit`()
    async throws
  {
    try await withDatabases(size: 1) { databases, server in
      let database = try databases.default
      try await server.query("create table t (n int); create table u (n int)")
      try await database.atomic { try await $0.execute("insert into u values (0)") }
      try await database.execute("select * from t")
      try await server.query("alter table t add column m int")
      try await database.atomic { tx in
        try await tx.execute("insert into u values (1)")
        await #expect(throws: PostgresError.self) {
          try await tx.atomic { try await $0.execute("select * from t") }
        }
        try await tx.execute("insert into u values (2)")
      }
      for number in 3...4 {
        try await database.atomic { tx in
          try await tx.execute("insert into u values (\(number))")
          try await tx.execute("select * from t")
        }
      }
      #expect(
        try await server.value("select array_agg(n order by n)::text from u") == "{0,1,2,3,4}")
    }
  }

  @Test func `a block that takes all prepared statements away commits nevertheless`() async throws {
    try await withDatabases(size: 1) { databases, server in
      let database = try databases.default
      try await server.query("create table u (n int)")
      for number in 1...3 {
        try await database.atomic { tx in
          try await tx.execute("insert into u values (\(number))")
          if number == 2 { try await tx.execute("deallocate all") }
        }
      }
      #expect(try await server.value("select count(*) from u") == "3")
    }
  }

  @Test func `where a function takes them away unseen, one transaction fails, and no other`()
    async throws
  {
    try await withDatabases(size: 1) { databases, server in
      let database = try databases.default
      try await server.query(
        """
        create table u (n int);
        create function forget() returns void language plpgsql as $$ begin execute 'deallocate all'; end $$
        """)
      var stored: [Int] = []
      for number in 1...4 {
        do {
          try await database.atomic { tx in
            try await tx.execute(
              "insert into u values (\(number)) -- \(unescaped: String(number))")
            if number == 2 { try await tx.execute("select forget()") }
          }
          stored.append(number)
        } catch let error as PostgresError {
          #expect(error.sqlState == "26000")
        }
      }
      #expect(stored == [1, 3, 4])
      #expect(try await server.value("select array_agg(n order by n)::text from u") == "{1,3,4}")
    }
  }

  @Test func `what has committed by itself is not executed again`() async throws {
    try await run { connection, server in
      let error = await #expect(throws: PostgresError.self) {
        try await connection.execute(
          "do $$ begin insert into t values (7); commit; execute 'deallocate nothing'; end $$")
      }
      #expect(error?.sqlState == "26000")
      let count = try await server.value("select count(*) from t where id = 7")
      #expect(count == "1")
    }
  }

  @Test(arguments: [
    ["begin", "insert into u values (7)", "commit"], ["call store()"],
    ["do $$ begin insert into u values (7); commit; end $$"],
  ])
  func `what a COMMIT in front of it has stored is not executed again`(_ before: [String])
    async throws
  {
    try await run { connection, server in
      try await server.query(
        """
        create table u (n int);
        create procedure store() language plpgsql as 'begin insert into u values (7); commit; end'
        """)
      try await connection.execute(select)
      try await server.query(change)
      let error = await #expect(throws: PostgresError.self) {
        try await connection.pipeline(before.map { Statement(sql: $0) } + [select])
      }
      #expect(error?.sqlState == .featureNotSupported)
      #expect(try await server.value("select count(*) from u") == "1")
      #expect(try await connection.query(select).columns.count == 2)
    }
  }

  @Test func `it is prepared again, and the caller sees nothing of it`() async throws {
    try await run { connection, server in
      #expect(try await connection.query(select).columns.count == 1)
      try await server.query(change)
      #expect(try await connection.query(select).columns.count == 2)
      try await connection.execute("deallocate all")
      #expect(try await connection.query(select).columns.count == 2)
    }
  }

  @Test func `so it is for a cursor, in a pipeline, and as the first statement of a transaction`()
    async throws
  {
    try await run { connection, server in
      try await connection.execute(select)
      try await server.query(change)
      try await connection.cursor { cursor in
        try await cursor.execute(select)
        #expect(try await cursor.fetchAll().first?.columns.count == 2)
      }
      try await server.query("alter table t add column more int")
      #expect(try await connection.pipeline(["select 1", select])[1].columns.count == 3)
      // What it does itself in front is undone, and done again.
      let own = try await connection.pipeline(["alter table t drop column more", select])
      #expect(own[1].columns.count == 2)
      try await server.query("alter table t add column more int")
      try await connection.execute(select)
      try await server.query("alter table t drop column more")
      try await connection.atomic { tx in
        try await tx.atomic { inner in
          #expect(try await inner.query(select).columns.count == 2)
          try await inner.execute("insert into t values (2)")
        }
      }
      #expect(
        try await connection.query("select id from t order by id").decode(Int.self) == [1, 2])
    }
  }

  @Test
  func `behind another statement of a transaction it is an error: what is lost cannot be replayed`()
    async throws
  {
    try await run { connection, server in
      try await connection.execute(select)
      try await server.query(change)
      let error = await #expect(throws: PostgresError.self) {
        try await connection.atomic { tx in
          try await tx.execute("select 1")
          try await tx.execute(select)
        }
      }
      #expect(error?.sqlState == .featureNotSupported)
      // The next transaction prepares it again.
      let count = try await connection.atomic { try await $0.query(select).columns.count }
      #expect(count == 2)
    }
  }
}
