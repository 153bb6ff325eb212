internal import TransomPostgres

/// The lists of a plan, while they are made.
struct TransactionOutline: ~Copyable {
  var steps: [TransactionPlan.Step] = []
  var statements: [TransactionPlan.Statement] = []
  var groups: [TransactionPlan.Group] = []
  var hooks: [TransactionPlan.Hook] = []
  var cuts: [Int] = []
  var referable: [[UInt8]: Int] = [:]
  var parameters: ParameterList
  /// The parameters that are arrays, of the statements that are still to come.
  private var arrays: ArraySlice<Int>
  private(set) var hasReferences = false
  /// Whether a statement does more than read.
  private var mayStore = false
  /// Whether the transaction may leave something behind that is not a function's of the client's own.
  private(set) var storesSomething = false
  /// Whether a statement may have made types, or changed some.
  private var definesTypes = false
  /// The step whose result holds the transaction's id.
  private(set) var identifying: Int?
  /// Whether a statement since the last cut may have had a result.
  private var awaitsResults = false

  init(
    _ request: borrowing TransactionRequest, isImplicit: Bool, _ key: IdempotencyKey?,
    _ lifetime: Duration, endsApart: Bool
  ) {
    parameters = request.parameters
    arrays = request.arrays[...]
    steps.reserveCapacity(request.items.count + 3)
    statements.reserveCapacity(request.items.count)
    if !isImplicit { steps.append(.begin) }
    // Before the role, which need not be allowed to.
    if let key { claim(key, lifetime) }
    if request.readOnly { steps.append(.snapshot) }
    // The role comes first, so that it is the one whose right to each setting counts.
    if let role = request.role {
      parameters.append(role.utf8)
      steps.append(.role)
    }
    for (index, setting) in request.settings.enumerated() {
      parameters.append(setting.name.utf8)
      parameters.append(setting.value.utf8)
      steps.append(.setting(index))
    }
    append(request.items, in: nil, depth: 0)
    // What a dry run has made is gone then, and so is a temporary table ON COMMIT DROP.
    if definesTypes, awaitsResults { cut() }
    append(request.hooks, in: nil)
    if request.report != nil { steps.append(.report) }
    if endsApart { cut() }
    storesSomething =
      (mayStore || !hooks.isEmpty || request.report != nil) && !request.readOnly && !request.dryRun
    if key != nil {
      cut()
      steps.append(.keep)
    } else if storesSomething {
      // With a key, what became of the transaction is found out by the key.
      identify(endsApart: endsApart)
    }
    if request.storesNothing, !request.dryRun { steps.append(.verify) }
    steps.append(.end)
    guard hasReferences else { return }
    for (index, statement) in statements.enumerated() {
      if let id = statement.id { referable[Array(id.utf8)] = index }
    }
  }

  /// The insert of the last event can tell the id: a command less, while all that the transaction has locked is locked.
  private mutating func identify(endsApart: Bool) {
    let isTold =
      switch steps.last {
      case .emit, .report: !endsApart
      default: false
      }
    if !isTold { steps.append(.identify) }
    identifying = steps.count - 1
  }

  private mutating func append(_ items: [TransactionRequest.Item], in group: Int?, depth: Int) {
    for (index, item) in items.enumerated() {
      let place = TransactionPlan.Place(group: group, index: index)
      switch item {
      case .statement(let statement):
        append(statement, at: place)
      case .group(let nested):
        let number = groups.count
        steps.append(.savepoint(group: number))
        groups.append(
          TransactionPlan.Group(
            place: place, continuesOnError: nested.onError == .continue, depth: depth + 1, next: 0))
        append(nested.items, in: number, depth: depth + 1)
        append(nested.hooks, in: number)
        steps.append(.release(group: number))
        groups[number].next = steps.count
      }
    }
  }
}

extension TransactionOutline {
  private mutating func append(
    _ statement: TransactionRequest.Statement, at place: TransactionPlan.Place
  ) {
    let number = statements.count
    if statement.sql.kind != .reads { mayStore = true }
    if !statement.references.isEmpty {
      hasReferences = true
      cut()
    }
    if statement.sql.kind == .defines {
      // A result is written with its types as they were.
      if awaitsResults { cut() }
      definesTypes = true
    } else {
      awaitsResults = true
    }
    steps.append(.statement(number))
    for run in 1..<max(1, statement.runs ?? 1) { steps.append(.rerun(number, run: run)) }
    // What is no query, such as EXECUTE, can have other columns each time: that is to be known before it is committed.
    let mayDiffer = statement.runs ?? 1 > 1 && !statement.sql.isQuery
    // A group that fails takes with it what it has made.
    if statement.expectation != nil || mayDiffer
      || (definesTypes && awaitsResults && place.group != nil)
    {
      cut()
    }
    statements.append(
      TransactionPlan.Statement(
        place: place, id: statement.id, sql: statement.sql.statement,
        parameters: statement.parameters,
        runs: statement.runs, references: statement.references,
        expectation: statement.expectation, hasArrays: takeArrays(of: statement),
        definesTypes: statement.sql.kind == .defines))
  }

  private mutating func takeArrays(of statement: TransactionRequest.Statement) -> Bool {
    guard !arrays.isEmpty else { return false }
    let own = arrays.prefix { $0 < statement.parameters.upperBound }
    arrays = arrays.dropFirst(own.count)
    return !own.isEmpty
  }

  private mutating func claim(_ key: IdempotencyKey, _ lifetime: Duration) {
    parameters.append(key.name.utf8)
    parameters.append { key.appendFingerprint(to: &$0) }
    parameters.append("\(lifetime.components.seconds) s".utf8)
    steps.append(.claim)
  }

  private mutating func append(_ list: [TransactionRequest.Hook], in group: Int?) {
    var isCut = false
    for (index, hook) in list.enumerated() {
      if hook.template != nil {
        hasReferences = true
        // The others behind it need no more than it does.
        if !isCut { cut() }
        isCut = true
      }
      steps.append(.emit(hook: hooks.count))
      hooks.append(
        TransactionPlan.Hook(
          place: TransactionPlan.Place(group: group, index: index), event: hook.event,
          hasAddress: hook.hasAddress, parameters: hook.parameters, template: hook.template,
          statementsBefore: statements.count))
    }
  }

  /// What comes next waits for what came before.
  private mutating func cut() {
    if !steps.isEmpty, cuts.last != steps.count { cuts.append(steps.count) }
    awaitsResults = false
  }
}

extension TransactionRequest {
  /// Whether the transaction is no other without BEGIN and COMMIT: no property of its own, no savepoint, and at least
  /// one statement, all of which only read and change rows, and of whose results nothing depends.
  var mayRunImplicitly: Bool {
    guard isolation == nil, !readOnly, !deferrable, !dryRun, role == nil, settings.isEmpty,
      !items.isEmpty, hooks.allSatisfy({ $0.template == nil })
    else { return false }
    return items.allSatisfy { item in
      switch item {
      case .statement(let statement):
        statement.sql.isQuery && statement.references.isEmpty && statement.expectation == nil
      case .group: false
      }
    }
  }
}
