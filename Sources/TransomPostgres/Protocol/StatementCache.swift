/// The statements that the server has prepared for one connection; the least recently used go first.
struct StatementCache {
  /// A statement's name on the server.
  struct Lookup: Equatable {
    let name: StatementName
    /// Its number, if it is to be prepared under this name first; nil: the server knows it, or will before it runs.
    let unknown: Int?
  }

  private struct Entry {
    var statement: Int
    var name: StatementName
    var lastUse: Int
    var isConfirmed: Bool
    var footprint: SessionFootprint
    var parameterTypes: [OID]?
    var columnTypes: [OID]?
    var resultTypes: [OID] = []

    /// In place: to copy an entry would count all its references.
    mutating func note(
      use: Int, in footprint: inout SessionFootprint, _ resultTypes: inout [OID]
    ) -> StatementName {
      lastUse = use
      footprint.formUnion(self.footprint)
      if !self.resultTypes.isEmpty { resultTypes += self.resultTypes }
      return name
    }
  }

  /// The number of statements to keep; at least 1.
  let capacity: Int
  private var entries: [StatementText: Entry] = [:]
  private var texts: [Int: StatementText] = [:]
  private var uses = 0
  private var made = 0
  /// Commands that free what the server still holds and nobody will use again.
  private var deallocations: [String] = []
  /// What the statements that were looked up since `takeFootprint` may have left in the session.
  private var footprint: SessionFootprint = []
  /// What was noted of the results of the statements that were looked up since `takeResultTypes`.
  private var resultTypes: [OID] = []

  init(capacity: Int) { self.capacity = max(1, capacity) }

  var count: Int { entries.count }

  /// A statement's name on the server.
  static func name(_ statement: Int) -> String { "transom_\(statement)" }

  mutating func lookUp(_ sql: StatementText) -> Lookup {
    uses += 1
    if let index = entries.index(forKey: sql) {
      return Lookup(
        name: entries.values[index].note(use: uses, in: &footprint, &resultTypes), unknown: nil)
    }
    if entries.count >= capacity { evict(entries.count - capacity + 1) }
    made += 1
    let name = StatementName(Self.name(made))
    let own = SessionFootprint(of: sql.sql)
    footprint.formUnion(own)
    entries[sql] = Entry(
      statement: made, name: name, lastUse: uses, isConfirmed: false, footprint: own)
    texts[made] = sql
    return Lookup(name: name, unknown: made)
  }

  mutating func confirm(_ statement: Int) {
    guard let sql = texts[statement] else { return }
    entries[sql]?.isConfirmed = true
  }

  /// The server does not know the statement after all.
  mutating func forget(_ statement: Int) {
    guard let sql = texts.removeValue(forKey: statement) else { return }
    entries[sql] = nil
  }

  /// Forgets everything, to be prepared anew under new names: after the catalogue changed under a statement,
  /// or a client's own SQL took statements away. Nothing may be on its way.
  mutating func invalidate() {
    entries.removeAll()
    texts.removeAll()
    deallocations = [Self.all]
  }

  /// Lets all statements go that the server knows, and nobody else's, to be prepared anew under new names. Nothing may be on
  /// its way.
  mutating func evictAll() {
    for (sql, entry) in entries where entry.isConfirmed { evict(sql, entry.statement) }
  }

  /// Takes note of a statement that is run without being prepared.
  mutating func noteUnprepared(_ sql: String) { footprint.formUnion(SessionFootprint(of: sql)) }

  /// Whether something may have to be cleaned up.
  var hasFootprint: Bool { !footprint.isEmpty }

  /// Whether SQL itself may have taken prepared statements away.
  var mayLackStatements: Bool { footprint.contains(.preparedStatements) }

  /// Tells what may have to be cleaned up, and forgets it. What SQL itself may have done to prepared statements makes
  /// all of them unknown.
  mutating func takeFootprint() -> SessionFootprint {
    let taken = exchange(&footprint, with: [])
    if taken.contains(.preparedStatements) {
      entries.removeAll()
      texts.removeAll()
      deallocations = []
    }
    return taken
  }

  // MARK: Types

  /// The types of a statement's parameters; nil if they were not noted. The server never changes them: it infers them
  /// when it prepares the statement.
  func parameterTypes(of sql: StatementText) -> [OID]? { entries[sql]?.parameterTypes }

  mutating func note(parameterTypes: [OID], of sql: StatementText) {
    entries[sql]?.parameterTypes = parameterTypes
  }

  /// The types of all columns of a statement's results; nil if they were not noted.
  func columnTypes(of sql: StatementText) -> [OID]? { entries[sql]?.columnTypes }

  mutating func note(columnTypes: [OID], of sql: StatementText) {
    entries[sql]?.columnTypes = columnTypes
  }

  /// Notes types of a statement's results, to be reminded of them by `takeResultTypes` when it is used again.
  mutating func note(resultTypes: [OID], of sql: StatementText) {
    entries[sql]?.resultTypes = resultTypes
  }

  mutating func takeResultTypes() -> [OID] {
    resultTypes.isEmpty ? [] : exchange(&resultTypes, with: [])
  }

  /// Takes the commands that free what is no longer used.
  ///
  /// If that is everything, what has been prepared since is known no more, either.
  mutating func takeDeallocations() -> [String] {
    guard !deallocations.isEmpty else { return [] }
    if deallocations.contains(Self.all) {
      entries.removeAll()
      texts.removeAll()
      deallocations = [Self.all]
    }
    return exchange(&deallocations, with: [])
  }

  private static let all = "DEALLOCATE ALL"

  /// Evicts what was not used for longest. What is on its way is left alone: it is not sure yet that the server will
  /// know it. So one long pipeline can make the cache grow, and the next statements shrink it again.
  private mutating func evict(_ excess: Int) {
    let confirmed = entries.lazy.filter { $0.value.isConfirmed }
    if excess == 1 {
      guard let oldest = confirmed.min(by: { $0.value.lastUse < $1.value.lastUse }) else { return }
      evict(oldest.key, oldest.value.statement)
    } else {
      for entry in confirmed.sorted(by: { $0.value.lastUse < $1.value.lastUse }).prefix(excess) {
        evict(entry.key, entry.value.statement)
      }
    }
  }

  private mutating func evict(_ sql: StatementText, _ statement: Int) {
    deallocations.append("DEALLOCATE \(Self.name(statement))")
    texts[statement] = nil
    entries[sql] = nil
  }
}

/// A statement's name on the server, as C wants it: made once, so that using it allocates nothing.
struct StatementName: Hashable, ExpressibleByStringLiteral {
  /// The name, with the NUL that ends it.
  let cString: [CChar]

  init(_ name: String) { cString = name.utf8.map(CChar.init(bitPattern:)) + [0] }

  init(stringLiteral name: String) { self.init(name) }
}
