extension TypeTable {
  /// How deep types may stand inside one another. A type that is deeper is its text: whoever makes types must not be
  /// able to exhaust the stack of the thread that writes their values.
  static let maximumDepth = 64

  /// Adds the types of `rows`, which hold all that these are made of, but for what is built in.
  package mutating func add(_ rows: some Sequence<CatalogueType>) {
    var resolution = Resolution(Dictionary(rows.map { ($0.oid, $0) }) { $1 })
    for row in rows {
      add(ColumnType(name: row.name, encoding: resolution.encoding(of: row.oid)), oid: row.oid)
    }
  }

  /// Makes encodings from rows, what a type is made of before the type; each once, however many types hold it.
  private struct Resolution {
    private struct Resolved {
      var encoding: ColumnEncoding
      /// How deep others stand inside of it.
      var height: Int
    }

    private let rows: [UInt32: CatalogueType]
    private var resolved: [UInt32: Resolved] = [:]

    init(_ rows: [UInt32: CatalogueType]) { self.rows = rows }

    mutating func encoding(of oid: UInt32) -> ColumnEncoding {
      var open = [oid]
      var visited: Set<UInt32> = []
      while let next = open.last {
        let parts = rows[next]?.parts.filter { found($0) == nil && !visited.contains($0) } ?? []
        // PostgreSQL has no type that holds itself; if one did, it would be text inside.
        guard found(next) == nil, visited.insert(next).inserted, !parts.isEmpty else {
          open.removeLast()
          if found(next) == nil { resolved[next] = make(next) }
          continue
        }
        open += parts
      }
      return part(oid).encoding
    }

    private func found(_ oid: UInt32) -> Resolved? {
      TypeTable.builtInType(oid).map { Resolved(encoding: $0.encoding, height: 1) } ?? resolved[oid]
    }

    private func part(_ oid: UInt32) -> Resolved {
      found(oid) ?? Resolved(encoding: .text, height: 1)
    }

    private func make(_ oid: UInt32) -> Resolved {
      guard let row = rows[oid] else { return Resolved(encoding: .text, height: 1) }
      let height = 1 + (row.parts.map { part($0).height }.max() ?? 0)
      guard height <= TypeTable.maximumDepth else { return Resolved(encoding: .text, height: 1) }
      return Resolved(encoding: encoding(row), height: height)
    }

    private func encoding(_ row: CatalogueType) -> ColumnEncoding {
      switch row.form {
      case .text: .text
      case .hstore: .scalar(.hstore)
      case .domain(let base): part(base).encoding
      case .array(let element, let delimiter):
        .array(of: part(element).encoding, delimiter: delimiter)
      case .composite(let attributes):
        .composite(
          attributes.map { CompositeAttribute(name: $0.name, encoding: part($0.type).encoding) })
      }
    }
  }
}
