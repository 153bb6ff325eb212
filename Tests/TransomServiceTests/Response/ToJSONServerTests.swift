import TestSupport
import Testing

@testable import TransomService

/// Values and types as Transom writes them, against PostgreSQL's own `to_json` and `pg_type`.
@Suite struct ToJSONServerTests {
  /// Each sample, and arrays of them in one and two dimensions, with bounds and with NULL:
  /// rows of OID, text form and `to_json`.
  private static var question: String {
    let samples = typeSamples.map { type, values in
      """
      select '\(type)'::regtype::oid::text, format('%s', v), to_json(v)::text
        from unnest(array[\(values.map { "(\($0))::\(type)" }.joined(separator: ","))]::\(type)[]) v
      """
    }
    let arrays = typeSamples.flatMap { type, values in
      let elements = values.map { "(\($0))::\(type)" }.joined(separator: ",")
      let one = "array[\(elements),null]::\(type)[]"
      let plain = "array[\(elements)]::\(type)[]"
      // format() and not a cast: the type's own output function.
      return [
        one, "array[\(plain),\(plain)]", "'{}'::\(type)[]",
        "('[3:' || 3 + \(values.count) || ']=' || format('%s', \(one)))::\(type)[]",
      ].map { array in
        """
        select '\(type)[]'::regtype::oid::text, format('%s', a), to_json(a)::text
          from (select \(array) a) s
        """
      }
    }
    return (samples + arrays).joined(separator: "\nunion all\n")
  }

  @Test(arguments: ["UTC", "Asia/Kolkata", "America/New_York", "Africa/Monrovia", "<-01>+1"])
  func `every value of a built-in type is what to_json gives`(_ zone: String) async throws {
    let types = TypeTable()
    var encoder = ValueEncoder()
    try await withDatabase { db in
      let rows = try await db.query("set timezone = '\(zone)'; \(Self.question)")
      #expect(rows.count > typeSamples.count * 5)
      for row in rows {
        let oid = try #require(UInt32(row[0] ?? ""))
        let text = try #require(row[1])
        var writer = JSONWriter()
        encoder.append(text.utf8.span, as: types[oid].encoding, after: Span(), to: &writer)
        let json = String(decoding: writer.bytes, as: UTF8.self)
        #expect(json == row[2], "\(types[oid].name): \(text)")
      }
    }
  }

  @Test(arguments: ["SQL, DMY", "German", "Postgres, MDY"])
  func `another DateStyle gives strings of its text`(_ style: String) async throws {
    let types = TypeTable()
    var encoder = ValueEncoder()
    try await withDatabase { db in
      let rows = try await db.query(
        """
        set datestyle = '\(style)';
        select o::text, format('%s', v) from (values
          (1114, '2024-02-29 12:34:56.5'::timestamp::text), (1114, 'infinity'),
          (1184, '2024-02-29 12:34:56Z'::timestamptz::text), (1082, '2024-02-29'::date::text),
          (1115, array['2024-02-29 12:34:56'::timestamp]::text)) t(o, v)
        """)
      for row in rows {
        let oid = try #require(UInt32(row[0] ?? ""))
        let text = try #require(row[1])
        var writer = JSONWriter()
        encoder.append(text.utf8.span, as: types[oid].encoding, after: Span(), to: &writer)
        let tree = PlainJSONParser.parse(writer.bytes)
        let element = Array(text.utf8).filter { !Array(#"{}""#.utf8).contains($0) }
        #expect(tree == (oid == 1115 ? .array([.string(element)]) : .string(element)))
      }
    }
  }

  @Test func `the table of built-in types is the server's`() async throws {
    try await withDatabase { db in
      let rows = try await db.query(
        """
        select t.oid, t.typname, a.oid, a.typname, t.typdelim
          from pg_type t left join pg_type a on a.oid = t.typarray
         where t.oid < 10000 and t.typrelid = 0 and t.typtype in ('b', 'r', 'm')
           and t.typsubscript is distinct from 'array_subscript_handler'::regproc
            or t.typname in ('int2vector', 'oidvector')
        """)
      let types = TypeTable()
      let sampled = Set(typeSamples.map { $0.type.filter { $0 != "\"" } })
      for row in rows {
        let name = try #require(row[1])
        let oid = try #require(UInt32(row[0] ?? ""))
        #expect(types.knows(oid) && types[oid].name == name)
        #expect(sampled.contains(name) || typesWithoutInput.contains(name), "\(name)")
        guard let array = row[2].flatMap({ UInt32($0) }), let arrayName = row[3] else { continue }
        #expect(types[array].name == arrayName)
        guard case .array(let element, let delimiter) = types[array].encoding else {
          Issue.record("\(arrayName) is no array")
          continue
        }
        #expect(element == types[oid].encoding)
        #expect([delimiter] == row[4].map { Array($0.utf8) })
      }
      #expect(rows.count > 80)
    }
  }
}
