import FoundationEssentials
import TestSupport
import Testing
import TransomPostgres

struct TypesTests {
  private struct Account: Decodable, Equatable {
    var id: Int
    var createdAt: Date
    var note: String?
    var tags: [String]
  }

  @Test func `values come back as they went`() async throws {
    try await withDatabases { databases, _ in
      let database = try databases.default
      func check<Value: PostgresEncodable & PostgresDecodable & Equatable>(
        _ value: Value, _ type: String
      ) async throws {
        let back = try await database.query("select \(value)::\(unescaped: type)").only(Value.self)
        #expect(back == value, "\(type)")
      }
      try await check(Int.min, "int8")
      try await check(Int16(-7), "int2")
      try await check(1.0e-300, "float8")
      try await check(Double.infinity, "float8")
      try await check(Decimal(string: "12345678901234567890.0123456789") ?? 0, "numeric")
      try await check(true, "bool")
      try await check("a \"quoted\" \\ text, {ü}", "text")
      try await check([UInt8(0), 255, 16], "bytea")
      try await check(Date(timeIntervalSinceReferenceDate: 0.25), "timestamptz")
      try await check(Date(timeIntervalSinceReferenceDate: -70_000_000_000), "timestamptz")
      try await check(UUID(), "uuid")
      try await check(Int?.none, "int")
      try await check([1, 2, 3], "int[]")
      try await check(["a,b", "", "NULL", "q\"\\"], "text[]")
      try await check([[1, 2], [3, 4]], "int[]")
      try await check([1, nil, 3], "int[]")
      try await check([Int](), "int[]")
      try await check([[UInt8(1)], [2, 3]], "bytea[]")
      try await check(1..<5, "int4range")
      try await check(1...4, "int4range")
      try await check(PostgresJSON(["a": [1, 2]]), "jsonb")
    }
  }

  @Test(arguments: [
    "we\"ird", "\"", "x\"\u{301} from t union select 2 --", "x\"\u{200d}y", "\"\u{fe0f}",
  ])
  func `a name is one name, whatever is in it`(_ name: String) async throws {
    try await withDatabases { databases, _ in
      let result = try await databases.default.query("select 1 as \(identifier: name)")
      #expect(result.columns.map { Array($0.name.utf8) } == [Array(name.utf8)])
    }
  }

  @Test func `a bound that is NULL is no bound`() async throws {
    try await withDatabases { databases, _ in
      let range = PostgresRange<Int?>(
        lower: .init(nil, isInclusive: true), upper: .init(5, isInclusive: false))
      let text = try await databases.default.query("select \(range)::int4range::text")
        .only(String.self)
      #expect(text == "(,5)")
    }
  }

  @Test func `a Date that is no point in time is refused, and so is a number that is too large`()
    async throws
  {
    try await withDatabases { databases, _ in
      let database = try databases.default
      for seconds in [Double.nan, 1e15, -1e15] {
        let error = await #expect(throws: PostgresError.self) {
          try await database.query("select \(Date(timeIntervalSinceReferenceDate: seconds))")
        }
        #expect(error?.kind == .encoding)
      }
      for seconds in [Double.infinity, -.infinity] {
        let date = Date(timeIntervalSinceReferenceDate: seconds)
        #expect(try await database.query("select \(date)::timestamptz").only(Date.self) == date)
      }
      await #expect(throws: PostgresError.self) {
        try await database.query("select 1e400::numeric").only(Double.self)
      }
      await #expect(throws: PostgresError.self) {
        try await database.query("select 1e300::float8").only(Float.self)
      }
      let infinite = try await database.query("select '-Infinity'::float4").only(Float.self)
      #expect(infinite == -.infinity)
    }
  }

  @Test func `a day that is too far away to be written again is no Date`() async throws {
    try await withDatabases { databases, _ in
      let database = try databases.default
      await #expect(throws: PostgresError.self) {
        try await database.query("select '312024-02-29'::date").only(Date.self)
      }
      let far = try await database.query("select '280000-02-29'::date").only(Date.self)
      #expect(try await database.query("select \(far)::timestamptz").only(Date.self) == far)
    }
  }

  @Test(arguments: [
    "date '2024-05-06'", "interval '01:30:00'", "'12abc'", "'1,234.50'", "'-12.50'::money", "''",
  ])
  func `a text that only begins with a number is no Decimal`(_ value: String) async throws {
    try await withDatabases { databases, _ in
      let database = try databases.default
      await #expect(throws: PostgresError.self) {
        try await database.query("select \(unescaped: value)").only(Decimal.self)
      }
      #expect(try await database.query("select '-0.50'::numeric").only(Decimal.self) == -0.5)
      #expect(
        try await database.query("select 1e20::float8").only(Decimal.self)
          == Decimal(string: "1e20"))
    }
  }

  @Test func `interpolation always binds`() async throws {
    let evil = "'; drop table t; --"
    let inner: Statement = "select \(evil)::text as \(identifier: "we\"ird")"
    let outer: Statement = "select \(1)::int, x.* from (\(inner)) x where \(true)"
    #expect(outer.sql == "select $1::int, x.* from (select $2::text as \"we\"\"ird\") x where $3")
    try await withDatabases { databases, _ in
      let result = try await databases.default.query(outer)
      #expect(result.columns.map(\.name) == ["int4", "we\"ird"])
      #expect(try result.only((Int, String).self) == (1, evil))
      let error = await #expect(throws: PostgresError.self) {
        try await databases.default.query("select \("a\u{0}b")")
      }
      #expect(error?.kind == .encoding)
    }
  }

  @Test(arguments: [
    Statement(sql: "select 1\0 from nothing"), "select 1\0 from nothing",
    "select \(1)::int\0 from nothing", "select \(unescaped: "1\0 from nothing")",
    "select \("select \(1)\0" as Statement)",
  ])
  func `SQL with U+0000 is refused instead of being cut there`(statement: Statement) async throws {
    try await withDatabases { databases, _ in
      let error = await #expect(throws: PostgresError.self) {
        try await databases.default.query(statement)
      }
      #expect(error?.kind == .encoding)
    }
  }

  @Test func `statements of a pipeline that only Unicode takes for the same stay different`()
    async throws
  {
    try await withDatabases { databases, _ in
      let results = try await databases.default.pipeline([
        "select '\u{E9}'", "select 'e\u{301}'",
      ])
      let texts = try results.map { try Array($0.only(String.self).unicodeScalars) }
      #expect(texts == [["\u{E9}"], ["e", "\u{301}"]])
    }
  }

  @Test func `numbers are sent digit by digit`() async throws {
    try await withDatabases { databases, _ in
      let numbers: (Int8, Int16, UInt8, UInt64, Int64) = (.min, -1, .max, .max, .min)
      let texts = try await databases.default.query(
        """
        select \(numbers.0)::text, \(numbers.1)::text, \(numbers.2)::text, \(numbers.3)::text, \(numbers.4)::text,
          \(0)::text
        """
      ).only((String, String, String, String, String, String).self)
      #expect(
        texts == ("-128", "-1", "255", "18446744073709551615", "-9223372036854775808", "0"))
    }
  }

  @Test func `rows decode as Decodable types by name`() async throws {
    try await withDatabases { databases, _ in
      let accounts = try await databases.default.query(
        """
        select 1 as id, timestamptz '2001-01-01 00:00:01+00' as created_at, null as note,
          array['a', 'b'] as tags
        """
      ).decode(as: Account.self)
      let date = Date(timeIntervalSinceReferenceDate: 1)
      #expect(accounts == [Account(id: 1, createdAt: date, note: nil, tags: ["a", "b"])])
    }
  }

  @Test func `what does not fit is an error that names the column`() async throws {
    try await withDatabases { databases, _ in
      let error = await #expect(throws: PostgresError.self) {
        try await databases.default.query("select 'x' as word").decode(Int.self)
      }
      #expect(error?.kind == .decoding)
      #expect(error?.message == "\"x\" in column word is no Int")
    }
  }
}
