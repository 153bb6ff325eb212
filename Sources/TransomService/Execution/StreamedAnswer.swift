internal import TransomEventLoop
internal import TransomHTTP
internal import TransomPostgres

/// Where a transaction's answer goes while the transaction runs.
package struct AnswerStream: Sendable {
  let stream: ResponseStream
  /// How the answer begins if it is long enough to be sent before the transaction has ended.
  let head: Response

  init(_ stream: ResponseStream, head: Response) {
    self.stream = stream
    self.head = head
  }
}

/// The answer of one attempt that is passed on line by line.
///
/// Up to 64 KiB are kept back: if the transaction has ended by then, its answer is one like any other, with a status
/// that tells how, and a transaction that failed can be run again. After that there is no way back.
///
/// Rows cannot wait until the catalogue was asked about their types, as results do that are written as a whole
/// (`CatalogueQuestions`). So each statement is described right before it runs, unless the connection knows its columns,
/// and types that are not built in are looked up in the transaction, once, and again behind a statement that may have
/// changed them.
struct StreamedAnswer {
  /// Lines are passed on in parts of this size, in octets.
  private static let partSize = 64 << 10
  /// How much may be received for one part, at least: a row that is larger than this and the limit is refused.
  private static let leastBudget = 1 << 20

  private let target: AnswerStream
  private let plan: TransactionPlan
  private let limit: Int
  private let queued: Duration
  private let began = MonotonicInstant.now
  /// Which rows are kept, by the statements that others refer to.
  private let selections: [Int: KeptResult.Selection]
  private var lines: LineWriter
  /// Whether the head is on its way: what fails now is told by the last line, and nothing is run again.
  private(set) var hasBegun = false
  /// The statement whose columns have been written, and whose end has not.
  private var open: Int?
  /// By statement: the types of its columns.
  private var described: [Int: [OID]] = [:]
  /// The types that were looked up and have not been changed by the transaction since.
  private var lookedUp: Set<UInt32> = []

  init(
    to target: AnswerStream, of plan: TransactionPlan, rows: ResultWriter.RowShape, limit: Int,
    queued: Duration
  ) {
    self.target = target
    self.plan = plan
    self.limit = limit
    self.queued = queued
    lines = LineWriter(rows: rows)
    selections = plan.referredRows
  }

  var isEmpty: Bool { lines.count == 0 }
  var isFull: Bool { lines.count >= Self.partSize }

  /// How much may be received before the next part is passed on.
  var receiveBudget: Int { max(limit, Self.leastBudget) }

  /// Whether a row, or what is kept for references, is larger than what may be in memory as a whole.
  private(set) var holdsTooMuch = false

  // MARK: The client

  /// Passes on what there is, and waits until the client's socket has taken it. False: it takes no more.
  mutating func passOn(encoding: Duration) async -> Bool {
    let part = lines.take()
    if !hasBegun {
      hasBegun = true
      var head = target.head
      head.fields.append(
        TransactionAnswer.Timing(queue: queued, execute: .now - began, encode: encoding))
      await target.stream.begin(head)
    }
    return await target.stream.send(part)
  }

  /// Nobody waits for the rows any more.
  mutating func mute() { lines.mute() }

  /// Ends the answer of a transaction that has ended as it should have.
  ///
  /// - Returns: what has not been passed on of it.
  mutating func finish(events: [UInt8]) -> [UInt8] {
    lines.events(events)
    lines.status(isDryRun: plan.isDryRun)
    return lines.take()
  }

  // MARK: Results

  /// A row has come.
  mutating func row(
    _ result: borrowing PGResultHandle, of statement: Int, _ types: TypeTable, trustsJSON: Bool
  ) {
    lines.trustsJSON = trustsJSON
    if open != statement { begin(result, of: statement, types) }
    let start = lines.count
    lines.beginRow()
    for column in 0..<result.columnCount {
      let value = result.value(row: 0, column: column)
      if value.isEmpty, result.isNull(row: 0, column: column) {
        lines.null()
      } else {
        lines.value(value)
      }
    }
    lines.endRow()
    if lines.count - start > receiveBudget || lines.kept.map({ $0.size > limit }) == true {
      holdsTooMuch = true
    }
  }

  private mutating func begin(
    _ result: borrowing PGResultHandle, of statement: Int, _ types: TypeTable
  ) {
    open = statement
    lines.beginColumns()
    for column in 0..<result.columnCount {
      lines.column(
        name: result.columnName(column), type: types[result.columnType(column).rawValue])
    }
    lines.endColumns(id: plan.statements[statement].id, keeping: selections[statement])
  }

  /// A command succeeded, and all of its rows have come. What others may need of it goes into `writer`.
  mutating func write(
    _ effect: PlanStateMachine.Effect, _ result: borrowing PGResultHandle,
    keepingIn writer: inout ResultWriter, _ types: TypeTable
  ) {
    switch effect {
    case .none, .claimed, .identified: break
    case .emitted: writer.write(effect, result, of: plan, types)
    case .groupBegan:
      writer.beginGroup()
      lines.beginGroup()
    case .groupReleased:
      writer.endGroup()
      lines.endGroup()
    case .result(let statement):
      end(result, of: statement, rowCount: result.affectedRows, keepingIn: &writer, types)
    case .run(let statement, _, let isLast, let rowCount):
      if isLast {
        end(result, of: statement, rowCount: rowCount, keepingIn: &writer, types)
      } else if result.returnsRows, open != statement {
        begin(result, of: statement, types)
      }
    }
  }

  private mutating func end(
    _ result: borrowing PGResultHandle, of statement: Int, rowCount: Int,
    keepingIn writer: inout ResultWriter, _ types: TypeTable
  ) {
    if result.returnsRows, open != statement { begin(result, of: statement, types) }
    open = nil
    let document = lines.result(
      id: plan.statements[statement].id, command: result.command, rowCount: rowCount,
      isReferable: selections[statement] != nil)
    if let document { writer.keep(document, as: statement) }
  }

  /// The group at `depth` was rolled back.
  mutating func failGroup(depth: Int, problem: Problem) {
    open = nil
    lines.failGroup(depth: depth, problem: problem)
  }

  // MARK: Types

  /// What has to be asked before a statement can be sent; nil: nothing, it is sent now.
  mutating func question(
    before statement: Int, on connection: isolated PostgresConnection
  ) -> CatalogueQuestions.Question? {
    let sql = plan.statements[statement].sql
    guard let types = described[statement] ?? connection.columnTypes(of: sql) else {
      return .description(statement: statement)
    }
    let own = types.map(\.rawValue).filter { !TypeTable.isBuiltIn($0) }
    let unknown = Set(own).subtracting(lookedUp)
    guard unknown.isEmpty else { return .lookUp(unknown) }
    if plan.statements[statement].definesTypes { lookedUp = [] }
    return nil
  }

  mutating func described(
    _ statement: Int, _ result: borrowing PGResultHandle,
    on connection: isolated PostgresConnection
  ) {
    let types = result.columnTypes
    connection.note(columnTypes: types, of: plan.statements[statement].sql)
    described[statement] = types
  }

  mutating func lookedUp(_ types: Set<UInt32>) { lookedUp.formUnion(types) }
}

extension TransactionPlan {
  /// The rows that references lead to, by the statement that returns them.
  fileprivate var referredRows: [Int: KeptResult.Selection] {
    guard hasReferences else { return [:] }
    var rows: [Int: KeptResult.Selection] = [:]
    func add(_ references: [TransactionRequest.Reference], before number: Int) {
      for reference in references {
        guard let target = statement(withID: reference.id, before: number) else { continue }
        rows[target, default: .rows([])].formUnion(
          KeptResult.Selection(tokens: reference.tokens))
      }
    }
    for (number, statement) in statements.enumerated() {
      add(statement.references, before: number)
    }
    for hook in hooks { add(hook.template?.references ?? [], before: hook.statementsBefore) }
    return rows
  }
}
