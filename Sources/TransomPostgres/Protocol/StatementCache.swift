/// The statements that the server has prepared for one connection, the least recently used last to stay.
struct StatementCache {
  enum Lookup: Equatable {
    /// The server knows it, or will before it runs.
    case known(name: String)
    /// To be prepared under this name first.
    case unknown(name: String, statement: Int)
  }

  private struct Entry {
    var statement: Int
    var lastUse: Int
    var isConfirmed: Bool
  }

  /// The number of statements to keep; at least 1.
  let capacity: Int
  private var entries: [String: Entry] = [:]
  private var texts: [Int: String] = [:]
  private var uses = 0
  private var made = 0
  /// Names that the server still holds and that nobody will use again.
  private var evicted: [String] = []

  init(capacity: Int) { self.capacity = max(1, capacity) }

  var count: Int { entries.count }

  /// A statement's name on the server.
  static func name(_ statement: Int) -> String { "transom_\(statement)" }

  mutating func lookUp(_ sql: String) -> Lookup {
    uses += 1
    if let index = entries.index(forKey: sql) {
      entries.values[index].lastUse = uses
      return .known(name: Self.name(entries.values[index].statement))
    }
    if entries.count >= capacity { evictLeastRecentlyUsed() }
    made += 1
    entries[sql] = Entry(statement: made, lastUse: uses, isConfirmed: false)
    texts[made] = sql
    return .unknown(name: Self.name(made), statement: made)
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

  /// Forgets everything, to be prepared anew under new names: after the catalogue changed under a statement.
  mutating func invalidate() {
    for (sql, entry) in entries where entry.isConfirmed {
      evicted.append(Self.name(entry.statement))
      texts[entry.statement] = nil
      entries[sql] = nil
    }
  }

  /// Takes the names to be deallocated.
  mutating func takeEvicted() -> [String] {
    evicted.isEmpty ? [] : exchange(&evicted, with: [])
  }

  var hasEvicted: Bool { !evicted.isEmpty }

  /// What is on its way is left alone: it is not sure yet that the server will know it.
  private mutating func evictLeastRecentlyUsed() {
    let confirmed = entries.lazy.filter { $0.value.isConfirmed }
    guard let oldest = confirmed.min(by: { $0.value.lastUse < $1.value.lastUse }) else { return }
    evicted.append(Self.name(oldest.value.statement))
    texts[oldest.value.statement] = nil
    entries[oldest.key] = nil
  }
}
