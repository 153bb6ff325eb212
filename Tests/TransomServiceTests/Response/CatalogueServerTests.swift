import TestSupport
import Testing

import TransomPostgres

@testable import TransomService

/// Values of every type of a database, those that it has of its own included, against PostgreSQL's own `to_json`.
@Suite struct CatalogueServerTests {
  static let schema = #"""
    create extension hstore; create extension citext;
    create type mood as enum ('sad', 'it''s "ok"', 'a,b', '');
    create domain positive as int check (value > 0);
    create domain ints as int[];
    create domain moods as mood[];
    create domain more_ints as ints;
    create type pair as (a int, "b ""x""" text);
    create domain good_pair as pair;
    create domain attributes as hstore;
    create type empty as ();
    create type one as (a text);
    create type nest as (p pair, ps pair[], g good_pair, m mood, ms moods, h hstore, t timestamptz, j jsonb, d ints,
      n numeric, f float8, b bool, e empty, o one, js json[], x bytea, v int2vector);
    create type floats as range (subtype = float8, multirange_type_name = many_floats);
    create table "Table" (id int, gone text, "ü" text);
    alter table "Table" drop column gone;
    """#

  static let samples: [(type: String, values: [String])] = [
    ("hstore", [#"''"#, #"'a=>1, "b \" \\ c"=>"d, \"e\" => f", é=>NULL, n=>"NULL"'"#]),
    ("attributes", ["'a=>1'"]), ("citext", ["'Abc'"]),
    ("mood", ["'sad'", #"'it''s "ok"'"#, "'a,b'", "''"]),
    ("positive", ["7"]), ("ints", ["'{1,NULL,3}'", "'[3:4]={1,2}'", "'{{1,2},{3,4}}'", "'{}'"]),
    ("more_ints", ["'{1}'"]), ("moods", ["array['a,b', null, 'it''s \"ok\"']"]),
    ("pair", ["(1, 'a')", #"(null, 'b,"(c)" \ ')"#, "(null, '')", "(null, null)"]),
    ("good_pair", ["(1, 'a')"]), ("empty", ["row()"]),
    ("one", ["row(null)", "row('')", "row('(')"]),
    (
      "nest",
      [
        """
        row((1, 'a"b'), array[(2, 'c,d'), null, (3, null)]::pair[], (4, 'e'), 'a,b',
          array['it''s "ok"', null], '"q"=>"x, y", z=>NULL', '2024-02-29 12:34:56Z', '{"a": [1.50, "é\\""]}',
          '{{1,2},{3,4}}', 1e30, 'NaN', true, row(), row(''), array['[1, {"a": "b"}]', 'null']::json[], '\\xff',
          '1 2')
        """, "jsonb_populate_record(null::nest, '{}')",
      ]
    ),
    ("floats", ["'[1.5,2)'", "'empty'"]), ("many_floats", ["'{[1.5,2),[3,4]}'"]),
    ("\"Table\"", ["(1, 'é')"]),
    ("information_schema.cardinal_number", ["1"]),
    ("information_schema.character_data", ["'a'"]),
    ("information_schema.sql_identifier", ["'a'"]),
    ("information_schema.time_stamp", ["'2024-02-29 12:34:56Z'"]),
    ("information_schema.yes_or_no", ["'YES'"]),
  ]

  /// The types of these OIDs and all that they are made of, looked up as the service does.
  private static func types(_ oids: String, in db: TestDatabase) async throws -> TypeTable {
    let sql = CatalogueType.lookup.sql.replacing("$1", with: oids)
    let rows = try await db.query(sql).map { try #require(CatalogueType(row: $0)) }
    var types = TypeTable()
    types.add(rows)
    return types
  }

  private static func allTypes(in db: TestDatabase) async throws -> TypeTable {
    try await types("(select array_agg(oid) from pg_type)", in: db)
  }

  /// Compares rows of an OID, a text form and what `to_json` gives.
  private static func compare(_ rows: [[String?]], _ types: TypeTable) throws {
    var encoder = ValueEncoder()
    for row in rows {
      guard let text = row[1] else { continue }
      let oid = try #require(UInt32(row[0] ?? ""))
      var writer = JSONWriter()
      encoder.append(text.utf8.span, as: types[oid].encoding, after: Span(), to: &writer)
      #expect(
        String(decoding: writer.bytes, as: UTF8.self) == row[2], "\(types[oid].name): \(text)")
    }
  }

  /// A value, and arrays of it: with NULL, of two dimensions, with other bounds.
  private static func question(_ type: String, _ value: String) -> String {
    let value = "(\(value))::\(type)"
    let forms = [
      ("\(type)", value), ("\(type)[]", "array[\(value), null]::\(type)[]"),
      ("\(type)[]", "array[array[\(value)], array[\(value)]]::\(type)[]"),
      ("\(type)[]", "('[3:3]=' || format('%s', array[\(value)]::\(type)[]))::\(type)[]"),
    ]
    return forms.map { form, value in
      """
      select '\(form)'::regtype::oid::text, format('%s', v), to_json(v)::text from (select \(value) v) s
      """
    }.joined(separator: " union all ")
  }

  @Test(arguments: ["UTC", "Asia/Kolkata"])
  func `every value of a type of one's own is what to_json gives`(_ zone: String) async throws {
    try await withDatabase { db in
      try await db.query(Self.schema)
      let types = try await Self.allTypes(in: db)
      let questions = Self.samples.flatMap { type, values in
        values.map { Self.question(type, $0) }
      }
      let rows = try await db.query(
        "set timezone = '\(zone)'; " + questions.joined(separator: "\nunion all\n"))
      #expect(rows.count == questions.count * 4)
      try Self.compare(rows, types)
    }
  }

  @Test func `every type of pg_type has its name and is compared with to_json`() async throws {
    try await withDatabase { db in
      try await db.query(Self.schema)
      let types = try await Self.allTypes(in: db)
      let known = Set(
        (typeSamples + Self.samples).map { $0.type.filter { $0 != "\"" } } + typesWithoutInput + [
          "ghstore"
        ])
      let rows = try await db.query(
        """
        select t.oid, t.typname, t.typtype, t.oid::regtype::text,
          t.typsubscript is not distinct from 'array_subscript_handler'::regproc
        from pg_type t where t.typtype <> 'p'
        """)
      #expect(rows.count > 400)
      for row in rows {
        let oid = try #require(UInt32(row[0] ?? ""))
        let (name, kind, full) = try (#require(row[1]), #require(row[2]), #require(row[3]))
        #expect(types.knows(oid) && types[oid].name == name)
        switch types[oid].encoding {
        case .array: #expect(row[4] == "t" || kind == "d", "\(name)")
        case .composite: #expect(kind == "c" || kind == "d", "\(name)")
        case .scalar: #expect(row[4] == "f" || name.hasSuffix("vector"), "\(name)")
        }
        let isSampled = known.contains(name) || known.contains(full.filter { $0 != "\"" })
        // Arrays are compared with their elements, rows of tables by the next test.
        #expect(isSampled || row[4] == "t" || kind == "c", "\(full)")
      }
    }
  }

  @Test func `rows of every catalogue are what to_json gives`() async throws {
    try await withDatabase { db in
      try await db.query(Self.schema)
      let types = try await Self.allTypes(in: db)
      // What these hold in columns of the type anyarray, only the server can tell.
      let relations = try await db.query(
        """
        select c.reltype, c.oid::regclass from pg_class c where c.relkind in ('r', 'v', 'm', 'c')
          and c.reltype <> 0 and not exists (select from pg_attribute a
            where a.attrelid = c.oid and a.atttypid in ('anyarray'::regtype, 'record'::regtype))
        """)
      #expect(relations.count > 150)
      let questions = relations.map { row in
        let (oid, name) = (row[0] ?? "", row[1] ?? "")
        return """
          select '\(oid)', format('%s', whole_row), to_json(whole_row)::text
            from jsonb_populate_record(null::\(name), '{}') whole_row
          """
      }
      try Self.compare(try await db.query(questions.joined(separator: "\nunion all\n")), types)
      for name in ["pg_class", "pg_proc", "pg_type", "pg_attribute", "pg_settings", "pg_index"] {
        let rows = try await db.query(
          """
          select '\(name)'::regtype::oid, format('%s', t), to_json(t)::text
            from (select t from \(name) t limit 200) t(t)
          """)
        #expect(rows.count > 50)
        try Self.compare(rows, types)
      }
    }
  }

  @Test func `a change of a type changes its stamp, and nothing else does`() async throws {
    try await withDatabase { db in
      try await db.query(Self.schema)
      func stamps() async throws -> [String?: String?] {
        let rows = try await db.query(
          CatalogueType.check.sql.replacing(
            "$1", with: "array['mood', 'pair', '\"Table\"']::regtype[]")
        )
        return Dictionary(uniqueKeysWithValues: rows.map { ($0[0], $0[1]) })
      }
      var before = try await stamps()
      #expect(before.count == 3)
      #expect(try await stamps() == before)
      let rows = try await db.query(
        CatalogueType.lookup.sql.replacing(
          "$1", with: "array['mood', 'pair', '\"Table\"']::regtype[]"))
      for row in rows { #expect(before[row[0]].map { $0 == row[7] } ?? true) }
      for change in [
        "alter type mood rename to humour; alter type humour rename to mood",
        "alter type pair rename attribute a to c", "alter type pair add attribute d int",
        "alter type pair drop attribute d", "alter type pair alter attribute c type text",
        "alter table \"Table\" add column more int", "alter table \"Table\" drop column more",
        "alter table \"Table\" rename column id to number",
      ] {
        try await db.query(change)
        let after = try await stamps()
        #expect(after.filter { before[$0.key] != $0.value }.count == 1, "\(change)")
        before = after
      }
    }
  }

  @Test func `types inside one another deeper than the limit are text inside`() {
    let rows = (UInt32(1)...5000).map { number in
      CatalogueType(
        oid: 100_000 + number, name: "t\(number)",
        form: .composite([
          .init(name: "a", type: number == 1 ? 25 : 99_999 + number),
          .init(name: "b", type: number == 1 ? 25 : 99_999 + number),
        ]), stamp: "")
    }
    var types = TypeTable()
    types.add(rows.reversed())
    func depth(_ oid: UInt32) -> Int {
      var (encoding, depth) = (types[oid].encoding, 0)
      while case .composite(let attributes) = encoding {
        (encoding, depth) = (attributes[0].encoding, depth + 1)
      }
      return depth
    }
    #expect(depth(100_010) == 10)
    #expect(rows.allSatisfy { depth($0.oid) < TypeTable.maximumDepth })
  }

  @Test func `a type that holds itself is text inside`() {
    var types = TypeTable()
    types.add([
      CatalogueType(oid: 100_000, name: "a", form: .array(of: 100_001, delimiter: 0x2c), stamp: ""),
      CatalogueType(oid: 100_001, name: "b", form: .domain(over: 100_000), stamp: ""),
    ])
    #expect(types[100_000].encoding == .array(of: .text, delimiter: 0x2c))
  }
}
