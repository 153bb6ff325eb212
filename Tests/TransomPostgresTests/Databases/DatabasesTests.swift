import TestSupport
import Testing
import TransomPostgres

struct DatabasesTests {
  @Test func `an unknown alias is an error that names the known ones`() async throws {
    try await withDatabases { databases, _ in
      let error = #expect(throws: PostgresError.self) { try databases["nowhere"] }
      #expect(error?.kind == .unknownDatabase)
      #expect(error?.message == "there is no database nowhere; there are: default, other")
    }
  }

  @Test func `a wrong setting is an error that names it`() throws {
    let url = #expect(throws: PostgresError.self) {
      try Databases(["main": DatabaseConfiguration(url: "postgres://%zz")])
    }
    #expect(url?.message.hasPrefix("databases.main.url: ") == true)
    var configuration = DatabaseConfiguration(url: "")
    configuration.pool.size = 0
    let size = #expect(throws: PostgresError.self) { try Databases(["main": configuration]) }
    #expect(size?.message == "databases.main.pool.size is 0, and may be from 1 to 10000")
  }

  @Test func `a nested use in the same task gets the same connection`() async throws {
    try await withDatabases { databases, _ in
      let database = try databases.default
      func processID() async throws -> Int {
        try await database.query("select pg_backend_pid()").only(Int.self)
      }
      try await database.withConnection { _ in
        let first = try await processID()
        let second = try await database.withConnection { _ in try await processID() }
        #expect(first == second)
        #expect(await database.connectionCounts.inUse == 1)
      }
      try await eventually("it is given back") { await database.connectionCounts.inUse == 0 }
    }
  }

  @Test func `a closed connection is replaced at its next use, but not inside a transaction`()
    async throws
  {
    try await withDatabases { databases, _ in
      try await databases.default.withConnection { connection in
        let first = try await connection.query("select pg_backend_pid()").only(Int.self)
        try await connection.close()
        #expect(try await connection.query("select pg_backend_pid()").only(Int.self) != first)
        let error = await #expect(throws: PostgresError.self) {
          try await connection.atomic { tx in try await tx.close() }
        }
        #expect(error?.kind == .insideAtomic)
      }
    }
  }

  @Test func `a child task cannot use its parent's connection, but one of its own`() async throws {
    try await withDatabases { databases, _ in
      let database = try databases.default
      try await database.makeTable()
      try await database.atomic { _ in
        try await database.insert(1)
        let error = await #expect(throws: PostgresError.self) {
          try await Task { try await database.insert(2) }.value
        }
        #expect(error?.kind == .connectionOwnedByAnotherTask)
        try await withThrowingTaskGroup { tasks in
          for id in 3...5 {
            tasks.addTask {
              try await databases.withIndependentConnections { try await database.insert(id) }
            }
          }
          try await tasks.waitForAll()
        }
        #expect(try await database.ids == [1, 3, 4, 5])
      }
    }
  }

  @Test func `of child tasks that all use their parent's transaction every one is refused`()
    async throws
  {
    try await withDatabases { databases, _ in
      let database = try databases.default
      try await database.makeTable()
      try await database.atomic { _ in
        let refused = await withTaskGroup { tasks in
          for id in 1...10 {
            tasks.addTask {
              do {
                try await database.atomic { _ in try await database.insert(id) }
                return false
              } catch {
                return (error as? PostgresError)?.kind == .connectionOwnedByAnotherTask
              }
            }
          }
          return await tasks.reduce(0) { $0 + ($1 ? 1 : 0) }
        }
        #expect(refused == 10)
      }
      let seen = try await database.ids
      #expect(seen == [])
    }
  }

  @Test func `a task that outlives the block it was begun in stores nothing behind its back`()
    async throws
  {
    try await withDatabases { databases, _ in
      let database = try databases.default
      try await database.makeTable()
      let log = Log()
      var straggler: Task<Void, any Error>?
      await #expect(throws: Boom()) {
        try await database.atomic { tx in
          try await tx.execute("select 1")
          straggler = Task {
            try await eventually("the block is over") { log.entries == ["over"] }
            try await database.insert(1)
          }
          throw Boom()
        }
      }
      log.append("over")
      let error = await #expect(throws: PostgresError.self) { try await straggler?.value }
      #expect(error?.kind == .connectionOwnedByAnotherTask)
      let seen = try await database.ids
      #expect(seen == [])
    }
  }
}
