import TestSupport
import Testing
import TransomPostgres

/// What Django's DEP 0009 and django-async-backend pin of connections of one's own.
struct IndependentConnectionTests {
  private func run(_ body: (Databases, Database) async throws -> Void) async throws {
    try await withDatabases { databases, _ in
      try await databases.default.makeTable()
      try await body(databases, databases.default)
    }
  }

  private func processID(_ database: Database) async throws -> Int {
    try await database.query("select pg_backend_pid()").only(Int.self)
  }

  @Test func `neither side sees what the other one has not committed`() async throws {
    try await run { databases, database in
      try await database.atomic { _ in
        try await database.insert(1)
        try await databases.withIndependentConnections {
          try await database.atomic { _ in
            let outer = try await database.ids
            #expect(outer == [])
            try await database.insert(2)
            try await databases.withIndependentConnections {
              let seen = try await database.ids
              #expect(seen == [])
            }
          }
          let own = try await database.ids
          #expect(own == [2])
        }
        let both = try await database.ids
        #expect(both == [1, 2])
      }
    }
  }

  @Test func `the task's own connection is the same afterwards, also after an error`() async throws
  {
    try await run { databases, database in
      try await database.withConnection { _ in
        let before = try await processID(database)
        await #expect(throws: Boom()) {
          try await databases.withIndependentConnections {
            try await database.withConnection { _ in
              let other = try await processID(database)
              #expect(other != before)
              throw Boom()
            }
          }
        }
        let after = try await processID(database)
        #expect(after == before)
        try await eventually("the other one is given back") {
          await database.connectionCounts.inUse == 1
        }
      }
    }
  }

  @Test func `what is rolled back inside leaves the task's own transaction alone`() async throws {
    try await run { databases, database in
      try await database.atomic { _ in
        try await database.insert(1)
        await #expect(throws: Boom()) {
          try await databases.withIndependentConnections {
            try await database.atomic { _ in
              try await database.insert(2)
              throw Boom()
            }
          }
        }
      }
      let seen = try await database.ids
      #expect(seen == [1])
    }
  }

  @Test func `each task of a group has a transaction of its own, all at the same time`()
    async throws
  {
    try await run { databases, database in
      let begun = Log()
      try await withThrowingTaskGroup { tasks in
        for id in 1...5 {
          tasks.addTask {
            try await databases.withIndependentConnections {
              try await database.atomic { _ in
                try await database.insert(id)
                begun.append("\(id)")
                // None of them can end before all have begun.
                try await eventually("all have begun") { begun.entries.count == 5 }
              }
            }
          }
        }
        try await tasks.waitForAll()
      }
      let count = try await database.ids.count
      #expect(count == 5)
    }
  }

  @Test func `texts are UTF-8, whatever the connection string asks for`() async throws {
    try await withDatabase { server in
      let databases = try Databases([
        "default": DatabaseConfiguration(
          url: server.connectionString + (server.connectionString.contains("?") ? "&" : "?")
            + "client_encoding=latin1")
      ])
      let text = try await databases.default.query("select \("ü😀")::text").only(String.self)
      #expect(text == "ü😀")
      await databases.shutdown()
    }
  }
}
