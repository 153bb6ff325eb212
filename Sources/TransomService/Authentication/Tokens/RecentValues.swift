/// Values that were used last, more or less: when the newer half is full, it becomes the older one, and what that held is
/// forgotten unless it was used meanwhile. Whatever comes, it does not grow.
struct RecentValues<Key: Hashable & Sendable, Value: Sendable>: Sendable {
  private let halfCapacity: Int
  private var newer: [Key: Value] = [:]
  private var older: [Key: Value] = [:]

  /// Keeps about as many, never more.
  init(capacity: Int) { halfCapacity = max(1, capacity / 2) }

  var count: Int { newer.count + older.count }

  subscript(key: Key) -> Value? {
    mutating get {
      if let value = newer[key] { return value }
      guard let value = older.removeValue(forKey: key) else { return nil }
      keep(value, key)
      return value
    }
    set {
      older[key] = nil
      if let newValue { keep(newValue, key) } else { newer[key] = nil }
    }
  }

  private mutating func keep(_ value: Value, _ key: Key) {
    if newer.count >= halfCapacity, newer[key] == nil { older = exchange(&newer, with: [:]) }
    newer[key] = value
  }
}
