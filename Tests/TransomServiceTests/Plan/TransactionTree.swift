import TestSupport
import TransomPostgres
import TransomService

/// A transaction for tests: what is asked for, and what goes wrong in it.
struct TransactionTree: Sendable {
  indirect enum Item: Sendable {
    case statement(Statement, Int)
    case group(Group)
  }

  enum Statement: String, Sendable, CaseIterable {
    /// Stores its number, and returns it.
    case store = "insert into t values ($1) returning n"
    /// Stores what COMMIT refuses.
    case poison = "insert into child values ($1)"
    case divide = "select $1 / 0"
    case violate = "insert into t values (-1 - $1::int)"
    case babble = "selec $1"

    /// The SQLSTATE that it fails with; nil if it does not.
    var failure: SQLState? {
      switch self {
      case .store, .poison: nil
      case .divide: "22012"
      case .violate: "23514"
      case .babble: "42601"
      }
    }
  }

  struct Group: Sendable {
    /// Groups are counted in the order in which they begin.
    var number: Int
    var items: [Item]
    var continues: Bool
    var fault: GroupFault?
  }

  /// Which command of a group fails. No real server's does so easily.
  enum GroupFault: Sendable, CaseIterable {
    case savepoint
    case release
    case rollback
    case releaseAfterRollback
  }

  enum Fault: Sendable, CaseIterable {
    case begin
    case role
    case setting
    case commit
    /// COMMIT is answered with ROLLBACK.
    case commitUndone
  }

  var items: [Item] = []
  var isDryRun = false
  var fault: Fault?
  /// The failure, counted from 0, after which there is nothing to go on for: the time is over.
  var lastFailure: Int?

  /// Whether it is to be run without BEGIN and COMMIT: nothing but statements that read or change rows.
  var isImplicit: Bool {
    !isDryRun && !items.isEmpty && fault != .role && fault != .setting
      && items.allSatisfy { item in
        if case .statement(let statement, _) = item { statement != .babble } else { false }
      }
  }

  /// What the items of a tree need.
  static let schema = """
    create table t (n int check (n > 0));
    create table parent (n int primary key);
    create table child (n int references parent deferrable initially deferred)
    """
}

extension TransactionTree {
  /// The request as a client would send it.
  func request() throws -> TransactionRequest {
    var request = TransactionRequest()
    request.dryRun = isDryRun
    if fault == .role { request.role = "somebody" }
    if fault == .setting { request.settings = [.init(name: "a.b", value: "c")] }
    request.items = try items.map { try Self.item($0, &request.parameters) }
    return request
  }

  private static func item(
    _ item: Item, _ parameters: inout ParameterList
  ) throws -> TransactionRequest.Item {
    switch item {
    case .statement(let statement, let number):
      let first = parameters.count
      parameters.append(String(number).utf8)
      return .statement(
        .init(
          id: "s\(number)", sql: try SQLText(statement.rawValue),
          parameters: first..<first + 1))
    case .group(let group):
      return .group(
        .init(
          items: try group.items.map { try Self.item($0, &parameters) },
          onError: group.continues ? .continue : .rollback))
    }
  }

  /// The faults of its groups, by the group's number.
  var groupFaults: [Int: GroupFault] {
    var faults: [Int: GroupFault] = [:]
    func visit(_ items: [Item]) {
      for case .group(let group) in items {
        faults[group.number] = group.fault
        visit(group.items)
      }
    }
    visit(items)
    return faults
  }
}

extension TransactionTree: CustomStringConvertible {
  /// On one line: `{ }` is a group that continues, `( )` one that does not.
  var description: String {
    var text = Self.text(items)
    if isDryRun { text += ", dry run" }
    if let fault { text += ", \(fault) fails" }
    if let lastFailure { text += ", over at failure \(lastFailure)" }
    return text
  }

  private static func text(_ items: [Item]) -> String {
    items.map { item in
      switch item {
      case .statement(.store, let number): return "\(number)"
      case .statement(let statement, let number): return "\(number):\(statement)"
      case .group(let group):
        let fault = group.fault.map { " \($0) fails" } ?? ""
        let inner = text(group.items)
        return (group.continues ? "{ \(inner) }" : "( \(inner) )") + fault
      }
    }.joined(separator: " ")
  }
}

/// Draws transactions by lot.
struct TreeGenerator {
  private var random: SeededGenerator
  /// Whether commands of Transom's own fail, too, which takes a simulated server.
  private let hasFaults: Bool
  /// Never begins anew: each statement has a number of its own.
  private var statements = 0
  private var groups = 0

  init(seed: UInt64, hasFaults: Bool) {
    random = SeededGenerator(seed: seed)
    self.hasFaults = hasFaults
  }

  mutating func next() -> TransactionTree {
    groups = 0
    var tree = TransactionTree()
    tree.isDryRun = chance(8)
    // How often a statement fails: never in some, often in others.
    let failures = [0, 4, 12, 30].randomElement(using: &random) ?? 0
    tree.items = items(failures, depth: 0, deepest: chance(3) ? 64 : 4)
    guard hasFaults else { return tree }
    if chance(10) { tree.fault = TransactionTree.Fault.allCases.randomElement(using: &random) }
    // Without BEGIN and COMMIT they cannot fail.
    if tree.isImplicit, tree.fault == .begin || tree.fault == .commitUndone { tree.fault = nil }
    if chance(10) { tree.lastFailure = Int.random(in: 0...2, using: &random) }
    return tree
  }

  private mutating func chance(_ percent: Int) -> Bool {
    Int.random(in: 0..<100, using: &random) < percent
  }

  private mutating func items(
    _ failures: Int, depth: Int, deepest: Int
  ) -> [TransactionTree.Item] {
    // A deep one is narrow, so that it does not become a large one.
    let count = deepest > 4 && depth > 1 ? 1...2 : 0...5
    return (0..<Int.random(in: count, using: &random)).map { index in
      let isGroup = deepest > 4 && depth > 1 ? index == 0 : chance(35)
      guard isGroup, depth < deepest else { return statement(failures) }
      var group = TransactionTree.Group(number: groups, items: [], continues: chance(55))
      groups += 1
      if hasFaults, chance(6) {
        group.fault = TransactionTree.GroupFault.allCases.randomElement(using: &random)
      }
      group.items = items(failures, depth: depth + 1, deepest: deepest)
      return .group(group)
    }
  }

  private mutating func statement(_ failures: Int) -> TransactionTree.Item {
    statements += 1
    if chance(failures) {
      let failing = TransactionTree.Statement.allCases.filter { $0.failure != nil }
      return .statement(failing.randomElement(using: &random) ?? .divide, statements)
    }
    return .statement(chance(2) ? .poison : .store, statements)
  }
}
