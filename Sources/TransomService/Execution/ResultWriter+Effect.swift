internal import TransomPostgres

extension ResultWriter {
  /// Writes what a command's success means for the answer.
  mutating func write(
    _ effect: PlanStateMachine.Effect, _ result: borrowing PGResultHandle,
    of plan: TransactionPlan, _ types: TypeTable
  ) {
    switch effect {
    case .none, .claimed, .identified: break
    case .emitted(let hook):
      let hook = plan.hooks[hook]
      guard let id = plan.parameters.range(at: hook.parameters.lowerBound) else { return }
      let texts = plan.parameters.bytes
      event(hook.event, id: texts.span.extracting(id))
    case .groupBegan: beginGroup()
    case .groupReleased: endGroup()
    case .result(let index):
      if let form = plan.neon { return write(result, as: form, query: index) }
      begin(result, rowCount: result.affectedRows, id: plan.statements[index].id, types)
      writeRows(result)
      end(index, of: plan)
    case .run(let index, let isFirst, let isLast, let rowCount):
      if isFirst { begin(result, rowCount: rowCount, id: plan.statements[index].id, types) }
      // One that has others is known for one: `TransactionRun.noteColumns`.
      if takesRows(of: result.columnCount) { writeRows(result) }
      guard isLast else { return }
      replaceRowCount(with: rowCount)
      end(index, of: plan)
    }
  }

  private mutating func begin(
    _ result: borrowing PGResultHandle, rowCount: Int, id: String?, _ types: TypeTable
  ) {
    beginStatement(id: id, command: result.command, rowCount: rowCount)
    guard result.returnsRows else { return }
    for column in 0..<result.columnCount {
      self.column(
        name: result.columnName(column), type: types[result.columnType(column).rawValue])
    }
    beginRows()
  }

  mutating func writeRows(_ result: borrowing PGResultHandle) {
    guard result.returnsRows else { return }
    let columns = result.columnCount
    for row in 0..<result.rowCount {
      beginRow()
      for column in 0..<columns {
        let value = result.value(row: row, column: column)
        if value.isEmpty, result.isNull(row: row, column: column) {
          null()
        } else {
          self.value(value)
        }
      }
      endRow()
    }
  }

  private mutating func end(_ index: Int, of plan: TransactionPlan) {
    endStatement()
    if plan.hasReferences, plan.statements[index].id != nil { keepLastResult(as: index) }
  }
}
