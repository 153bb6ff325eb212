import TestSupport
import Testing
import TransomPostgres

struct OnCommitTests {
  private func run(_ body: (Database, Log) async throws -> Void) async throws {
    try await withDatabases { databases, _ in
      let database = try databases.default
      try await database.makeTable()
      try await body(database, Log())
    }
  }

  @Test func `hooks run in order, after the commit`() async throws {
    try await run { database, log in
      try await database.atomic { tx in
        try await tx.onCommit {
          let seen = try await database.ids
          #expect(seen == [1])
          log.append("first")
        }
        try await tx.atomic { inner in try await inner.onCommit { log.append("second") } }
        try await database.insert(1)
        try await tx.onCommit { log.append("third") }
        #expect(log.entries.isEmpty)
      }
      #expect(log.entries == ["first", "second", "third"])
    }
  }

  @Test func `outside of a transaction a hook runs at once`() async throws {
    try await run { database, log in
      try await database.onCommit { log.append("now") }
      #expect(log.entries == ["now"])
    }
  }

  @Test func `hooks of a savepoint that is rolled back are forgotten, with those inside it`()
    async throws
  {
    try await run { database, log in
      try await database.atomic { tx in
        try await tx.onCommit { log.append("outer") }
        try? await tx.atomic { middle in
          try await middle.onCommit { log.append("middle") }
          try await middle.atomic { inner in
            try await database.insert(1)
            try await inner.onCommit { log.append("inner") }
          }
          throw Boom()
        }
        try await tx.onCommit { log.append("last") }
      }
      #expect(log.entries == ["outer", "last"])
    }
  }

  @Test func `hooks of a transaction that is rolled back are forgotten`() async throws {
    try await run { database, log in
      try? await database.atomic { tx in
        try await tx.onCommit { log.append("never") }
        throw Boom()
      }
      try await database.atomic { tx in try await tx.onCommit { log.append("next") } }
      #expect(log.entries == ["next"])
    }
  }

  @Test func `an error of a hook is thrown, and stops the later ones, but all is stored`()
    async throws
  {
    try await run { database, log in
      await #expect(throws: Boom()) {
        try await database.atomic { tx in
          try await database.insert(1)
          try await tx.onCommit { log.append("before") }
          try await tx.onCommit { throw Boom() }
          try await tx.onCommit { log.append("after") }
        }
      }
      #expect(log.entries == ["before"])
      let seen = try await database.ids
      #expect(seen == [1])
    }
  }

  @Test func `an error of a robust hook does not stop the later ones`() async throws {
    try await run { database, log in
      try await database.atomic { tx in
        try await tx.onCommit(robust: true) { throw Boom() }
        try await tx.onCommit { log.append("after") }
      }
      #expect(log.entries == ["after"])
    }
  }

  @Test func `a hook can run a transaction of its own, with hooks of its own`() async throws {
    try await run { database, log in
      try await database.atomic { tx in
        try await database.insert(1)
        try await tx.onCommit {
          try await database.atomic { own in
            try await database.insert(2)
            try await own.onCommit { log.append("inner") }
          }
          log.append("outer")
        }
      }
      #expect(log.entries == ["inner", "outer"])
      #expect(try await database.ids == [1, 2])
    }
  }
}
