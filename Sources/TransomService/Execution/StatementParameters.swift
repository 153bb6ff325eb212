internal import TransomPostgres

/// The parameters of those statements that do not run with the plan's own: because values come out of results, or
/// because arrays get the form that the server wants.
///
/// What form that is, the server's inferred type tells. It is asked for when a statement is used with an array for the
/// first time on a connection, by describing the prepared statement, which is one round trip more; from then on
/// the connection remembers. The statement is described at its place in the transaction: what came before may have made
/// its table, or the path on which that is found. What kind a type is never changes, so that nothing has to be
/// looked up again.
struct StatementParameters {
  /// Values, and which of them are JSON arrays.
  struct Values {
    var list: ParameterList
    var arrays: [Int]
  }

  /// What stands between a statement and its parameters.
  enum Hindrance: Error {
    /// The types are to be asked for.
    case undescribed
    /// These types are to be looked up.
    case unknown(Set<UInt32>)
    case flaw(InvalidParameter)
  }

  private let plan: TransactionPlan
  /// By statement: its types as the server told them in this run; empty if it would not.
  private var described: [Int: [OID]] = [:]
  private var own: [Int: ParameterList] = [:]
  /// Types that were looked up: those that are still not known do not exist.
  private var lookedUp: Set<UInt32> = []

  init(_ plan: TransactionPlan) { self.plan = plan }

  /// Whether every statement runs with the plan's own parameters.
  var isEmpty: Bool { own.isEmpty }

  /// A statement's own parameters, of all its runs; nil if it has those of the plan.
  subscript(statement: Int) -> ParameterList? { own[statement] }

  mutating func resolved(_ values: Values, of statement: Int) { own[statement] = values.list }

  mutating func described(_ statement: Int, _ types: [OID]) { described[statement] = types }

  mutating func lookedUp(_ types: Set<UInt32>) { lookedUp.formUnion(types) }

  /// Gives the arrays of a statement their form, unless that has been done. `values` were found for its references.
  mutating func encode(
    _ statement: Int, _ values: Values?, _ types: TypeTable,
    on connection: isolated PostgresConnection
  ) throws(Hindrance) {
    guard values != nil || own[statement] == nil else { return }
    let sql = plan.statements[statement].sql
    guard let inferred = described[statement] ?? connection.parameterTypes(of: sql) else {
      throw .undescribed
    }
    let unknown = inferred.map(\.rawValue).filter { !types.knows($0) && !lookedUp.contains($0) }
    guard unknown.isEmpty else { throw .unknown(Set(unknown)) }
    let forms = inferred.map { ArrayForm(types[$0.rawValue].encoding) }
    own[statement] = try encode(statement, values ?? planned(statement), forms)
  }

  private func planned(_ statement: Int) -> Values {
    let range = plan.statements[statement].parameters
    var values = Values(list: ParameterList(), arrays: [])
    for index in range { values.list.append(plan.parameters, at: index) }
    values.arrays = plan.arrays(in: range).map { $0 - range.lowerBound }
    return values
  }

  private func encode(
    _ statement: Int, _ values: Values, _ forms: [ArrayForm]
  ) throws(Hindrance) -> ParameterList {
    let count = plan.statements[statement].parameters(ofRun: 0).count
    var encoded = ParameterList()
    var arrays = values.arrays[...]
    for index in 0..<values.list.count {
      guard arrays.first == index, let json = values.list.range(at: index) else {
        encoded.append(values.list, at: index)
        continue
      }
      arrays.removeFirst()
      // The server says itself that it wants fewer parameters.
      let form = forms.indices.contains(index % count) ? forms[index % count] : .json
      var text: [UInt8] = []
      do throws(ArrayLiteral.Flaw) {
        try ArrayLiteral.append(values.list.bytes.span.extracting(json), as: form, to: &text)
      } catch {
        throw .flaw(invalid(index % count, ofRun: index / count, of: statement, error))
      }
      encoded.append(text)
    }
    return encoded
  }

  private func invalid(
    _ parameter: Int, ofRun run: Int, of number: Int, _ flaw: ArrayLiteral.Flaw
  ) -> InvalidParameter {
    let statement = plan.statements[number]
    var pointer = JSONPointer()
    var reason = "$\(parameter + 1) wants a PostgreSQL array, but its value is none: \(flaw.reason)"
    if statement.references.contains(where: { $0.parameter == parameter }) {
      pointer = pointer.appending("refs").appending(parameter + 1)
      reason += " (at \(flaw.path.reduce(JSONPointer()) { $0.appending($1) }) in the value)"
    } else {
      pointer = pointer.appending(statement.runs == nil ? "params" : "batch")
      if statement.runs != nil { pointer.append(run) }
      pointer.append(parameter)
      for index in flaw.path { pointer.append(index) }
    }
    return InvalidParameter(pointer: pointer.description, reason: reason)
  }
}
