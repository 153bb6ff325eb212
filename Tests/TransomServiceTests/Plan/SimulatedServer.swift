import TransomPostgres

/// As much of PostgreSQL as a transaction sees: pipelines that an error aborts up to the sync
/// (PostgreSQL manual, 55.2.4 "Pipelining"), and transactions with savepoints.
struct SimulatedServer {
  enum Answer: Equatable {
    case success(isCommit: Bool)
    case failed(SQLState)
    case skipped
  }

  /// What goes wrong with a command, whatever it is.
  enum Fault {
    case refused
    /// COMMIT does as ROLLBACK does.
    case undone
  }

  private enum Status {
    case idle
    case open
    case failed
    /// A transaction of the server's own, up to the sync.
    case implicit
  }

  private struct Rows {
    var numbers: [Int] = []
    var poison: [Int] = []
  }

  /// What is stored.
  private(set) var committed: [Int] = []
  private(set) var hasCommitted = false
  private var status = Status.idle
  private var rows = Rows()
  private var savepoints: [(name: Substring, rows: Rows)] = []
  private var skips = false

  var isIdle: Bool { status == .idle }

  /// Ends a pipeline; gives the error of what it commits.
  mutating func sync(fault: Fault? = nil) -> SQLState? {
    skips = false
    guard status == .implicit else { return nil }
    guard case .failed(let state) = end(true, fault) else { return nil }
    return state
  }

  mutating func execute(_ sql: String, _ number: Int?, fault: Fault?) -> Answer {
    guard !skips else { return .skipped }
    let answer = run(sql, number, fault)
    if case .failed = answer {
      skips = true
      switch status {
      case .open: status = .failed
      case .implicit:
        status = .idle
        rows = Rows()
      case .idle, .failed: break
      }
    }
    return answer
  }

  private mutating func run(_ sql: String, _ number: Int?, _ fault: Fault?) -> Answer {
    if sql == "COMMIT" || sql == "ROLLBACK" { return end(sql == "COMMIT", fault) }
    if let name = sql.suffix(after: "ROLLBACK TO SAVEPOINT ") { return rollBack(to: name, fault) }
    guard status != .failed else { return .failed("25P02") }
    if fault == .refused { return .failed(TransactionModel.faultState) }
    if sql.hasPrefix("BEGIN") {
      guard status == .idle else { return .failed("25001") }
      status = .open
      return .success(isCommit: false)
    }
    if status == .idle { status = .implicit }
    if status == .implicit, sql.contains("SAVEPOINT") { return .failed("25P01") }
    if let name = sql.suffix(after: "RELEASE SAVEPOINT ") { return release(name) }
    if let name = sql.suffix(after: "SAVEPOINT ") {
      savepoints.append((name, rows))
      return .success(isCommit: false)
    }
    return runStatement(sql, number)
  }

  private mutating func runStatement(_ sql: String, _ number: Int?) -> Answer {
    guard let statement = TransactionTree.Statement(rawValue: sql), let number else {
      return sql.hasPrefix("select") ? .success(isCommit: false) : .failed("42601")
    }
    if let state = statement.failure { return .failed(state) }
    if statement == .poison { rows.poison.append(number) } else { rows.numbers.append(number) }
    return .success(isCommit: false)
  }

  private mutating func end(_ commits: Bool, _ fault: Fault?) -> Answer {
    guard status != .idle else { return .success(isCommit: commits) }
    defer {
      status = .idle
      rows = Rows()
      savepoints = []
    }
    if fault == .refused { return .failed(TransactionModel.faultState) }
    guard commits, status != .failed, fault != .undone else { return .success(isCommit: false) }
    guard rows.poison.isEmpty else { return .failed("23503") }
    committed += rows.numbers
    hasCommitted = true
    return .success(isCommit: true)
  }

  private mutating func rollBack(to name: Substring, _ fault: Fault?) -> Answer {
    guard status != .idle else { return .failed("25P01") }
    guard fault == nil else { return .failed(TransactionModel.faultState) }
    guard let index = savepoints.lastIndex(where: { $0.name == name }) else {
      return .failed("3B001")
    }
    rows = savepoints[index].rows
    savepoints.removeSubrange((index + 1)...)
    status = .open
    return .success(isCommit: false)
  }

  private mutating func release(_ name: Substring) -> Answer {
    guard let index = savepoints.lastIndex(where: { $0.name == name }) else {
      return .failed("3B001")
    }
    savepoints.removeSubrange(index...)
    return .success(isCommit: false)
  }
}

extension String {
  fileprivate func suffix(after prefix: String) -> Substring? {
    hasPrefix(prefix) ? dropFirst(prefix.count) : nil
  }
}
