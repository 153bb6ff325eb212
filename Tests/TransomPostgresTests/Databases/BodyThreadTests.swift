import Foundation
import TestSupport
import Testing
import TransomPostgres

/// The kernel's name of the thread that this runs on: event loops have their own.
private func threadName() -> String {
  let name = try? String(contentsOfFile: "/proc/thread-self/comm", encoding: .utf8)
  return name?.trimmingCharacters(in: .newlines) ?? ""
}

private let loop = "loop-0"

private actor Accountant {
  /// Where it runs: before a block, in it behind a statement, and after it.
  func work(_ database: Database) async throws -> [String] {
    var names = [threadName()]
    try await database.atomic { tx in
      try await tx.execute("select 1")
      names.append(threadName())
    }
    return names + [threadName()]
  }
}

private actor Bank {
  private(set) var count = 0

  /// Has its actor brought to the connection's thread, where other tasks of the actor may find themselves then.
  func work(_ database: Database) async throws {
    try await database.execute("select 1")
    try await database.atomic { tx in
      try await tx.execute("select 2")
      await Task.yield()
      count += 1
      try await tx.cursor { cursor in
        try await cursor.execute("select generate_series(1, 3)")
        for try await _ in cursor { await Task.yield() }
      }
    }
    try await database.execute("select 3")
  }
}

struct BodyThreadTests {
  @Test(arguments: [1, 8])
  func `many tasks of one actor can use a database at once`(_ size: Int) async throws {
    try await withDatabases(size: size) { databases, _ in
      let bank = Bank()
      let database = try databases.default
      try await withThrowingTaskGroup { group in
        for _ in 0..<300 { group.addTask { try await bank.work(database) } }
        try await group.waitForAll()
      }
      #expect(await bank.count == 300)
    }
  }

  @Test
  func
    `behind its first statement a block runs on its connection's thread, and what follows it does not`()
    async throws
  {
    try await withDatabases { databases, _ in
      let database = try databases.default
      #expect(threadName() != loop)
      let inside = try await database.atomic { tx in
        try await tx.execute("select 1")
        return threadName()
      }
      #expect(inside == loop)
      #expect(threadName() != loop)
      try await database.execute("select 1")
      #expect(threadName() != loop)
      await #expect(throws: Boom.self) {
        try await database.withConnection { connection in
          try await connection.execute("select 1")
          #expect(threadName() == loop)
          throw Boom()
        }
      }
      #expect(threadName() != loop)
    }
  }

  @Test func `an actor goes on outside of the thread of the connection`() async throws {
    try await withDatabases { databases, _ in
      let names = try await Accountant().work(databases.default)
      #expect(names.map { $0 == loop } == [false, true, false])
    }
  }

  @Test @MainActor func `what is bound to the main actor stays there`() async throws {
    try await withDatabases { databases, _ in
      try await databases.default.atomic { tx in
        try await tx.execute("select 1")
        MainActor.preconditionIsolated()
        #expect(threadName() != loop)
      }
      MainActor.preconditionIsolated()
    }
  }

  @Test func `time that a body takes is no wait for a connection`() async throws {
    try await withDatabase { server in
      var configuration = DatabaseConfiguration(url: server.connectionString)
      configuration.pool.waitLimit = .seconds(3)
      let databases = try Databases(["default": configuration, "other": configuration])
      let database = try databases.default
      let other = try databases["other"]
      let rows = await Result { () async throws in
        try await database.atomic { tx in
          try await tx.execute("select 1")
          #expect(threadName() == loop)
          // The thread itself is kept.
          let end = ContinuousClock.now + .milliseconds(3100)
          while ContinuousClock.now < end {}
          return try await other.query("select 2").count
        }
      }
      await databases.shutdown()
      #expect(try rows.get() == 1)
    }
  }

  @Test func `bodies stay where they are if that is wanted`() async throws {
    try await withDatabase { server in
      let databases = try Databases(
        ["default": DatabaseConfiguration(url: server.connectionString)],
        runsBodiesOnEventLoops: false)
      let inside = try await databases.default.atomic { tx in
        try await tx.execute("select 1")
        return threadName()
      }
      #expect(inside != loop)
      await databases.shutdown()
    }
  }

  @Test
  func
    `a block that is on its connection's thread can use another database, and a connection of its own`()
    async throws
  {
    try await withDatabases(size: 4) { databases, _ in
      let (database, other) = (try databases.default, try databases["other"])
      let sum = try await database.atomic { tx in
        let one = try await tx.query("select 1").only(Int.self)
        let two = try await other.atomic { try await $0.query("select 2").only(Int.self) }
        let three = try await databases.withIndependentConnections {
          try await database.query("select 3").only(Int.self)
        }
        return one + two + three
      }
      #expect(sum == 6)
      try await eventually("all are given back") {
        await database.connectionCounts.inUse == 0
      }
    }
  }
}
