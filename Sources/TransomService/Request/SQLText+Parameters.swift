extension SQLText {
  /// How many parameters the query takes, if it is certain that it is not `given`: the server would refuse it.
  ///
  /// The server counts up to the highest `$n`. Nil also for what is no query, such as CREATE FUNCTION, where `$1` is
  /// not the statement's own.
  func parameterCount(otherThan given: Int) -> Int? {
    // Wherever it stands, in a string or a comment: nearly always right, and cheap.
    guard isQuery, highestMention != given else { return nil }
    var scanner = SQLScanner(text.utf8.span)
    let count = scanner.highestParameter()
    var other = SQLScanner(text.utf8.span)
    other.backslashEscapes = true
    let otherCount = other.highestParameter()
    return count == given || otherCount == given ? nil : count
  }

  static func highestMention(in sql: Span<UInt8>) -> Int {
    var highest = 0
    var index = 0
    while index < sql.count {
      index += 1
      guard sql[index - 1] == UInt8(ascii: "$") else { continue }
      var number = 0
      while index < sql.count, 0x30...0x39 ~= sql[index] {
        number = min(number * 10 + Int(sql[index] - 0x30), SQLScanner.maximumParameter)
        index += 1
      }
      highest = max(highest, number)
    }
    return highest
  }
}

extension SQLScanner {
  /// The number of the highest `$n` that is a parameter; 0 if there is none.
  fileprivate mutating func highestParameter() -> Int {
    var highest = 0
    while true {
      switch next() {
      case .parameter(let number): highest = max(highest, number)
      case .end: return highest
      case .word, .string, .open, .close, .dot, .other: continue
      }
    }
  }
}
