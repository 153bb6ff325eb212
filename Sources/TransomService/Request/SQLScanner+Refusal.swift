/// What may not run inside a transaction that Transom holds.
extension SQLScanner {
  /// Why the statement is refused; nil for nearly all.
  ///
  /// Transaction control is what begins, ends or divides a transaction. `SET TRANSACTION` and
  /// `SET SESSION CHARACTERISTICS` are not: they set properties that the parameters
  /// `transaction_isolation` and so on set as well, and what is stored stays all or nothing.
  /// `DISCARD ALL`, and COMMIT inside a DO block or a procedure, are refused by PostgreSQL itself
  /// because a transaction is open.
  mutating func refusal() -> SQLRefusal? {
    skipToCommand()
    guard case .word(let first) = next() else { return nil }
    guard let command = command(first) else {
      kind = kind(first)
      if kind == .reads || word(first, is: "with") { kind = kindOfQuery() }
      return nil
    }
    switch command {
    case "PREPARE":
      return preparesTransaction() ? .transactionControl("PREPARE TRANSACTION") : nil
    case "COPY":
      return copiesOnServer() ? nil : .clientCopy
    default:
      return .transactionControl(command)
    }
  }

  /// The command that a statement's first word begins, of those that need a look. The first
  /// letter decides for most: no INSERT, UPDATE or WITH is compared with anything.
  private func command(_ first: Range<Int>) -> String? {
    switch sql[first.lowerBound] | 0x20 {
    case UInt8(ascii: "a"): word(first, is: "abort") ? "ABORT" : nil
    case UInt8(ascii: "b"): word(first, is: "begin") ? "BEGIN" : nil
    case UInt8(ascii: "c"):
      word(first, is: "commit") ? "COMMIT" : word(first, is: "copy") ? "COPY" : nil
    case UInt8(ascii: "e"): word(first, is: "end") ? "END" : nil
    case UInt8(ascii: "p"): word(first, is: "prepare") ? "PREPARE" : nil
    case UInt8(ascii: "r"):
      word(first, is: "rollback") ? "ROLLBACK" : word(first, is: "release") ? "RELEASE" : nil
    case UInt8(ascii: "s"):
      word(first, is: "savepoint") ? "SAVEPOINT" : word(first, is: "start") ? "START" : nil
    default: nil
    }
  }

  /// What the query, whose first word has been read, may do, however `standard_conforming_strings` is set: the more of
  /// the two.
  private mutating func kindOfQuery() -> SQLText.Kind {
    guard holdsBackslash else { return kindOfQuery(from: kind) }
    var other = self
    other.backslashEscapes = true
    return max(kindOfQuery(from: kind), other.kindOfQuery(from: kind))
  }

  private var holdsBackslash: Bool {
    for index in position..<sql.count where sql[index] == UInt8(ascii: "\\") { return true }
    return false
  }

  private func kind(_ first: Range<Int>) -> SQLText.Kind {
    switch sql[first.lowerBound] | 0x20 {
    case UInt8(ascii: "s"): word(first, is: "select") ? .reads : .other
    case UInt8(ascii: "i"):
      word(first, is: "insert") ? .changes : word(first, is: "import") ? .defines : .other
    case UInt8(ascii: "u"): word(first, is: "update") ? .changes : .other
    case UInt8(ascii: "d"):
      word(first, is: "delete")
        ? .changes : word(first, is: "drop") || word(first, is: "do") ? .defines : .other
    case UInt8(ascii: "c"):
      word(first, is: "create") || word(first, is: "call") ? .defines : .other
    case UInt8(ascii: "a"): word(first, is: "alter") ? .defines : .other
    case UInt8(ascii: "w"): word(first, is: "with") ? .changes : .other
    case UInt8(ascii: "m"): word(first, is: "merge") ? .changes : .other
    case UInt8(ascii: "v"): word(first, is: "values") ? .reads : .other
    case UInt8(ascii: "t"): word(first, is: "table") ? .reads : .other
    default: .other
    }
  }

  /// `PREPARE TRANSACTION '…'`. But `transaction` may also be a prepared statement's name:
  /// `PREPARE transaction AS …`, `PREPARE transaction (int) AS …`.
  private mutating func preparesTransaction() -> Bool {
    guard case .word(let name) = next(), word(name, is: "transaction") else { return false }
    switch next() {
    case .open: return false
    case .word(let following): return !word(following, is: "as")
    case .string, .parameter, .close, .dot, .other, .end: return true
    }
  }

  /// Whether a COPY, whose first word has been read, is to or from a file or program of the
  /// server, however `standard_conforming_strings` is set: a request's `settings` may set it.
  private mutating func copiesOnServer() -> Bool {
    var other = SQLScanner(sql)
    other.skipToCommand()
    _ = other.next()
    other.backslashEscapes = true
    return copyTargetIsString() && other.copyTargetIsString()
  }

  /// `COPY table [(columns)] FROM|TO target` or `COPY (query) TO target`, where the target is a
  /// string, `PROGRAM` and a string, or else `STDIN` or `STDOUT` (PostgreSQL takes either for
  /// either). A name after a dot may be any keyword, as in `COPY public.from FROM …`.
  private mutating func copyTargetIsString() -> Bool {
    var depth = 0
    var previous = Token.other
    while true {
      let token = next()
      switch token {
      case .open:
        depth += 1
      case .close:
        depth -= 1
        guard depth >= 0 else { return false }
      case .word(let name)
      where depth == 0 && previous != .dot && (word(name, is: "from") || word(name, is: "to")):
        let target = next()
        guard case .word(let program) = target, word(program, is: "program") else {
          return target == .string
        }
        return next() == .string
      case .end:
        return false
      case .word, .string, .parameter, .dot, .other:
        break
      }
      previous = token
    }
  }
}
