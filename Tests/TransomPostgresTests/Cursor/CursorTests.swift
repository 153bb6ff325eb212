import FoundationEssentials
import TestSupport
import Testing
import TransomPostgres

struct CursorTests {
  private func run(_ body: (Database) async throws -> Void) async throws {
    try await withDatabases { databases, _ in try await body(databases.default) }
  }

  @Test func `rows are fetched one by one, some at a time, and to the end`() async throws {
    try await run { database in
      try await database.withConnection { connection in
        try await connection.cursor { cursor in
          try await cursor.execute("select g, 'x' || g as name from generate_series(1, 5) g")
          #expect(cursor.columns.map(\.name) == ["g", "name"])
          #expect(try await cursor.fetchOne()?.decode("name", as: String.self) == "x1")
          #expect(try await cursor.fetchMany(2).map { try $0.decode("g", as: Int.self) } == [2, 3])
          #expect(try await cursor.fetchAll().count == 2)
          #expect(try await cursor.fetchOne() == nil)
          #expect(cursor.rowCount == 5)
        }
      }
    }
  }

  @Test(arguments: [false, true])
  func `a block inside of an iteration takes no rows away, whether it sends something or not`(
    inAtomic: Bool
  ) async throws {
    try await run { database in
      func iterate(_ connection: Connection) async throws {
        var rows: [Int] = []
        try await connection.cursor { cursor in
          try await cursor.execute("select * from generate_series(1, 2000)")
          for try await row in cursor {
            let number = try row.decode(Int.self)
            rows.append(number)
            try await connection.atomic { inner in
              if number % 500 == 0 { try await inner.execute("select 1") }
            }
          }
        }
        #expect(rows == Array(1...2000))
      }
      if inAtomic {
        try await database.atomic { try await iterate($0) }
      } else {
        try await database.withConnection { try await iterate($0) }
      }
    }
  }

  @Test(arguments: [false, true])
  func `many rows are iterated over, and other statements run meanwhile`(inAtomic: Bool)
    async throws
  {
    try await run { database in
      func iterate(_ connection: Connection) async throws {
        var sum = 0
        try await connection.cursor { cursor in
          try await cursor.execute("select * from generate_series(1, \(20_000)::int)")
          for try await row in cursor {
            let value = try row.decode(Int.self)
            sum += value
            if value == 700 {
              #expect(try await connection.query("select 42").only(Int.self) == 42)
            }
          }
        }
        #expect(sum == 20_000 * 20_001 / 2)
        try await connection.cursor { cursor in
          try await cursor.execute("select * from generate_series(1, 20000)")
          for try await _ in cursor { break }
        }
        #expect(try await connection.query("select 1").only(Int.self) == 1)
      }
      if inAtomic {
        try await database.atomic { try await iterate($0) }
      } else {
        try await database.withConnection { try await iterate($0) }
      }
    }
  }

  @Test func `values of every size, NULL and the empty text are those of their own row`()
    async throws
  {
    try await run { database in
      try await database.withConnection { connection in
        try await connection.cursor { cursor in
          try await cursor.execute(
            """
            select g, case when g % 7 = 0 then null else repeat('x', case when g % 100 = 0 then 40000 else g % 5 end) end
            from generate_series(1, 1000) g
            """)
          var rows: [Row] = []
          for try await row in cursor { rows.append(row) }
          #expect(rows.count == 1000)
          for (index, row) in rows.enumerated() {
            let g = index + 1
            let length = g % 7 == 0 ? nil : g % 100 == 0 ? 40_000 : g % 5
            let (number, text) = try row.decode((Int, String?).self)
            #expect(number == g)
            #expect(text == length.map { String(repeating: "x", count: $0) })
          }
        }
      }
    }
  }

  @Test func `rows without columns are counted as well`() async throws {
    try await run { database in
      try await database.withConnection { connection in
        try await connection.cursor { cursor in
          try await cursor.execute("select from generate_series(1, 300)")
          #expect(cursor.columns.isEmpty)
          #expect(try await cursor.fetchMany(100).count == 100)
          #expect(try await cursor.fetchAll().count == 200)
          #expect(cursor.rowCount == 300)
        }
      }
    }
  }

  @Test func `an error in the middle of the rows is thrown behind those before it`() async throws {
    try await run { database in
      try await database.withConnection { connection in
        try await connection.cursor { cursor in
          var count = 0
          let error = await #expect(throws: PostgresError.self) {
            try await cursor.execute("select 1 / (3000 - g) from generate_series(1, 5000) g")
            while try await cursor.fetchOne() != nil { count += 1 }
          }
          #expect(error?.sqlState == "22012")
          #expect(count == 2999)
        }
        #expect(try await connection.query("select 1").only(Int.self) == 1)
      }
    }
  }

  @Test(arguments: [false, true])
  func `an error behind the first rows leaves nothing behind that others would take for theirs`(
    inAtomic: Bool
  ) async throws {
    try await run { database in
      try await database.execute(
        """
        create function make_tables() returns int language plpgsql as $$ begin
          for i in 1..300 loop execute format('create temp table x_%s (n int)', i); end loop;
          return 1; end $$
        """)
      func fail(_ connection: Connection) async throws {
        try await connection.cursor {
          try await $0.execute(
            "select 1 / (3 - g), case g when 1 then make_tables() end from generate_series(1, 9) g")
        }
      }
      // To undo the tables takes the server a moment, in which it has said that it failed, and not yet that it is done.
      for number in 1...3 {
        if inAtomic {
          try await database.atomic { transaction in
            await #expect(throws: PostgresError.self) {
              try await transaction.atomic { try await fail($0) }
            }
            let seen = try await transaction.query("select \(number)").only(Int.self)
            #expect(seen == number)
          }
        } else {
          try await database.withConnection { connection in
            await #expect(throws: PostgresError.self) { try await fail(connection) }
            let seen = try await connection.query("select \(number)").only(Int.self)
            #expect(seen == number)
            let negative = try await connection.query("select \(-number)").only(Int.self)
            #expect(negative == -number)
          }
        }
      }
    }
  }

  @Test func `a cursor whose rows were thrown away takes none of another's`() async throws {
    try await run { database in
      try await database.withConnection { connection in
        try await connection.cursor { lost in
          try await connection.atomic { _ in
            try await lost.execute("select g from generate_series(1, 100000) g")
          }
          try await connection.cursor { cursor in
            try await cursor.execute("select g from generate_series(1, 2000) g")
            #expect(try await cursor.fetchOne()?.decode("g", as: Int.self) == 1)
            try await lost.close()
            #expect(try await cursor.fetchAll().count == 1999)
          }
          try await lost.execute("select 7 as n")
          #expect(try await lost.fetchOne()?.decode("n", as: Int.self) == 7)
        }
      }
    }
  }

  @Test func `executeMany is one pipeline, and all or nothing`() async throws {
    try await run { database in
      try await database.makeTable()
      try await database.withConnection { connection in
        let seen = try await connection.executeMany(1...10_000) { "insert into t values (\($0))" }
        #expect(seen == 10_000)
        let error = await #expect(throws: PostgresError.self) {
          try await connection.executeMany([20_000, 5]) { "insert into t values (\($0))" }
        }
        #expect(error?.kind == .integrity(.unique))
        let left = try await connection.query("select count(*) from t").only(Int.self)
        #expect(left == 10_000)
      }
    }
  }

  @Test func `a server-side cursor goes forth and back`() async throws {
    try await run { database in
      try await database.atomic { tx in
        try await tx.serverCursor("select * from generate_series(1, \(9)::int)", scroll: true) {
          cursor in
          #expect(try await cursor.fetchMany(3).decode(Int.self) == [1, 2, 3])
          #expect(try await cursor.fetchBackward(5).decode(Int.self) == [2, 1])
          try await cursor.scroll(to: .absolute(7))
          #expect(try await cursor.fetchOne()?.decode("generate_series", as: Int.self) == 8)
          try await cursor.scroll(to: .relative(-2))
          #expect(try await cursor.fetchAll().decode(Int.self) == [7, 8, 9])
        }
      }
    }
  }

  @Test func `a cursor that holds is closed also behind a transaction that was lost`() async throws
  {
    try await run { database in
      try await database.withConnection { connection in
        await #expect(throws: PostgresError.self) {
          try await connection.atomic { tx in
            try await tx.execute("select 1")
            try await tx.execute("commit")
            try await tx.execute("select 2")
          }
        }
        for number in 1...2 {
          let rows = try await connection.serverCursor("select \(number)::int as n", hold: true) {
            try await $0.fetchAll().decode(Int.self)
          }
          #expect(rows == [number])
        }
        #expect(try await connection.query("select 1 from pg_cursors where is_holdable").isEmpty)
      }
    }
  }

  @Test func `server-side cursors are no more than they are asked to be, and many can be open`()
    async throws
  {
    try await run { database in
      try await database.atomic { tx in
        let open: Statement =
          "select is_scrollable, is_holdable, is_binary from pg_cursors where name <> '' order by creation_time"
        try await tx.serverCursor("values (1), (2)") { first in
          _ = try await first.fetchOne()
          try await tx.serverCursor("values (3)", scroll: true) { second in
            let seen = try await tx.query(open).decode((Bool, Bool, Bool).self)
            #expect(seen.count == 2)
            #expect(seen[0] == (false, false, false))
            #expect(seen[1] == (true, false, false))
            #expect(try await second.fetchAll().decode(Int.self) == [3])
          }
          #expect(try await first.fetchAll().decode(Int.self) == [2])
        }
        #expect(try await tx.query(open).isEmpty)
      }
    }
  }

  @Test func `executeMany is one transaction of one pipeline: every row has the same number`()
    async throws
  {
    try await run { database in
      try await database.makeTable()
      try await database.withConnection { connection in
        try await connection.cursor { cursor in
          try await cursor.executeMany(1...10_000) { "insert into t values (\($0))" }
          #expect(cursor.rowCount == 10_000)
        }
      }
      // Without a sync between them, and without BEGIN, statements are one transaction.
      let numbers = try await database.query("select count(distinct xmin::text) from t").only(
        Int.self)
      #expect(numbers == 1)
    }
  }

  @Test func `a million rows take a bounded amount of memory`() async throws {
    try await run { database in
      try await database.withConnection { connection in
        let before = try residentBytes()
        var (count, most) = (0, 0)
        try await connection.cursor { cursor in
          try await cursor.execute(
            "select g, repeat('x', 2000) from generate_series(1, 1000000) g")
          for try await _ in cursor {
            count += 1
            if count % 50_000 == 0 { most = max(most, try residentBytes()) }
          }
        }
        #expect(count == 1_000_000)
        // All rows at once were 2 GB. Other tests run beside this one.
        #expect(most - before < 1 << 30)
      }
    }
  }

  /// The memory of this process (proc(5), /proc/pid/statm), in bytes.
  private func residentBytes() throws -> Int {
    let fields = try String(contentsOfFile: "/proc/self/statm", encoding: .utf8).split(
      separator: " ")
    return try #require(Int(fields[1])) * 4096
  }
}
