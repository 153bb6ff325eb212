internal import TransomPostgres

/// What cannot be written yet: a result whose types the catalogue has to be asked about, and all that came behind it.
struct PendingResults {
  private enum Entry {
    case result(PlanStateMachine.Effect, ResultStorage, trustsJSON: Bool)
    case groupFailed(depth: Int, Problem)
  }

  private var entries: [Entry] = []
  /// The types that it takes, apart from what these are made of.
  private(set) var types: Set<UInt32> = []

  var isEmpty: Bool { entries.isEmpty }

  mutating func append(
    _ effect: PlanStateMachine.Effect, _ result: consuming PGResultHandle, _ types: [OID],
    trustsJSON: Bool
  ) {
    for type in types { self.types.insert(type.rawValue) }
    entries.append(.result(effect, ResultStorage(result), trustsJSON: trustsJSON))
  }

  mutating func appendFailure(ofGroupAt depth: Int, _ problem: Problem) {
    entries.append(.groupFailed(depth: depth, problem))
  }

  /// Writes everything, in the order in which it came.
  mutating func write(to writer: inout ResultWriter, of plan: TransactionPlan, _ types: TypeTable) {
    for entry in exchange(&entries, with: []) {
      switch entry {
      case .result(let effect, let result, let trustsJSON):
        writer.trustsJSON = trustsJSON
        writer.write(effect, result.handle, of: plan, types)
      case .groupFailed(let depth, let problem):
        writer.failGroup(depth: depth, problem: problem)
      }
    }
    self.types = []
  }
}

extension PGResultHandle {
  var columnTypes: [OID] { (0..<columnCount).map { columnType($0) } }

  /// Whether it has rows of columns of these types; nil: no rows.
  func hasColumns(of types: [OID]?) -> Bool {
    let hasRows = returnsRows || status == .singleTuple
    guard let types else { return !hasRows }
    return hasRows && columnCount == types.count
      && types.indices.allSatisfy { columnType($0) == types[$0] }
  }

  /// The types of its columns that are not built in.
  var catalogueTypes: [OID] {
    guard returnsRows else { return [] }
    var types: [OID] = []
    for column in 0..<columnCount {
      let type = columnType(column)
      if !TypeTable.isBuiltIn(type.rawValue), !types.contains(type) { types.append(type) }
    }
    return types
  }
}
