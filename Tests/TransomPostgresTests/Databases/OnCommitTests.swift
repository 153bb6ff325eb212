import TestSupport
import Testing
import TransomPostgres

struct OnCommitTests {
  private func run(_ body: (Database, Log) async throws -> Void) async throws {
    try await runAll { try await body($0.default, $1) }
  }

  private func runAll(_ body: (Databases, Log) async throws -> Void) async throws {
    try await withDatabases { databases, _ in
      try await databases.default.makeTable()
      try await body(databases, Log())
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

  @Test func `no hook runs if the outer block fails, however well the inner one did`() async throws
  {
    try await run { database, log in
      try? await database.atomic { tx in
        try await tx.atomic { inner in try await inner.onCommit { log.append("inner") } }
        throw Boom()
      }
      #expect(log.entries.isEmpty)
    }
  }

  /// Whether the innermost block has a savepoint of its own, and what runs.
  @Test(arguments: [(true, ["middle"]), (false, [])])
  func `an inner error takes the hooks around it only if it has no savepoint`(
    hasSavepoint: Bool, ran: [String]
  ) async throws {
    try await run { database, log in
      try await database.atomic { tx in
        try await tx.atomic { middle in
          try await middle.onCommit { log.append("middle") }
          try? await middle.atomic(savepoint: hasSavepoint) { _ in throw Boom() }
        }
      }
      #expect(log.entries == ran)
    }
  }

  @Test func `hooks run once: a commit, an error in a hook and a lost connection forget them`()
    async throws
  {
    try await runAll { databases, log in
      let database = try databases.default
      try await database.atomic { tx in try await tx.onCommit { log.append("first") } }
      try? await database.atomic { tx in
        try await tx.onCommit { throw Boom() }
        try await tx.onCommit { log.append("behind an error") }
      }
      let error = await #expect(throws: PostgresError.self) {
        try await database.atomic { tx in
          try await tx.onCommit { log.append("lost") }
          let processID = try await tx.query("select pg_backend_pid()").only(Int.self)
          try await databases.withIndependentConnections {
            try await database.execute("select pg_terminate_backend(\(processID), 60000)")
          }
          try await tx.execute("select 1")
        }
      }
      #expect(error?.kind == .connectionLost || error?.kind == .serverStopping)
      try await database.atomic { tx in try await tx.onCommit { log.append("last") } }
      #expect(log.entries == ["first", "last"])
    }
  }

  @Test func `outside of a transaction the error of a hook is thrown, unless it is robust`()
    async throws
  {
    try await run { database, log in
      await #expect(throws: Boom()) { try await database.onCommit { throw Boom() } }
      try await database.onCommit(robust: true) { throw Boom() }
      try await database.onCommit(robust: true) { log.append("now") }
      #expect(log.entries == ["now"])
    }
  }

  @Test func `an error of a robust hook in the middle is not thrown, that of a later one is`()
    async throws
  {
    try await run { database, log in
      await #expect(throws: Boom()) {
        try await database.atomic { tx in
          try await tx.onCommit(robust: true) { throw OtherError() }
          try await tx.onCommit { log.append("between") }
          try await tx.onCommit { throw Boom() }
          try await tx.onCommit(robust: true) { log.append("after") }
        }
      }
      #expect(log.entries == ["between"])
    }
  }

  @Test func `what a hook's own transaction registers runs before the next hook`() async throws {
    try await run { database, log in
      try await database.atomic { tx in
        for id in 1...2 {
          try await tx.onCommit {
            try await database.atomic { own in
              try await own.onCommit {
                try await database.insert(10 + id)
                log.append("\(10 + id)")
              }
              try await database.insert(id)
              log.append("\(id)")
            }
          }
        }
      }
      #expect(log.entries == ["1", "11", "2", "12"])
      let seen = try await database.ids
      #expect(seen == [1, 2, 11, 12])
    }
  }

  private struct OtherError: Error {}
}
