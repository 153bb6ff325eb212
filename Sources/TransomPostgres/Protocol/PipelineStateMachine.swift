/// Which result belongs to which command of a pipeline, and what an error aborts
/// (PostgreSQL manual, 34.5.1.3 "Error Handling").
///
/// Rules that libpq keeps, and this file with it:
/// 1. Every command yields one result and then an end marker; a sync yields one result and no marker.
/// 2. After an error every command up to the next sync yields "aborted". What the server finds only at the sync, where
///    it commits what ran outside of a transaction block, is an error and an end marker before the sync's own result.
/// 3. Rows that come one by one are results of their own, before the one that ends the command.
/// 4. A statement that is not prepared yet costs a command of its own before it. To our caller both are one:
///    if the first fails, the second, surely aborted, is not reported again.
struct PipelineStateMachine {
  /// What was sent and not answered yet.
  private enum Expected: Equatable {
    case prepare(statement: Int)
    case execute
    /// Its rows come one by one; `begun` once libpq was told.
    case executeByRow(begun: Bool)
    case sync
  }

  /// What libpq handed out, in its words.
  enum Received: Equatable {
    case success
    /// One row of a command whose rows come one by one.
    case row
    case error
    case aborted
    case sync
    /// The marker that ends a command's results.
    case end
  }

  /// What to do with it.
  enum Action: Equatable {
    /// Nothing; ask libpq for more.
    case none
    /// The command succeeded: hand the result out.
    case deliver
    /// The command failed: hand the error out.
    case fail
    /// What ran before the sync could not be committed: hand the error out.
    case failSync
    /// The command was skipped after an error.
    case skip
    /// The sync was reached: what was sent before is decided.
    case synced
    /// The statement is known to the server from now on.
    case prepared(Int)
    /// The server does not know the statement; if `failed`, the result is the error of the command.
    case notPrepared(Int, failed: Bool)
    /// Nothing in the protocol allows this here: the connection cannot be trusted any more.
    case outOfStep
  }

  private var expected: [Expected] = []
  private var head = 0
  /// The result of the first expected command has come, its end marker has not.
  private var awaitsEnd = false
  /// The command that comes next was reported with its prepare.
  private var isReported = false

  /// Whether nothing is on its way.
  var isIdle: Bool { head == expected.count }

  mutating func prepareSent(statement: Int) { expected.append(.prepare(statement: statement)) }

  mutating func executeSent() { expected.append(.execute) }

  mutating func executeByRowSent() { expected.append(.executeByRow(begun: false)) }

  /// Whether libpq is to be told now that the rows of the next results come one by one. True once for each command.
  mutating func beginsRows() -> Bool {
    guard head < expected.count, !awaitsEnd, case .executeByRow(begun: false) = expected[head]
    else { return false }
    expected[head] = .executeByRow(begun: true)
    return true
  }

  mutating func syncSent() { expected.append(.sync) }

  mutating func received(_ received: Received) -> Action {
    guard head < expected.count else { return .outOfStep }
    if awaitsEnd {
      guard received == .end else { return .outOfStep }
      awaitsEnd = false
      if expected[head] != .sync { advance() }
      return .none
    }
    switch (expected[head], received) {
    case (.sync, .sync):
      advance()
      return .synced
    case (.prepare(let statement), .success):
      awaitsEnd = true
      return .prepared(statement)
    case (.prepare(let statement), .error):
      awaitsEnd = true
      isReported = true
      return .notPrepared(statement, failed: true)
    case (.prepare(let statement), .aborted):
      awaitsEnd = true
      return .notPrepared(statement, failed: false)
    case (.executeByRow, .row):
      return .deliver
    case (.execute, .success), (.executeByRow, .success):
      awaitsEnd = true
      return .deliver
    case (.execute, .error), (.executeByRow, .error):
      awaitsEnd = true
      return .fail
    case (.execute, .aborted), (.executeByRow, .aborted):
      awaitsEnd = true
      return exchange(&isReported, with: false) ? .none : .skip
    case (.sync, .error):
      awaitsEnd = true
      return .failSync
    case (_, .row), (_, .end), (_, .sync), (.sync, .success), (.sync, .aborted):
      return .outOfStep
    }
  }

  private mutating func advance() {
    head += 1
    guard head == expected.count else { return }
    expected.removeAll(keepingCapacity: true)
    head = 0
  }
}
