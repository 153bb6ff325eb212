import TransomPostgres

/// What the wire contract says of a transaction, said as simply as possible: a recursive walk that
/// knows nothing of pipelines.
struct TransactionModel {
  /// What the answer must hold.
  indirect enum Result: Equatable {
    case statement(Int)
    case released([Result])
    case rolledBack(at: String?, SQLState, [Result])
  }

  enum Outcome: Equatable {
    case committed
    case dryRun
    case rolledBack(at: String?, SQLState)
    case commitRefused
    case undoneSilently
  }

  /// The failure of an item, on its way outwards.
  private struct Failure: Error {
    var pointer: String?
    var state: SQLState
    /// No group holds it up.
    var isFatal = false
  }

  private(set) var outcome = Outcome.committed
  private(set) var stored: [Int] = []
  private(set) var results: [Result] = []
  /// How often client and server wait for each other.
  private(set) var roundTrips = 1

  private let tree: TransactionTree
  private var poison: [Int] = []
  private var failures = 0

  /// The code of whatever the simulated server is told to fail with.
  static let faultState: SQLState = "XX000"
  private static let fault = faultState

  init(_ tree: TransactionTree) {
    self.tree = tree
    do {
      try begin()
      var results: [Result] = []
      try run(tree.items, in: "/statements", into: &results)
      self.results = results
      end()
    } catch {
      stored = []
      // ROLLBACK.
      if !tree.isImplicit { roundTrips += 1 }
      outcome = .rolledBack(at: error.pointer, error.state)
    }
  }

  private func begin() throws(Failure) {
    switch tree.fault {
    case .begin: throw Failure(pointer: nil, state: Self.fault)
    case .role: throw Failure(pointer: "/role", state: Self.fault)
    case .setting: throw Failure(pointer: "/settings/a.b", state: Self.fault)
    case .commit, .commitUndone, nil: break
    }
  }

  private mutating func end() {
    if tree.isDryRun {
      outcome = tree.fault == .commit ? .rolledBack(at: nil, Self.fault) : .dryRun
    } else if tree.fault == .commitUndone {
      outcome = .undoneSilently
    } else if tree.fault == .commit || !poison.isEmpty {
      outcome = .commitRefused
    }
    if outcome != .committed { stored = [] }
  }

  private mutating func run(
    _ items: [TransactionTree.Item], in path: String, into results: inout [Result]
  ) throws(Failure) {
    for (index, item) in items.enumerated() {
      let pointer = "\(path)/\(index)"
      switch item {
      case .statement(let statement, let number):
        if let state = statement.failure { throw Failure(pointer: pointer, state: state) }
        if statement == .poison { poison.append(number) } else { stored.append(number) }
        results.append(.statement(number))
      case .group(let group):
        results.append(try run(group, at: pointer))
      }
    }
  }

  private mutating func run(
    _ group: TransactionTree.Group, at pointer: String
  ) throws(Failure) -> Result {
    if group.fault == .savepoint { throw Failure(pointer: pointer, state: Self.fault) }
    let before = (stored, poison)
    var results: [Result] = []
    do throws(Failure) {
      try run(group.items, in: pointer + "/savepoint", into: &results)
      if group.fault == .release { throw Failure(pointer: pointer, state: Self.fault) }
      return .released(results)
    } catch {
      guard group.continues, !error.isFatal else { throw error }
      try recover(from: error, of: group)
      (stored, poison) = before
      return .rolledBack(at: error.pointer, error.state, results)
    }
  }

  private mutating func recover(
    from failure: Failure, of group: TransactionTree.Group
  ) throws(Failure) {
    defer { failures += 1 }
    if failures == tree.lastFailure {
      var fatal = failure
      fatal.isFatal = true
      throw fatal
    }
    roundTrips += 1
    if group.fault == .rollback || group.fault == .releaseAfterRollback {
      throw Failure(pointer: nil, state: Self.fault, isFatal: true)
    }
  }
}
