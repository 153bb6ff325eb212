import TestSupport
import Testing

@testable import TransomService

/// Values of every type, through all of the service but HTTP, against PostgreSQL's own `to_json` of the same values.
@Suite struct CatalogueTypesTests {
  /// What a value is compared with: itself as the service writes it, and what the server's `to_json` makes of it.
  private static func question(_ value: String) -> String {
    "select v, to_json(v)::text from (select \(value)) s(v)"
  }

  /// A value, and arrays of it: with NULL, of two dimensions, with other bounds, of none.
  private static func forms(_ type: String, _ value: String) -> [String] {
    let value = "(\(value))::\(type)"
    return [
      value, "array[\(value), null]::\(type)[]",
      "array[array[\(value)], array[\(value)]]::\(type)[]",
      "('[3:3]=' || format('%s', array[\(value)]::\(type)[]))::\(type)[]", "'{}'::\(type)[]",
    ]
  }

  private static func document(_ statements: [String], settings: [(String, String)] = []) -> String
  {
    let items = statements.map { #"{"sql": \#(quoted($0))}"# }.joined(separator: ",")
    let settings = settings.map { "\(quoted($0.0)): \(quoted($0.1))" }.joined(separator: ",")
    return #"{"row_format": "arrays", "settings": {\#(settings)}, "statements": [\#(items)]}"#
  }

  private static func quoted(_ text: String) -> String {
    var writer = JSONWriter()
    writer.string(text)
    return String(decoding: writer.bytes, as: UTF8.self)
  }

  /// Runs the statements, each of which returns values and what to_json makes of them, and compares.
  ///
  /// - Returns: how many values there were.
  private static func compare(
    _ statements: [String], _ harness: ExecutorHarness, settings: [(String, String)] = []
  ) async throws -> Int {
    var count = 0
    for start in stride(from: 0, to: statements.count, by: 200) {
      let part = Array(statements[start..<min(start + 200, statements.count)])
      let results = try #require(
        try await harness.execute(document(part, settings: settings))["results"]?.elements)
      #expect(results.count == part.count)
      for (statement, result) in zip(part, results) {
        for row in result["rows"]?.elements ?? [] {
          count += 1
          let expected = row[1]?.text.flatMap { PlainJSONParser.parse(Array($0.utf8)) } ?? .null
          #expect(row[0] == expected, "\(statement)")
        }
      }
    }
    return count
  }

  @Test(arguments: [
    ("UTC", "postgres"), ("Asia/Kolkata", "iso_8601"), ("America/New_York", "sql_standard"),
    ("Africa/Monrovia", "postgres_verbose"),
  ])
  func `values of every type with a text form are what to_json gives`(
    _ zone: String, _ intervals: String
  ) async throws {
    try await withExecutor { harness, db in
      try await db.query(CatalogueServerTests.schema)
      let statements = (typeSamples + CatalogueServerTests.samples).flatMap { type, values in
        // Half a surrogate pair, which json may hold, is nothing that the test's own parser reads.
        values.filter { !$0.contains("\\ud800") }.flatMap { Self.forms(type, $0) }
          .map(Self.question)
      }
      let settings = [("TimeZone", zone), ("IntervalStyle", intervals)]
      // The first time the types are looked up, then they are known.
      for _ in 1...2 {
        #expect(
          try await Self.compare(statements, harness, settings: settings) == statements.count)
      }
    }
  }

  @Test func `every type of pg_type is compared with to_json`() async throws {
    try await withExecutor { harness, db in
      try await db.query(CatalogueServerTests.schema)
      let sampled = Set((typeSamples + CatalogueServerTests.samples).map { $0.type })
      let types = try await db.query(
        """
        select format('%I.%I', n.nspname, t.typname), t.typname,
          t.typsubscript is not distinct from 'array_subscript_handler'::regproc
        from pg_type t join pg_namespace n on n.oid = t.typnamespace
        where t.typtype <> 'p' and not exists (select from pg_attribute a where a.attrelid = t.typrelid
          and a.atttypid in ('anyarray'::regtype, 'record'::regtype))
        """)
      #expect(types.count > 400)

      var statements: [String] = []
      for row in types {
        guard let type = row[0], let name = row[1], !typesWithoutInput.contains(name) else {
          continue
        }
        guard !sampled.contains(name), !sampled.contains("\"\(name)\"") else { continue }
        if row[2] == "t" {
          statements.append(Self.question("'{}'::\(type)"))
          statements.append(Self.question("array[null,null]::\(type)"))
        } else {
          statements.append(Self.question("null::\(type)"))
        }
      }
      #expect(try await Self.compare(statements, harness) == statements.count)
    }
  }

  @Test func `rows of every catalogue are what to_json gives`() async throws {
    try await withExecutor { harness, db in
      try await db.query(CatalogueServerTests.schema)
      // What some hold in columns of the type anyarray, only the server can tell.
      let relations = try await db.query(
        """
        select c.oid::regclass from pg_class c where c.relkind in ('r', 'v', 'm', 'c')
          and c.reltype <> 0 and not exists (select from pg_attribute a
            where a.attrelid = c.oid and a.atttypid in ('anyarray'::regtype, 'record'::regtype))
        """)
      #expect(relations.count > 150)
      let empty = relations.map {
        Self.question("jsonb_populate_record(null::\($0[0] ?? ""), '{}')")
      }
      #expect(try await Self.compare(empty, harness) == empty.count)
      let full = ["pg_class", "pg_proc", "pg_type", "pg_attribute", "pg_settings", "pg_index"].map {
        "select t, to_json(t)::text from (select t from \($0) t limit 100) t(t)"
      }
      #expect(try await Self.compare(full, harness) > 500)
    }
  }
}
