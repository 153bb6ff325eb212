import Synchronization
import TestSupport
import Testing
import TransomPostgres

struct CopyTests {
  /// Outside of an atomic block, or inside, with an empty table `c`.
  private func run(
    inAtomic: Bool, _ body: (Database, Connection, TestDatabase) async throws -> Void
  ) async throws {
    try await withDatabases { databases, server in
      let database = try databases.default
      try await database.execute("create table c (id int primary key, name text, score float8)")
      if inAtomic {
        try await database.atomic { try await body(database, $0, server) }
      } else {
        try await database.withConnection { try await body(database, $0, server) }
      }
    }
  }

  /// Expects so many rows to be stored.
  private func expect(_ count: Int, _ connection: Connection) async throws {
    let stored = try await connection.query("select count(*) from c").only(Int.self)
    #expect(stored == count)
  }

  @Test(arguments: [false, true])
  func `rows go in and come out as they were, whatever is in them`(inAtomic: Bool) async throws {
    try await run(inAtomic: inAtomic) { _, connection, _ in
      let names: [String?] = [
        "Ada", nil, "", "tab\tline\nreturn\rback\\slash", #"\N"#, #"\."#, "ü😀",
      ]
      let copied = try await connection.copy(
        "copy c (id, name, score) from stdin", rows: names.enumerated()
      ) { CopyRow($0.offset, $0.element, Double($0.offset) / 2) }
      #expect(copied == names.count)
      let rows = try await connection.query("select name, score from c order by id")
        .decode((String?, Double).self)
      #expect(rows.map(\.0) == names)
      #expect(rows[3].1 == 1.5)
      let (text, count) = try await connection.copy("copy c (id) to stdout") { parts in
        var text: [UInt8] = []
        for try await part in parts {
          #expect(part.last == UInt8(ascii: "\n"))
          text += part
        }
        return (String(decoding: text, as: UTF8.self), parts.rowCount)
      }
      #expect(text == (0..<names.count).map { "\($0)\n" }.joined())
      #expect(count == names.count)
      #expect(try await connection.query("select 42").only(Int.self) == 42)
    }
  }

  @Test func `bytes go in wherever they are cut`() async throws {
    try await run(inAtomic: false) { _, connection, _ in
      let text = Array("1,\"a,b\",0.5\n2,ü,1.5\n".utf8)
      let parts = AsyncStream { continuation in
        for byte in text { continuation.yield([byte]) }
        continuation.finish()
      }
      let copied = try await connection.copy("copy c from stdin (format csv)", from: parts)
      #expect(copied == 2)
      let names = try await connection.query("select name from c order by id").decode(String.self)
      #expect(names == ["a,b", "ü"])
    }
  }

  @Test(arguments: [false, true])
  func `much more than the buffers hold goes in and out`(inAtomic: Bool) async throws {
    try await run(inAtomic: inAtomic) { _, connection, _ in
      let name = String(repeating: "x", count: 1000)
      let copied = try await connection.copy("copy c from stdin", rows: 0..<20_000) {
        CopyRow($0, name, 0.5)
      }
      #expect(copied == 20_000)
      let (bytes, parts) = try await connection.copy("copy c to stdout") { parts in
        var (bytes, count) = (0, 0)
        for try await part in parts {
          bytes += part.count
          count += 1
        }
        return (bytes, count)
      }
      #expect(bytes > 20_000_000)
      #expect(parts > 100)
    }
  }

  @Test func `what the server finds wrong with the data is thrown, and nothing is stored`()
    async throws
  {
    try await run(inAtomic: false) { _, connection, _ in
      let error = await #expect(throws: PostgresError.self) {
        try await connection.copy("copy c from stdin", rows: [1, 2, 1]) { CopyRow($0, "x", 0.5) }
      }
      #expect(error?.kind == .integrity(.unique))
      #expect(error?.statement == "copy c from stdin")
      try await expect(0, connection)
    }
  }

  @Test(arguments: [false, true])
  func `an error of the source makes the COPY fail, and is thrown`(inAtomic: Bool) async throws {
    try await withDatabases { databases, _ in
      let database = try databases.default
      try await database.execute("create table c (id int)")
      func copy(_ connection: Connection) async throws {
        await #expect(throws: Boom()) {
          try await connection.copy("copy c from stdin", rows: 0..<100_000) { id in
            if id == 99_000 { throw Boom() }
            return CopyRow(id)
          }
        }
      }
      if inAtomic {
        let error = await #expect(throws: PostgresError.self) {
          try await database.atomic { tx in
            // A savepoint around it takes the failure.
            try? await tx.atomic { inner in
              try await copy(inner)
              throw Boom()
            }
            try await expect(0, tx)
            try await copy(tx)
          }
        }
        #expect(error?.kind == .rolledBack)
      } else {
        try await database.withConnection { connection in
          try await copy(connection)
          try await expect(0, connection)
        }
      }
    }
  }

  @Test func `an error in the middle of what comes out is thrown behind what came before it`()
    async throws
  {
    try await run(inAtomic: false) { _, connection, _ in
      var bytes = 0
      let error = await #expect(throws: PostgresError.self) {
        try await connection.copy(
          "copy (select 1 / (30000 - g) from generate_series(1, 50000) g) to stdout"
        ) { parts in for try await part in parts { bytes += part.count } }
      }
      #expect(error?.sqlState == "22012")
      #expect(bytes > 50_000)
      try await expect(0, connection)
    }
  }

  @Test(arguments: [false, true])
  func `what is left unread is thrown away`(inAtomic: Bool) async throws {
    try await run(inAtomic: inAtomic) { _, connection, _ in
      try await connection.copy("copy (select * from generate_series(1, 300000)) to stdout") {
        parts in for try await _ in parts { break }
      }
      try await expect(0, connection)
      await #expect(throws: Boom()) {
        try await connection.copy("copy (select * from generate_series(1, 300000)) to stdout") {
          _ in throw Boom()
        }
      }
      try await expect(0, connection)
    }
  }

  @Test func `what is sent behind a stream that was left is not what its cancellation ends`()
    async throws
  {
    try await run(inAtomic: false) { _, connection, _ in
      // Of different lengths, so that some have ended when the cancellation comes.
      for count in 1...40 {
        let sql = Statement(
          sql: "copy (select * from generate_series(1, \(count * 200))) to stdout")
        try await connection.copy(sql) { parts in for try await _ in parts { break } }
        try await connection.execute("select pg_sleep(0.02)")
      }
    }
  }

  @Test func `nothing else is executed meanwhile, and the stream ends with its block`()
    async throws
  {
    try await run(inAtomic: false) { database, connection, _ in
      var kept: CopyStream?
      try await connection.copy("copy (values (1), (2)) to stdout") { parts in
        let error = await #expect(throws: PostgresError.self) {
          try await database.execute("select 1")
        }
        #expect(error?.kind == .copy)
        kept = parts
      }
      let error = await #expect(throws: PostgresError.self) {
        for try await _ in try #require(kept) {}
      }
      #expect(error?.kind == .expired)
      try await expect(0, connection)
    }
  }

  @Test(arguments: [
    "select 1", "delete from c", "copy c to stdout", "copy c (id) from stdin where id = $1", "",
  ])
  func `what is no COPY FROM STDIN is refused, and does nothing`(_ sql: String) async throws {
    try await run(inAtomic: false) { _, connection, _ in
      try await connection.execute("insert into c values (1)")
      await #expect(throws: PostgresError.self) {
        try await connection.copy(Statement(sql: sql), rows: [2]) { CopyRow($0, "x", 0.5) }
      }
      try await expect(1, connection)
    }
  }

  @Test func `what is no COPY TO STDOUT is refused, and does nothing`() async throws {
    try await run(inAtomic: false) { _, connection, _ in
      for sql in ["select 1", "copy c from stdin", "copy c to stdout; drop table c"] {
        await #expect(throws: PostgresError.self) {
          try await connection.copy(Statement(sql: sql)) { _ in }
        }
      }
      try await expect(0, connection)
    }
  }

  @Test func `a value with U+0000 is refused, and nothing is stored`() async throws {
    try await run(inAtomic: false) { _, connection, _ in
      let error = await #expect(throws: PostgresError.self) {
        try await connection.copy("copy c (id, name) from stdin", rows: ["a", "b\0"].enumerated()) {
          CopyRow([$0.offset, $0.element])
        }
      }
      #expect(error?.kind == .encoding)
      try await expect(0, connection)
    }
  }

  @Test(arguments: [false, true])
  func `cancellation ends a COPY in either direction, and nothing of it is stored`(isOut: Bool)
    async throws
  {
    try await withDatabases { databases, server in
      let database = try databases.default
      try await database.execute("create table c (id int)")
      let (source, feed) = AsyncStream.makeStream(of: Int.self)
      feed.yield(1)
      let task = Task {
        try await database.atomic { tx in
          if isOut {
            try await tx.copy("copy (select pg_sleep(600)) to stdout") {
              for try await _ in $0 {}
            }
          } else {
            try await tx.copy("copy c from stdin", rows: source) { CopyRow($0) }
          }
        }
      }
      let running = """
        select count(*) from pg_stat_activity where datname = current_database()
        and state = 'active' and query like 'copy%'
        """
      try await eventually("it runs") { try await server.value(running) == "1" }
      task.cancel()
      await #expect(throws: CancellationError.self) { try await task.value }
      try await eventually("it ended") { try await server.value(running) == "0" }
      #expect(try await database.query("select * from c").isEmpty)
      #expect(await database.connectionCounts.inUse <= 1)
    }
  }

  @Test(arguments: [false, true])
  func `a connection that is lost in a COPY is an error, and is replaced`(isOut: Bool) async throws
  {
    try await run(inAtomic: false) { database, connection, server in
      let processID = try await connection.query("select pg_backend_pid()").only(Int.self)
      let error = await #expect(throws: PostgresError.self) {
        if isOut {
          try await connection.copy("copy (select * from generate_series(1, 10000000)) to stdout") {
            parts in
            var isFirst = true
            for try await _ in parts {
              if isFirst {
                try await server.query("select pg_terminate_backend(\(processID), 60000)")
              }
              isFirst = false
            }
          }
        } else {
          let ids = Mutex(0)
          let source = AsyncStream { () -> Int? in
            let id = ids.withLock { ids in
              ids += 1
              return ids
            }
            if id == 2 {
              _ = try? await server.query("select pg_terminate_backend(\(processID), 60000)")
            }
            return id < 300_000 ? id : nil
          }
          try await connection.copy("copy c (id) from stdin", rows: source) { CopyRow($0) }
        }
      }
      #expect(error?.kind == .connectionLost)
      try await expect(0, connection)
    }
  }
}
