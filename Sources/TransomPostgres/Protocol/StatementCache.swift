/// The statements that the server has prepared for one connection, the least recently used last to stay.
struct StatementCache {
  enum Lookup: Equatable {
    /// The server knows it, or will before it runs.
    case known(name: Name)
    /// To be prepared under this name first.
    case unknown(name: Name, statement: Int)
  }

  /// A statement's name on the server, as C wants it: made once.
  typealias Name = [CChar]

  private struct Entry {
    var statement: Int
    var name: Name
    var lastUse: Int
    var isConfirmed: Bool
  }

  /// The number of statements to keep; at least 1.
  let capacity: Int
  private var entries: [String: Entry] = [:]
  private var texts: [Int: String] = [:]
  private var uses = 0
  private var made = 0
  /// Commands that free what the server still holds and nobody will use again.
  private var deallocations: [String] = []

  init(capacity: Int) { self.capacity = max(1, capacity) }

  var count: Int { entries.count }

  /// A statement's name on the server.
  static func name(_ statement: Int) -> String { "transom_\(statement)" }

  mutating func lookUp(_ sql: String) -> Lookup {
    uses += 1
    if let index = entries.index(forKey: sql) {
      entries.values[index].lastUse = uses
      return .known(name: entries.values[index].name)
    }
    if entries.count >= capacity { evictLeastRecentlyUsed() }
    made += 1
    let name = Self.name(made).utf8.map(CChar.init(bitPattern:)) + [0]
    entries[sql] = Entry(statement: made, name: name, lastUse: uses, isConfirmed: false)
    texts[made] = sql
    return .unknown(name: name, statement: made)
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
    deallocations = ["DEALLOCATE ALL"]
  }

  /// Takes the commands that free what is no longer used.
  mutating func takeDeallocations() -> [String] {
    deallocations.isEmpty ? [] : exchange(&deallocations, with: [])
  }

  /// What is on its way is left alone: it is not sure yet that the server will know it.
  private mutating func evictLeastRecentlyUsed() {
    let confirmed = entries.lazy.filter { $0.value.isConfirmed }
    guard let oldest = confirmed.min(by: { $0.value.lastUse < $1.value.lastUse }) else { return }
    deallocations.append("DEALLOCATE \(Self.name(oldest.value.statement))")
    texts[oldest.value.statement] = nil
    entries[oldest.key] = nil
  }
}
