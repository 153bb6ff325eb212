package import TransomPostgres

/// A row of a database's `pg_type`, with what stands behind it: what ``TypeTable`` needs of a type that is not built in.
package struct CatalogueType: Equatable, Sendable {
  package enum Form: Equatable, Sendable {
    /// An enum, a range, and all that `to_json` gives as its text.
    case text
    case hstore
    case domain(over: UInt32)
    case array(of: UInt32, delimiter: UInt8)
    case composite([Attribute])
  }

  package struct Attribute: Equatable, Sendable {
    package var name: String
    package var type: UInt32
  }

  package var oid: UInt32
  package var name: String
  package var form: Form
  /// Changes with the type: with its row in `pg_type`, and those of its attributes.
  package var stamp: String
}

extension CatalogueType {
  /// Selects the types of `$1` (`oid[]`), and all that these are made of.
  ///
  /// Columns: OID, name, form, the type that it is made of, delimiter, names and types of the attributes, stamp.
  package static let lookup = StatementText(
    """
    with recursive used (oid) as (
      select pg_catalog.unnest($1::pg_catalog.oid[])
      union
      select part.oid from used join pg_catalog.pg_type t on t.oid = used.oid cross join lateral (
        select t.typbasetype where t.typtype = 'd'
        union all select t.typelem where \(isArray)
        union all select a.atttypid from pg_catalog.pg_attribute a
          where t.typtype = 'c' and a.attrelid = t.typrelid and a.attnum > 0 and not a.attisdropped
      ) part (oid)
    )
    select t.oid, t.typname,
      case when t.typtype = 'd' then 'domain' when \(isArray) then 'array'
        when t.typtype = 'c' then 'composite' when \(isHstore) then 'hstore' else 'text' end,
      case when t.typtype = 'd' then t.typbasetype else t.typelem end,
      (select e.typdelim from pg_catalog.pg_type e where e.oid = t.typelem),
      (select pg_catalog.array_agg(a.attname order by a.attnum) from pg_catalog.pg_attribute a
        where \(isAttribute) and not a.attisdropped),
      (select pg_catalog.array_agg(a.atttypid order by a.attnum) from pg_catalog.pg_attribute a
        where \(isAttribute) and not a.attisdropped),
      \(stamp)
    from used join pg_catalog.pg_type t on t.oid = used.oid
    """)

  /// Selects OID and stamp of the types of `$1` (`oid[]`): whether what is known of them still holds.
  package static let check = StatementText(
    """
    select t.oid, \(stamp) from pg_catalog.pg_type t
    where t.oid = any ($1::pg_catalog.oid[])
    """)

  private static let isArray =
    "t.typsubscript = 'pg_catalog.array_subscript_handler'::pg_catalog.regproc"

  /// `to_json` calls a type's cast to json if it has one. Of the types that come with PostgreSQL, only hstore has;
  /// what another cast would make of a value, only the server knows.
  private static let isHstore = """
    t.typname = 'hstore' and exists (select from pg_catalog.pg_cast c
      join pg_catalog.pg_proc p on p.oid = c.castfunc where c.castsource = t.oid
      and c.casttarget = 'pg_catalog.json'::pg_catalog.regtype and p.proname = 'hstore_to_json')
    """

  private static let isAttribute = "t.typtype = 'c' and a.attrelid = t.typrelid and a.attnum > 0"

  /// Every change of a row gives it another `xmin`, or if it is of the same transaction, another `ctid`. The names tell
  /// apart what another database may have at the same places.
  private static let stamp = """
    pg_catalog.concat(t.xmin, t.ctid, t.typtype, t.typbasetype, t.typelem, t.typname, (select pg_catalog.string_agg(
      pg_catalog.concat(' ', a.attnum, ':', a.xmin, a.ctid, a.atttypid, a.attname), '' order by a.attnum)
      from pg_catalog.pg_attribute a where \(isAttribute)))
    """
}

extension CatalogueType {
  /// Takes a row of ``lookup``; nil if it is none.
  package init?(row: [String?]) {
    guard row.count == 8, let oid = row[0].flatMap({ UInt32($0) }), let name = row[1],
      let part = row[3].flatMap({ UInt32($0) }), let stamp = row[7]
    else { return nil }
    self.oid = oid
    self.name = name
    self.stamp = stamp
    switch row[2] {
    case "text": form = .text
    case "hstore": form = .hstore
    case "domain": form = .domain(over: part)
    case "array":
      guard let delimiter = row[4]?.utf8.first else { return nil }
      form = .array(of: part, delimiter: delimiter)
    case "composite":
      let names = Self.elements(row[5])
      let types = Self.elements(row[6]).map { UInt32($0) ?? 0 }
      form = .composite(zip(names, types).map { Attribute(name: $0, type: $1) })
    default: return nil
    }
  }

  /// The elements of an array in PostgreSQL's text form; none of NULL.
  private static func elements(_ array: String?) -> [String] {
    guard let array else { return [] }
    var elements: [String] = []
    var element: [UInt8] = []
    var reader = ArrayTextReader(array.utf8.span, delimiter: JSONWriter.comma)
    while true {
      switch reader.next(in: array.utf8.span, element: &element) {
      case .element: elements.append(String(decoding: element, as: UTF8.self))
      case .open, .close, .delimiter, .null: continue
      case .end, .malformed: return elements
      }
    }
  }

  /// The types that it is made of.
  package var parts: [UInt32] {
    switch form {
    case .text, .hstore: []
    case .domain(let base): [base]
    case .array(let element, _): [element]
    case .composite(let attributes): attributes.map(\.type)
    }
  }
}
