package import TransomPostgres

/// A transaction as the list of commands that PostgreSQL gets if nothing fails.
///
/// Groups are flattened: `SAVEPOINT`, their items, `RELEASE`. Where each step came from is kept, for the
/// error's JSON Pointer and for finding the group that an error rolls back.
package final class TransactionPlan: Sendable {
  package enum Step: Equatable, Sendable {
    case begin
    /// Takes the Idempotency-Key: waits while another transaction has it, and fails if one has used it.
    case claim
    /// A query of nothing, which makes READ ONLY final: PostgreSQL lets `SET TRANSACTION READ WRITE` pass only
    /// before the first one.
    case snapshot
    case role
    case setting(Int)
    case statement(Int)
    /// A batch's statement once more, for the run of this number: the first run, 0, is `statement`.
    case rerun(Int, run: Int)
    case savepoint(group: Int)
    case release(group: Int)
    /// An event of `on_commit`.
    case emit(hook: Int)
    /// The event `transaction.committed`.
    case report
    /// Keeps the answer under the Idempotency-Key.
    case keep
    /// Fails if the transaction has an id, as every one has that writes: for who must store nothing. READ ONLY does not
    /// hold everything off. Before PostgreSQL 16, `RESET transaction_read_only` undoes it, and large objects are written
    /// all the same.
    case verify
    /// Asks for the transaction's id, by which its fate can be found out if the connection is lost at its end; where the
    /// last event does not tell it (`identifying`).
    case identify
    /// COMMIT, or ROLLBACK of a dry run; in an implicit transaction the sync.
    case end
  }

  /// Where an item stands: in a group (nil: at the top), as its how-manieth item.
  package struct Place: Equatable, Sendable {
    package var group: Int?
    package var index: Int
  }

  package struct Group: Equatable, Sendable {
    package var place: Place
    package var continuesOnError: Bool
    /// 1 for a group at the top.
    package var depth: Int
    /// The step after its RELEASE.
    package var next: Int
  }

  package struct Statement: Equatable, Sendable {
    package var place: Place
    package var id: String?
    package var sql: StatementText
    /// Of all its runs.
    package var parameters: Range<Int>
    /// Nil if it is no batch.
    package var runs: Int?
    package var references: [TransactionRequest.Reference]
    package var expectation: TransactionRequest.Expectation?
    /// Whether any of the parameters is a JSON array.
    package var hasArrays: Bool
    /// Whether there may be other types behind it.
    package var definesTypes: Bool

    /// The parameters of the run of this number.
    package func parameters(ofRun run: Int) -> Range<Int> {
      let count = parameters.count / (runs ?? 1)
      let first = parameters.lowerBound + run * count
      return first..<first + count
    }
  }

  package struct Hook: Equatable, Sendable {
    /// Its group, if it is one's, and its number in the list.
    package var place: Place
    package var event: String
    package var hasAddress: Bool
    package var parameters: Range<Int>
    package var template: TransactionRequest.Template?
    /// The statements that it may refer to: those before this number.
    package var statementsBefore: Int
  }

  package let steps: [Step]
  /// The step whose result holds the transaction's id, if one does: `identify`, or the insert of the last event.
  package let identifying: Int?
  package let statements: [Statement]
  package let groups: [Group]
  package let hooks: [Hook]
  /// Where the client has to look at what came back before it can go on: the first steps of pipelines, in order. That is
  /// before a statement with references, behind one with an expectation, and behind a batch of what is no query; and, where types are made or changed,
  /// between the results and what may change or take away their types (`CatalogueQuestions`).
  private let cuts: [Int]
  /// The statements that others may refer to, by the bytes of their id: names that Unicode takes for one are two.
  private let referable: [[UInt8]: Int]
  /// The parameters of the statements, the hooks, the role and the settings.
  package let parameters: ParameterList
  /// Which of them are JSON arrays, in their order.
  package let arrays: [Int]
  /// How the results are written if not as those of POST /transactions.
  package let neon: NeonForm?
  package let isDryRun: Bool
  package let isReadOnly: Bool
  /// Whether all statements see what the first one saw, the catalogue that a statement can ask included.
  package let keepsSnapshot: Bool
  /// Whether neither BEGIN nor COMMIT is sent: the server runs all commands up to a sync in one transaction of its own,
  /// and commits it at the sync (PostgreSQL manual, 55.2.3 "Extended Query"). That saves two commands of every
  /// transaction that only reads and changes rows.
  package let isImplicit: Bool
  /// Whether the transaction ends only when everything before has been answered: nothing
  /// is stored then before it is known how large the answer is.
  package let endsApart: Bool
  /// Whether a statement does more than read, or an event is emitted, and it stays.
  package let mayStore: Bool
  private let beginSQL: String
  private let settingNames: [String]
  /// Whether `settings` change the path, so that names may mean other tables than elsewhere.
  let setsSearchPath: Bool
  private let reportParameters: Range<Int>
  private let ownParameters: Int
  /// Whether the answer is kept under an Idempotency-Key.
  package let isIdempotent: Bool

  /// - Parameters:
  ///   - request: what is to be done.
  ///   - key: under which the answer is kept, if the transaction may store anything.
  ///   - lifetime: for how long.
  ///   - endsApart: whether the transaction ends only when everything before has been answered, and the answer been looked at.
  package init(
    _ request: borrowing TransactionRequest, key: IdempotencyKey? = nil, lifetime: Duration = .zero,
    endsApart: Bool = false
  ) {
    let key = request.readOnly || request.dryRun ? nil : key
    isIdempotent = key != nil
    neon = request.neon
    self.endsApart = endsApart || key != nil
    isDryRun = request.dryRun
    isReadOnly = request.readOnly
    keepsSnapshot = request.isolation == .repeatableRead || request.isolation == .serializable
    isImplicit = key == nil && !endsApart && request.mayRunImplicitly
    beginSQL = isImplicit ? "" : Self.beginSQL(request)
    settingNames = request.settings.map(\.name)
    setsSearchPath = settingNames.contains {
      $0.utf8.count == 11 && $0.lowercasedASCII == "search_path"
    }
    reportParameters = request.report?.parameters ?? 0..<0
    ownParameters = request.parameters.count + (key == nil ? 0 : Self.claimParameters)
    arrays = request.arrays
    // Its lists are moved, not copied.
    var outline = TransactionOutline(
      request, isImplicit: isImplicit, key, lifetime, endsApart: endsApart)
    identifying = outline.identifying
    steps = exchange(&outline.steps, with: [])
    mayStore = outline.storesSomething
    statements = exchange(&outline.statements, with: [])
    groups = exchange(&outline.groups, with: [])
    hooks = exchange(&outline.hooks, with: [])
    cuts = exchange(&outline.cuts, with: [])
    parameters = exchange(&outline.parameters, with: ParameterList())
    hasReferences = outline.hasReferences
    referable = exchange(&outline.referable, with: [:])
  }

  /// The steps that go out together from this one on: up to where a result has to be looked at.
  package func pipeline(from start: Int) -> Range<Int> {
    var (low, high) = (0, cuts.count)
    while low < high {
      let middle = (low + high) / 2
      if cuts[middle] <= start { low = middle + 1 } else { high = middle }
    }
    return start..<(low < cuts.count ? cuts[low] : steps.count)
  }

  /// The steps that go out with the commands that undo a group, `start` being the step behind it: none if that one needs
  /// a result, which is looked for when the group is undone.
  package func recovery(from start: Int) -> Range<Int> {
    needsResult(start) ? start..<start : pipeline(from: start)
  }

  private func needsResult(_ index: Int) -> Bool {
    switch steps[index] {
    case .keep: true
    // `verify` would have the end follow it at once.
    case .verify, .identify, .end: endsApart
    case .statement(let number): !statements[number].references.isEmpty
    case .emit(let number): hooks[number].template != nil
    default: false
    }
  }

  /// Which of these parameters are JSON arrays, in their order.
  package func arrays(in range: Range<Int>) -> ArraySlice<Int> {
    func first(notBelow index: Int) -> Int {
      var (low, high) = (0, arrays.count)
      while low < high {
        let middle = (low + high) / 2
        if arrays[middle] < index { low = middle + 1 } else { high = middle }
      }
      return low
    }
    return arrays[first(notBelow: range.lowerBound)..<first(notBelow: range.upperBound)]
  }

  /// Whether the transaction emits events if it is committed.
  package var emits: Bool { !hooks.isEmpty || !reportParameters.isEmpty }

  /// The statement before number `index` that has this id; nil if there is none, or if nobody refers to any.
  package func statement(withID id: String, before index: Int) -> Int? {
    referable[Array(id.utf8)].flatMap { $0 < index ? $0 : nil }
  }

  /// Whether a statement or a hook refers to results, be they there or not.
  package let hasReferences: Bool

  // MARK: SQL

  /// What is sent for a step. That of an implicit transaction's end is not.
  package enum Command: Equatable, Sendable {
    /// Transaction control, and what a client must not be able to replace: never prepared (`PostgresConnection.enqueueUnnamed`).
    case control(String)
    case statement(StatementText)
  }

  /// A step's command.
  package func command(of step: Step) -> Command {
    switch step {
    case .begin: .control(beginSQL)
    case .savepoint(let group): .control(Self.savepoints[groups[group].depth - 1].begin)
    case .release(let group): .control(releaseSQL(of: group))
    case .end: .control(isDryRun ? "ROLLBACK" : "COMMIT")
    case .statement(let index), .rerun(let index, _): .statement(statements[index].sql)
    // Never prepared: the client's SQL could put another statement into its place.
    case .verify: .control(Self.verifySQL)
    case .identify: .statement(OwnStatements.identify)
    case .claim: .statement(OwnStatements.claim)
    case .snapshot: .statement(OwnStatements.snapshot)
    case .role: .statement(OwnStatements.role)
    case .setting: .statement(OwnStatements.setting)
    case .emit(let hook):
      .statement(
        (hooks[hook].hasAddress ? OwnStatements.emitToAddress : OwnStatements.emit)
          .text(tellsID: tellsID(step)))
    case .report: .statement(OwnStatements.report.text(tellsID: tellsID(step)))
    case .keep: .statement(OwnStatements.keep)
    }
  }

  private static let verifySQL = """
    select (case when pg_catalog.pg_current_xact_id_if_assigned() is null then '1'
      else 'the transaction has written' end)::pg_catalog.int4
    """

  /// What the plan runs besides the client's statements.
  private enum OwnStatements {
    static let claim: StatementText = """
      insert into transom.idempotency_keys (key, fingerprint, expires_at)
      values ($1, $2, pg_catalog.now() operator(pg_catalog.+) $3::pg_catalog.interval)
      """
    static let snapshot: StatementText = "select"
    // As functions with parameters, not as SET: one prepared statement for all, and nothing to quote.
    static let role: StatementText = "select set_config('role', $1, true)"
    static let setting: StatementText = "select set_config($1, $2, true)"
    static let emit = Insert(
      "insert into transom.on_commit (id, event, data) values ($1, $2, $3)")
    static let emitToAddress = Insert(
      "insert into transom.on_commit (id, url, event, data) values ($1, $2, $3, $4)")
    static let report = Insert(
      """
      insert into transom.on_commit (id, event, data)
      values ($1, 'transaction.committed', pg_catalog.jsonb_build_object(
        'transaction_id', pg_catalog.pg_current_xact_id()::pg_catalog.text,
        'database', $2::pg_catalog.text, 'request_id', $3::pg_catalog.text,
        'statements', $4::pg_catalog.int4))
      """)
    static let keep: StatementText = "select transom.keep_answer($1, $2)"
    /// NULL where nothing has been written.
    static let identify: StatementText = "select pg_catalog.pg_current_xact_id_if_assigned()"
  }

  /// An insert of an event, which can tell the transaction's id beside: that takes no right to read anything.
  private struct Insert {
    let plain: StatementText
    let telling: StatementText

    init(_ sql: String) {
      plain = StatementText(sql)
      telling = StatementText(sql + " returning pg_catalog.pg_current_xact_id()")
    }

    func text(tellsID: Bool) -> StatementText { tellsID ? telling : plain }
  }

  /// Whether a step's result holds the transaction's id.
  func tellsID(_ step: Step) -> Bool { identifying.map { steps[$0] == step } ?? false }

  /// A group's RELEASE.
  package func releaseSQL(of group: Int) -> String {
    Self.savepoints[groups[group].depth - 1].release
  }

  /// The command that undoes what a group did.
  package func rollbackSQL(of group: Int) -> String {
    Self.savepoints[groups[group].depth - 1].rollback
  }

  /// A step's parameters, in `parameters`.
  package func parameters(of step: Step) -> Range<Int> {
    switch step {
    case .statement(let index): return statements[index].parameters(ofRun: 0)
    case .rerun(let index, let run): return statements[index].parameters(ofRun: run)
    case .claim: return ownParameters - Self.claimParameters..<ownParameters
    case .emit(let hook): return hooks[hook].parameters
    case .report: return reportParameters
    case .role: return ownParameters..<ownParameters + 1
    case .setting(let index):
      let last = parameters.count - 2 * (settingNames.count - 1 - index)
      return last - 2..<last
    // Those of `keep` are known when everything before it has been answered.
    case .begin, .snapshot, .savepoint, .release, .keep, .verify, .identify, .end: return 0..<0
    }
  }

  private static let claimParameters = 3

  /// The key in `parameters`, for who has an answer to keep.
  package var keyParameter: Int { ownParameters - Self.claimParameters }

  private static func beginSQL(_ request: borrowing TransactionRequest) -> String {
    var sql = "BEGIN"
    if let isolation = request.isolation { sql += " ISOLATION LEVEL \(isolation.sql)" }
    if request.readOnly { sql += " READ ONLY" }
    if request.deferrable { sql += " DEFERRABLE" }
    return sql
  }

  /// Savepoints are named by their depth: groups beside each other never exist at the same time.
  private static let savepoints: [(begin: String, release: String, rollback: String)] =
    (1...RequestDecoder.maximumGroupDepth).map { depth in
      (
        "SAVEPOINT transom_\(depth)", "RELEASE SAVEPOINT transom_\(depth)",
        "ROLLBACK TO SAVEPOINT transom_\(depth)"
      )
    }

  // MARK: Places

  /// The group that a step runs in; a group's own SAVEPOINT runs outside of it, its RELEASE inside.
  package func group(of step: Step) -> Int? {
    switch step {
    case .begin, .claim, .snapshot, .role, .setting, .report, .keep, .verify, .identify, .end: nil
    case .statement(let index), .rerun(let index, _): statements[index].place.group
    case .emit(let hook): hooks[hook].place.group
    case .savepoint(let group): groups[group].place.group
    case .release(let group): group
    }
  }

  /// The JSON Pointer of the part of the request that a step came from; nil for what is there in any transaction.
  package func pointer(of step: Step) -> String? {
    switch step {
    case .begin, .claim, .snapshot, .report, .keep, .verify, .identify, .end: nil
    case .role: "/role"
    case .setting(let index):
      JSONPointer().appending("settings").appending(settingNames[index]).description
    case .statement(let index): pointer(of: statements[index].place)
    case .rerun(let index, let run): pointer(of: statements[index].place) + "/batch/\(run)"
    case .emit(let hook): pointer(ofHookAt: hooks[hook].place)
    case .savepoint(let group), .release(let group): pointer(of: groups[group].place)
    }
  }

  /// The JSON Pointer of what failed; of a batch that the server refused that is the run, be it the first one.
  package func pointer(of failure: PlanStateMachine.Failure) -> String? {
    guard let step = failure.step, let pointer = pointer(of: step) else { return nil }
    guard case .statement(let index) = step, failure.error != nil, statements[index].runs != nil
    else { return pointer }
    return pointer + "/batch/0"
  }

  private func pointer(ofHookAt place: Place) -> String {
    (place.group.map { pointer(of: groups[$0].place) } ?? "") + "/on_commit/\(place.index)"
  }

  private func pointer(of place: Place) -> String {
    guard let group = place.group else { return "/statements/\(place.index)" }
    return pointer(of: groups[group].place) + "/savepoint/\(place.index)"
  }
}
