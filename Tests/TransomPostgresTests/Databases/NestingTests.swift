import TestSupport
import Testing
import TransomPostgres

/// What Django's own tests pin of nested atomic blocks, beyond `AtomicTests`.
struct NestingTests {
  private func run(_ body: (Database) async throws -> Void) async throws {
    try await withDatabases { databases, _ in
      try await databases.default.makeTable()
      try await body(databases.default)
    }
  }

  /// Whether the inner and the outer block throw; what is stored.
  @Test(arguments: [
    (false, false, [1, 2]), (true, false, []), (false, true, []), (true, true, []),
  ])
  func `without a savepoint a block stands and falls with the one around it`(
    innerThrows: Bool, outerThrows: Bool, stored: [Int]
  ) async throws {
    try await run { database in
      try? await database.atomic { tx in
        try await database.insert(1)
        try? await tx.atomic(savepoint: false) { _ in
          try await database.insert(2)
          if innerThrows { throw Boom() }
        }
        if outerThrows { throw Boom() }
      }
      let seen = try await database.ids
      #expect(seen == stored)
    }
  }

  @Test func `what is to be rolled back is still there if the flag is lifted for a look`()
    async throws
  {
    try await run { database in
      func look(_ tx: Transaction) async throws -> [Int] {
        #expect(tx.needsRollback)
        try tx.setRollback(false)
        let seen = try await database.ids
        try tx.setRollback(true)
        return seen
      }
      try await database.atomic { outer in
        try await database.insert(1)
        try await outer.atomic { middle in
          try await database.insert(2)
          try? await middle.atomic(savepoint: false) { _ in
            try await database.insert(3)
            throw Boom()
          }
          let seen = try await look(middle)
          #expect(seen == [1, 2, 3])
        }
        // The savepoint has taken it.
        #expect(!outer.needsRollback)
        let seen = try await database.ids
        #expect(seen == [1])
        try? await outer.atomic(savepoint: false) { middle in
          try await database.insert(2)
          try? await middle.atomic(savepoint: false) { _ in throw Boom() }
        }
        let merged = try await look(outer)
        #expect(merged == [1, 2])
      }
      let left = try await database.ids
      #expect(left == [])
    }
  }

  @Test func `who recovers by a savepoint of his own takes the flag back`() async throws {
    try await run { database in
      try await database.atomic { tx in
        try await database.insert(1)
        try await tx.execute("savepoint mine")
        await #expect(throws: PostgresError.self) {
          try await tx.atomic(savepoint: false) { try await $0.execute("select no_such_column") }
        }
        #expect(tx.needsRollback)
        try tx.setRollback(false)
        try await tx.execute("rollback to savepoint mine")
        try await database.insert(2)
      }
      let seen = try await database.ids
      #expect(seen == [1, 2])
    }
  }

  @Test func `after a statement's error the rest of the block is refused`() async throws {
    try await run { database in
      try await database.insert(1)
      var kind: PostgresError.Kind?
      do {
        try await database.atomic { tx in
          let unique = await #expect(throws: PostgresError.self) { try await database.insert(1) }
          #expect(unique?.kind == .integrity(.unique))
          let refused = await #expect(throws: PostgresError.self) { try await database.insert(2) }
          #expect(refused?.kind == .inFailedTransaction)
        }
      } catch {
        kind = (error as? PostgresError)?.kind
      }
      #expect(kind == .rolledBack)
      // The connection is fine again.
      try await database.insert(3)
      let seen = try await database.ids
      #expect(seen == [1, 3])
    }
  }

  @Test func `a savepoint is gone once its block was rolled back`() async throws {
    try await run { database in
      let error = await #expect(throws: PostgresError.self) {
        try await database.atomic { tx in
          try? await tx.atomic { inner in
            try await database.insert(1)
            throw Boom()
          }
          try await tx.execute("rollback to savepoint transom_1")
        }
      }
      #expect(error?.sqlState == "3B001")
    }
  }

  @Test func `a savepoint that cannot be rolled back marks the block around it`() async throws {
    try await run { database in
      try await database.atomic { outer in
        try await database.insert(1)
        try? await outer.atomic { inner in
          try await database.insert(2)
          // What only a saboteur does.
          try await inner.execute("release savepoint transom_1")
          throw Boom()
        }
        #expect(outer.needsRollback)
        let error = await #expect(throws: PostgresError.self) { try await database.insert(3) }
        #expect(error?.kind == .needsRollback)
      }
      let seen = try await database.ids
      #expect(seen == [])
    }
  }

  /// Whether the outer and the inner block are durable, and whether that is allowed.
  @Test(arguments: [(true, false, true), (true, true, false), (false, true, false)])
  func `only the outermost block can be durable`(outer: Bool, inner: Bool, isAllowed: Bool)
    async throws
  {
    try await run { database in
      let blocks = {
        try await database.atomic(durable: outer) { tx in
          try await database.insert(1)
          try await tx.atomic(durable: inner) { _ in try await database.insert(2) }
        }
      }
      if isAllowed {
        try await blocks()
      } else {
        let error = await #expect(throws: PostgresError.self) { try await blocks() }
        #expect(error?.kind == .durableInsideAtomic)
      }
      let seen = try await database.ids
      #expect(seen == (isAllowed ? [1, 2] : []))
    }
  }

  @Test func `durable blocks follow one another`() async throws {
    try await run { database in
      for id in 1...3 {
        try await database.atomic(durable: true) { _ in try await database.insert(id) }
      }
      let seen = try await database.ids
      #expect(seen == [1, 2, 3])
    }
  }

  /// Whether the inner and the outer block throw; what is stored.
  @Test(arguments: [
    (false, false, [0, 1, 2]), (true, false, [0, 1]), (false, true, [0]), (true, true, [0]),
  ])
  func `inside a transaction blocks nest as they do outside of one`(
    innerThrows: Bool, outerThrows: Bool, stored: [Int]
  ) async throws {
    try await run { database in
      try await database.atomic { tx in
        try await database.insert(0)
        try? await tx.atomic { outer in
          try await database.insert(1)
          try? await outer.atomic { _ in
            try await database.insert(2)
            if innerThrows { throw Boom() }
          }
          if outerThrows { throw Boom() }
        }
      }
      let seen = try await database.ids
      #expect(seen == stored)
    }
  }

  @Test func `in a block that is to be rolled back nothing is executed, in whatever way`()
    async throws
  {
    try await run { database in
      let ways: [(Transaction) async throws -> Void] = [
        { _ = try await $0.execute("insert into t values (1)") },
        { _ = try await $0.pipeline(["insert into t values (1)"]) },
        { _ = try await $0.executeMany(1...3) { "insert into t values (\($0))" } },
        { try await $0.cursor { try await $0.execute("select 1") } },
        { try await $0.serverCursor("select 1") { _ = try await $0.fetchAll() } },
        { _ = try await $0.copy("copy t from stdin", rows: [1]) { CopyRow($0) } },
        { try await $0.atomic { _ = try await $0.execute("insert into t values (1)") } },
      ]
      for way in ways {
        try await database.atomic { tx in
          try tx.setRollback(true)
          let error = await #expect(throws: PostgresError.self) { try await way(tx) }
          #expect(error?.kind == .needsRollback)
        }
      }
      let seen = try await database.ids
      #expect(seen == [])
    }
  }

  @Test func `blocks on two databases are committed and rolled back each on its own`() async throws
  {
    try await withDatabases { databases, _ in
      let (one, other) = (try databases.default, try databases["other"])
      try await one.makeTable()
      try await one.atomic { _ in
        try await one.insert(1)
        await #expect(throws: Boom()) {
          try await other.atomic { _ in
            try await other.insert(2)
            throw Boom()
          }
        }
        try await other.atomic { _ in try await other.insert(3) }
        let committed = try await other.ids
        #expect(committed == [3])
      }
      let seen = try await one.ids
      #expect(seen == [1, 3])
    }
  }
}
