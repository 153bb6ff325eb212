internal import TransomPostgres

/// A reference that leads to nothing, in words.
struct UnresolvedReference: Error {
  var reason: String
}

/// Finds the values that a statement's `refs` take out of earlier results.
///
/// A result is read as it stands in the answer, so that a reference means what a client sees there.
struct ReferenceResolver {
  private let plan: TransactionPlan

  init(_ plan: TransactionPlan) { self.plan = plan }

  /// One parameter.
  private struct Value {
    var list: ParameterList
    var isArray: Bool
  }

  /// A statement's parameters, of all runs, with what its references lead to in place of those that they give.
  func parameters(
    of index: Int, from writer: borrowing ResultWriter
  ) throws(UnresolvedReference) -> StatementParameters.Values {
    let statement = plan.statements[index]
    var found: [Int: Value] = [:]
    let planned = statement.hasArrays ? Set(plan.arrays) : []
    for reference in statement.references {
      found[reference.parameter] = try value(of: reference, before: index, writer)
    }
    var values = StatementParameters.Values(list: ParameterList(), arrays: [])
    for run in 0..<(statement.runs ?? 1) {
      for (position, own) in statement.parameters(ofRun: run).enumerated() {
        let value = found[position]
        if value?.isArray ?? planned.contains(own) { values.arrays.append(values.list.count) }
        values.list.append(value?.list ?? plan.parameters, at: value == nil ? own : 0)
      }
    }
    return values
  }

  private func value(
    of reference: TransactionRequest.Reference, before index: Int,
    _ writer: borrowing ResultWriter
  ) throws(UnresolvedReference) -> Value {
    guard let target = plan.statement(withID: reference.id, before: index) else {
      throw failure(reference, "no earlier statement has the id \"\(reference.id)\"")
    }
    guard let result = writer.keptResult(target) else {
      throw failure(reference, "the group of the statement \"\(reference.id)\" was rolled back")
    }
    var reader = JSONReader()
    guard (try? reader.read(result.span, depth: RequestDecoder.maximumJSONDepth)) != nil else {
      throw failure(reference, "the result holds JSON that is nested too deeply")
    }
    var node = reader.root
    for token in reference.tokens {
      guard let next = Self.child(token, of: node, in: reader) else {
        throw failure(reference, "the result has no \"\(token)\" there")
      }
      node = next
    }
    guard !reader.holdsNUL(node) else {
      throw failure(reference, "PostgreSQL's text cannot hold U+0000")
    }
    var parameter = ParameterList()
    if reader.kind(of: node) == .null {
      parameter.appendNull()
    } else {
      parameter.append { $0.append(copying: reader.span(node)) }
    }
    return Value(list: parameter, isArray: reader.kind(of: node) == .array)
  }

  private func failure(
    _ reference: TransactionRequest.Reference, _ reason: String
  ) -> UnresolvedReference {
    UnresolvedReference(
      reason:
        "The reference of $\(reference.parameter + 1), \(reference.text), cannot be resolved: \(reason)."
    )
  }

  /// What a token of a JSON Pointer leads to (RFC 6901, section 4); nil if that is nothing.
  private static func child(
    _ token: String, of node: JSONNode, in reader: borrowing JSONReader
  ) -> JSONNode? {
    var children = reader.children(of: node)
    switch reader.kind(of: node) {
    case .object:
      while let key = reader.next(&children), let value = reader.next(&children) {
        if reader.string(key) == token { return value }
      }
      return nil
    case .array:
      guard let index = Int(token), String(index) == token, index >= 0 else { return nil }
      var position = 0
      while let element = reader.next(&children) {
        if position == index { return element }
        position += 1
      }
      return nil
    case .null, .true, .false, .number, .string:
      return nil
    }
  }
}
