import FoundationEssentials
import TestSupport
import Testing
import TransomEventLoop

/// POST /sql: what comes back.
@Suite(.timeLimit(.minutes(3))) struct NeonResultTests {
  @Test func `the text of every built-in type is the one of a direct connection`() async throws {
    let group = try EventLoopGroup(count: 1)
    try await withSQL { db, service in
      let direct = try await PlainConnection(to: db.connectionString, on: group.loops[0])
      for (type, values) in typeSamples {
        // Each of them alone, and all of them as an array where the type has one.
        let literals = values.map { "(\($0))::\(type)" }
        let array =
          ["void", "record"].contains(type) ? [] : ["array[\(literals.joined(separator: ", "))]"]
        let sql = "select \((literals + array + ["null::\(type)"]).joined(separator: ", "))"
        let expected = try await direct.run(sql)
        let answer = try await service.sql(try Self.body(sql))
        let name: Comment = "\(type)"
        try #require(answer.status == 200, name)
        let rows = expected.rows.map { JSON.array($0.map { $0.map(JSON.string) ?? .null }) }
        #expect(answer.body["rows"] == .array(rows), name)
        let types = expected.columns?.map { JSON.number(Double($0.type)) } ?? []
        for (index, oid) in types.enumerated() {
          #expect(answer.body["fields"][index]["dataTypeID"] == oid, name)
        }
      }
      await direct.close()
    }
    await group.shutdown()
  }

  @Test func `without raw text, what JavaScript can hold comes as JSON of its own`() async throws {
    try await withSQL { _, service in
      let sql = """
        select true as b, 7::int2 as s, 8 as i, 9::int8 as l, 1.50 as n, 0.5::float8 as f, 'NaN'::float8 as x,
        '{"a": [1]}'::jsonb as j, array[[1, null], [2, 3]] as m, array['a,b', 'NULL', null] as t, null::int as z,
        '2024-02-29 12:34:56'::timestamp as ts, '\\x00ff'::bytea as y, array[9::int8] as ls
        """
      let answer = try await service.sql(
        try Self.body(sql), Array(Service.driverFields.prefix(1)))
      #expect(
        answer.body["rows"] == [
          [
            "b": true, "s": 7, "i": 8, "l": "9", "n": "1.50", "f": .number(0.5), "x": "NaN",
            "j": ["a": [1]], "m": [[1, nil], [2, 3]], "t": ["a,b", "NULL", nil], "z": nil,
            "ts": "2024-02-29 12:34:56", "y": "\\x00ff", "ls": ["9"],
          ]
        ])
      #expect(answer.body["rowAsArray"] == false)
    }
  }

  @Test func `a field tells its table, column, type, size and modifier`() async throws {
    try await withSQL(
      "create table t (a int, gone int, v varchar(50), n numeric(10, 2)); alter table t drop gone"
    ) {
      db, service in
      let table = Double(try await db.value("select 't'::regclass::oid") ?? "") ?? 0
      let answer = try await service.sql(try Self.body("select v, n, a + 1 as a from t"))
      func field(_ name: String, _ column: Int, _ type: Int, _ size: Int, _ modifier: Int) -> JSON {
        [
          "name": .string(name), "tableID": column == 0 ? 0 : .number(table),
          "columnID": .number(Double(column)), "dataTypeID": .number(Double(type)),
          "dataTypeSize": .number(Double(size)), "dataTypeModifier": .number(Double(modifier)),
          "format": "text",
        ]
      }
      #expect(
        answer.body == [
          "fields": [
            field("v", 3, 1043, -1, 54), field("n", 4, 1700, -1, 655366), field("a", 0, 23, 4, -1),
          ], "rows": [], "command": "SELECT", "rowCount": 0, "rowAsArray": true,
        ])
    }
  }

  @Test(
    arguments: [
      ("select", "SELECT", 1), ("values (1), (2)", "SELECT", 2),
      ("insert into t values (1), (2)", "INSERT", 2),
      ("update t set n = 2 where n = 1", "UPDATE", 0),
      ("delete from t", "DELETE", 0), ("create table u ()", "CREATE", nil),
      ("create table w as select 1", "SELECT", 1),
      ("set local work_mem = '1MB'", "SET", nil), ("do 'begin end'", "DO", nil),
      ("show work_mem", "SHOW", nil),
      ("", nil, nil), ("/* nothing */", nil, nil), ("explain select 1", "EXPLAIN", nil),
    ] as [(String, String?, Int?)])
  func `command and row count are node-postgres's`(
    _ sql: String, _ command: String?, _ count: Int?
  ) async throws {
    try await withSQL("create table t (n int)") { _, service in
      let answer = try await service.sql(try Self.body(sql))
      #expect(answer.status == 200)
      #expect(answer.body["command"] == (command.map(JSON.string) ?? .null))
      #expect(answer.body["rowCount"] == (count.map { .number(Double($0)) } ?? .null))
    }
  }

  @Test func `types of one's own come as their text, with their OIDs`() async throws {
    try await withSQL(
      "create type mood as enum ('fine', 'so so'); create type p as (x int, y text)"
    ) {
      db, service in
      let sql = "select 'so so'::mood as m, array['fine'::mood], row(1, 'a b')::p as p"
      // Twice: the second time it is a prepared statement.
      for _ in 0..<2 {
        let answer = try await service.sql(try Self.body(sql))
        #expect(answer.body["rows"] == [["so so", "{fine}", #"(1,"a b")"#]])
        let oid = Double(try await db.value("select 'mood'::regtype::oid") ?? "") ?? 0
        #expect(answer.body["fields"][0]["dataTypeID"] == .number(oid))
      }
    }
  }

  @Test func `64 KiB of bytea come back as they went`() async throws {
    try await withSQL { _, service in
      let bytes =
        "\\x"
        + (0..<65_536).map { "0123456789abcdef".pick($0 >> 4) + "0123456789abcdef".pick($0) }
        .joined()
      let answer = try await service.sql(
        try Self.body("select $1::bytea, length($1)", [.string(bytes)]))
      #expect(answer.body["rows"] == [[.string(bytes), "65536"]])
    }
  }

  @Test func `each query of a batch has its row mode`() async throws {
    try await withSQL { _, service in
      let answer = try await service.sql(
        #"""
        {"queries": [{"query": "select $1::int as a", "params": [1]},
          {"query": "select 2 as a, 3 as a", "params": [], "arrayMode": false}, {"query": "select 3", "arrayMode": true}]}
        """#)
      #expect(answer.body["results"][0]["rows"] == [["1"]])
      #expect(answer.body["results"][1]["rowAsArray"] == false)
      #expect(answer.body["results"][2]["rows"] == [["3"]])
      let text = String(decoding: answer.response.body, as: UTF8.self)
      // Neon's service writes both; to a program the last one counts, as with node-postgres.
      #expect(text.contains(#"[{"a":"2","a":"3"}]"#))
      #expect(try await service.sql(#"{"queries": []}"#).body == ["results": []])
    }
  }

  /// A query's document.
  static func body(_ sql: String, _ parameters: [JSON] = []) throws -> String {
    let document: JSON = ["query": .string(sql), "params": .array(parameters)]
    return String(decoding: try JSONEncoder().encode(document), as: UTF8.self)
  }
}

extension String {
  fileprivate func pick(_ index: Int) -> String {
    String(self[self.index(startIndex, offsetBy: index & 15)])
  }
}
