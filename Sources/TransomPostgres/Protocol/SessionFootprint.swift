/// What a statement may leave behind in its session, for whoever gets the connection next.
///
/// Found from the text alone, once for each statement that is prepared, and rather too often than too seldom: what is
/// only suspected costs a clean-up that nobody waits for. What the text does not show (a trigger or a function of the
/// user's own that takes a session lock) is not found.
struct SessionFootprint: OptionSet {
  let rawValue: UInt8

  /// Settings, roles, temporary tables, locks, cursors, channels, sequences.
  static let state = SessionFootprint(rawValue: 1)
  /// Statements that SQL itself has prepared, or taken away.
  static let preparedStatements = SessionFootprint(rawValue: 2)

  init(rawValue: UInt8) { self.rawValue = rawValue }

  /// Reads a statement.
  init(of sql: String) { self.init(rawValue: Self.read(sql).rawValue) }

  private static func read(_ sql: String) -> SessionFootprint {
    // An escaped name may be any of those that are looked for.
    if holdsEscapedName(sql) { return [.state, .preparedStatements] }
    var words = WordScanner(sql)
    guard let first = words.next(), queries.contains(first), !words.hasSkipped else {
      // Not a query, or one that begins with a bracket.
      return touchesPrepared(sql) ? [.state, .preparedStatements] : .state
    }
    var footprint: SessionFootprint = []
    var last = first
    while let word = words.next() {
      // The functions of a temporary schema may do anything.
      if runsText(word) || word.hasPrefix("pg_temp") { return [.state, .preparedStatements] }
      let makesTable = word == "into" && last != "insert" && last != "merge"
      last = word
      guard makesTable || isSuspect(word) else { continue }
      if word == "set_config", words.callEndsWithTrue() { continue }
      footprint = .state
    }
    return footprint
  }

  /// Whether it is known that all that a statement does is undone when it fails, or its transaction: unlike COMMIT, CALL and
  /// DO, which may commit something, or a session lock and `dblink` in a query.
  static func isUndone(_ sql: String) -> Bool {
    if SessionFootprint(of: sql).isEmpty { return true }
    guard !holdsEscapedName(sql) else { return false }
    var words = WordScanner(sql)
    guard let first = words.next(), !words.hasSkipped else { return false }
    guard undoneCommands.contains(first) else { return false }
    while let word = words.next() {
      if runsText(word) || ownTransactions.contains(word)
        || ["dblink", "pg_advisory", "pg_try_advisory"].contains(where: word.hasPrefix)
      {
        return false
      }
    }
    return true
  }

  private static let undoneCommands: Set<String> = [
    "alter", "analyze", "comment", "create", "declare", "drop", "explain", "grant", "listen",
    "lock", "notify", "refresh", "reset", "revoke", "set", "truncate", "unlisten",
  ]
  /// What makes one of them a command that is its own transaction.
  private static let ownTransactions: Set<String> = [
    "concurrently", "database", "tablespace", "system", "subscription",
  ]

  /// Whether a function of this name runs a text as SQL, which another text can hide.
  private static func runsText(_ word: String) -> Bool {
    word.hasPrefix("query_to_xml") || textRunners.contains(word)
  }

  private static let textRunners: Set<String> = [
    "ts_stat", "ts_rewrite", "crosstab", "crosstabn", "crosstab2", "crosstab3", "crosstab4",
    "connectby", "xpath_table",
  ]

  /// Whether the text holds `U&"…"` (manual, 4.1.1 "Identifiers and Key Words").
  private static func holdsEscapedName(_ sql: String) -> Bool {
    var before: (UInt8, UInt8) = (0, 0)
    for byte in sql.utf8 {
      if byte == UInt8(ascii: "\""), before == (UInt8(ascii: "u"), UInt8(ascii: "&")) {
        return true
      }
      before = (before.1, byte == UInt8(ascii: "U") ? UInt8(ascii: "u") : byte)
    }
    return false
  }

  /// Whether a word in a query tells of something that outlives the transaction; the locks named `xact` do not.
  private static func isSuspect(_ word: String) -> Bool {
    if suspects.contains(word) || word.hasPrefix("dblink")
      || word.hasPrefix("pg_replication_origin")
    {
      return true
    }
    return (word.hasPrefix("pg_advisory") || word.hasPrefix("pg_try_advisory"))
      && !word.contains("_xact_")
  }

  /// The commands that give all that back. None of them can be in a pipeline with a client's own.
  var cleanUp: [String] {
    guard !isEmpty else { return [] }
    var commands = [
      "RESET SESSION AUTHORIZATION", "RESET ALL", "CLOSE ALL", "UNLISTEN *",
      "SELECT pg_advisory_unlock_all()", "DISCARD TEMP", "DISCARD SEQUENCES",
    ]
    if contains(.preparedStatements) { commands.append("DEALLOCATE ALL") }
    return commands
  }

  private static let queries: Set<String> = [
    "select", "insert", "update", "delete", "merge", "values", "with", "table", "copy",
  ]
  /// Words of queries that leave something behind. An UPDATE of `pg_settings` is a SET.
  private static let suspects: Set<String> = [
    "set_config", "pg_settings", "setseed", "temp", "temporary", "nextval", "setval",
    // Of pg_trgm: for the session.
    "set_limit",
  ]

  private static func touchesPrepared(_ sql: String) -> Bool {
    var words = WordScanner(sql)
    var isFirst = true
    while let word = words.next() {
      if ["prepare", "deallocate", "discard"].contains(word) || runsText(word) { return true }
      // Its text can put others together. Behind a semicolon the first word may be a comment's.
      if word == "do", isFirst || words.hasSkipped { return true }
      isFirst = false
    }
    return false
  }
}

/// The words of a text, in lower case, wherever they stand: in strings and comments, too, but for those in front.
private struct WordScanner {
  private let text: [UInt8]
  private var index = 0
  /// Whether anything but white space and comments stood before the first word.
  private(set) var hasSkipped = false
  private var isFirst = true

  init(_ sql: String) {
    text = Array(sql.utf8)
    while index < text.count, Self.isSpace(text[index]) || skipComment() { index += 1 }
  }

  /// Goes to the last byte of the comment that begins here, if one does (manual, 4.1.5 "Comments").
  private mutating func skipComment() -> Bool {
    let rest = text[index...]
    if rest.starts(with: "--".utf8) {
      let end = rest.firstIndex { $0 == UInt8(ascii: "\n") || $0 == UInt8(ascii: "\r") }
      index = end ?? text.count
      return true
    }
    guard rest.starts(with: "/*".utf8) else { return false }
    var depth = 0
    while index < text.count {
      if text[index...].starts(with: "/*".utf8) {
        depth += 1
        index += 2
      } else if text[index...].starts(with: "*/".utf8) {
        depth -= 1
        index += 2
        guard depth > 0 else { break }
      } else {
        index += 1
      }
    }
    index -= 1
    return true
  }

  mutating func next() -> String? {
    while index < text.count, !Self.isWord(text[index]) {
      if isFirst, !Self.isSpace(text[index]) { hasSkipped = true }
      index += 1
    }
    isFirst = false
    let start = index
    while index < text.count, Self.isWord(text[index]) { index += 1 }
    guard index > start else { return nil }
    let word = text[start..<index].map { 0x41...0x5a ~= $0 ? $0 | 0x20 : $0 }
    return String(decoding: word, as: UTF8.self)
  }

  /// Whether the brackets that follow end with `, true`, as those of a transaction's own setting do. False, too, where it
  /// would take more than this to tell what is quoted: comments, escapes, dollar quotes, quoted names.
  func callEndsWithTrue() -> Bool {
    guard let open = text[index...].firstIndex(of: UInt8(ascii: "(")),
      text[index..<open].allSatisfy(Self.isSpace)
    else { return false }
    var depth = 0
    var isQuoted = false
    for position in open..<text.count {
      switch text[position] {
      case UInt8(ascii: "\\"): return false
      case UInt8(ascii: "'"): isQuoted.toggle()
      case _ where isQuoted: continue
      case UInt8(ascii: "\""): return false
      case UInt8(ascii: "-") where text[position...].starts(with: "--".utf8): return false
      case UInt8(ascii: "/") where text[position...].starts(with: "/*".utf8): return false
      case UInt8(ascii: "$") where !isParameter(at: position): return false
      case UInt8(ascii: "("): depth += 1
      case UInt8(ascii: ")"):
        depth -= 1
        guard depth == 0 else { continue }
        return Self.endsWithTrue(text[open..<position])
      default: break
      }
    }
    return false
  }

  /// Whether a dollar begins a parameter's number, and no quoting.
  private func isParameter(at dollar: Int) -> Bool {
    dollar + 1 < text.count && 0x30...0x39 ~= text[dollar + 1]
  }

  private static func endsWithTrue(_ arguments: ArraySlice<UInt8>) -> Bool {
    var rest = arguments
    while let byte = rest.last, isSpace(byte) { rest.removeLast() }
    let word = rest.suffix(4).map { $0 | 0x20 }
    guard word == Array("true".utf8) else { return false }
    rest.removeLast(4)
    while let byte = rest.last, isSpace(byte) { rest.removeLast() }
    return rest.last == UInt8(ascii: ",")
  }

  private static func isWord(_ byte: UInt8) -> Bool {
    switch byte | 0x20 {
    case UInt8(ascii: "a")...UInt8(ascii: "z"): true
    default: byte >= 0x80 || byte == UInt8(ascii: "_") || 0x30...0x39 ~= byte
    }
  }

  private static func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || 0x09...0x0d ~= byte }
}
