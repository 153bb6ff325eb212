internal import TransomPostgres

/// A reference that leads to nothing, in words.
struct UnresolvedReference: Error {
  var reason: String
  /// Which of the first commands of a pipeline has it.
  var index = 0
}

/// The parameters of the hooks that a pipeline begins with, in place of those of the plan.
struct ResolvedParameters {
  var list = ParameterList()
  /// Which are whose.
  var ranges: [Range<Int>] = []
}

/// Finds the values that a statement's `refs` take out of earlier results.
///
/// A result is read as it stands in the answer, so that a reference means what a client sees there.
struct ReferenceResolver {
  private let plan: TransactionPlan
  /// How large the parameters may become, in bytes: a value stands there once for each reference to it, and each run.
  private let limit: Int
  /// The results that have been read: many references to one read it once.
  private var results: [Int: ReadResult] = [:]
  private var keptBytes = 0
  private var readBytes = 0
  /// How many elements and members have been passed on the way to values.
  private var passed = 0

  private final class ReadResult {
    let reader: JSONReader
    /// Where the last reference into an array has led: the next one mostly leads further.
    var last: (array: JSONNode, position: Int, children: JSONChildren)?

    init(_ reader: consuming JSONReader) { self.reader = reader }
  }

  /// How much of results stays read, in bytes.
  private static let keptLimit = 8 << 20
  /// How much of results is read at most, in bytes: references to larger ones in turn read them again and again.
  private static let readLimit = 256 << 20
  /// How many elements and members are passed at most: it is all done on the event loop.
  private static let passedLimit = 50_000_000
  private static let largestLimit = 1 << 30

  /// `responseLimit` is that of the answer: no more than that has to be in memory twice.
  init(_ plan: TransactionPlan, responseLimit: Int) {
    self.plan = plan
    limit = min(responseLimit + plan.parameters.bytes.count, Self.largestLimit)
  }

  /// One parameter.
  private struct Value {
    var list: ParameterList
    var isArray: Bool
  }

  /// The parameters of the hooks that stand together at the first of these steps.
  mutating func parameters(
    ofHooks steps: Range<Int>, from writer: borrowing ResultWriter
  ) throws(UnresolvedReference) -> ResolvedParameters {
    var parameters = ResolvedParameters()
    for step in plan.steps[steps] {
      guard case .emit(let number) = step else { break }
      let hook = plan.hooks[number]
      let first = parameters.list.count
      for index in hook.template == nil ? hook.parameters : hook.parameters.dropLast() {
        parameters.list.append(plan.parameters, at: index)
      }
      if let template = hook.template {
        do throws(UnresolvedReference) {
          let text = try fill(template, before: hook.statementsBefore, from: writer)
          try check(parameters.list.bytes.count + text.count)
          parameters.list.append(text)
        } catch {
          throw UnresolvedReference(reason: error.reason, index: parameters.ranges.count)
        }
      }
      parameters.ranges.append(first..<parameters.list.count)
    }
    return parameters
  }

  /// The template's JSON, with the values that its references lead to.
  private mutating func fill(
    _ template: TransactionRequest.Template, before index: Int, from writer: borrowing ResultWriter
  ) throws(UnresolvedReference) -> [UInt8] {
    var json = JSONWriter(bytes: template.pieces[0])
    for (hole, reference) in template.references.enumerated() {
      let name = "in data, \(template.places[hole])"
      let (node, result) = try value(of: reference, named: name, before: index, writer)
      json.json(node, result.reader)
      json.bytes += template.pieces[hole + 1]
      guard json.bytes.count <= EventData.maximumLength else {
        throw UnresolvedReference(
          reason: "With what its references lead to, the event's data are larger than 1 MiB.")
      }
    }
    return json.bytes
  }

  /// A statement's parameters, of all runs, with what its references lead to in place of those that they give.
  mutating func parameters(
    of index: Int, from writer: borrowing ResultWriter
  ) throws(UnresolvedReference) -> StatementParameters.Values {
    let statement = plan.statements[index]
    var found: [Int: Value] = [:]
    var size = 0
    for reference in statement.references {
      let name = "of $\(reference.parameter + 1)"
      let (node, result) = try value(of: reference, named: name, before: index, writer)
      let kind = result.reader.kind(of: node)
      var parameter = ParameterList()
      if kind == .null {
        parameter.appendNull()
      } else {
        size += result.reader.size(of: node)
        try check(size)
        parameter.append { result.reader.append(node, to: &$0) }
      }
      found[reference.parameter] = Value(list: parameter, isArray: kind == .array)
    }
    var values = StatementParameters.Values(list: ParameterList(), arrays: [])
    var planned = plan.arrays(in: statement.parameters)
    for run in 0..<(statement.runs ?? 1) {
      for (position, own) in statement.parameters(ofRun: run).enumerated() {
        let isPlanned = planned.first == own
        if isPlanned { planned.removeFirst() }
        let value = found[position]
        if value?.isArray ?? isPlanned { values.arrays.append(values.list.count) }
        if let value { try check(values.list.bytes.count + value.list.bytes.count) }
        values.list.append(value?.list ?? plan.parameters, at: value == nil ? own : 0)
      }
    }
    return values
  }

  private func check(_ size: Int) throws(UnresolvedReference) {
    guard size <= limit else {
      throw UnresolvedReference(
        reason: "With what the references lead to, the parameters are larger than \(limit) bytes.")
    }
  }

  /// The value that a reference leads to.
  private mutating func value(
    of reference: TransactionRequest.Reference, named name: String, before index: Int,
    _ writer: borrowing ResultWriter
  ) throws(UnresolvedReference) -> (JSONNode, in: ReadResult) {
    func failure(_ reason: String) -> UnresolvedReference {
      UnresolvedReference(
        reason: "The reference \(name), \(reference.text), cannot be resolved: \(reason).")
    }
    guard let target = plan.statement(withID: reference.id, before: index) else {
      throw failure("no earlier statement has the id \"\(reference.id)\"")
    }
    let result: ReadResult
    if let known = results[target] {
      result = known
    } else {
      guard let text = writer.keptResult(target) else {
        throw failure("the group of the statement \"\(reference.id)\" was rolled back")
      }
      readBytes += text.count
      guard readBytes <= Self.readLimit else {
        throw failure("the references lead to too many large results in turn")
      }
      var reader = JSONReader()
      do throws(JSONError) {
        try reader.read(text.span, depth: RequestDecoder.maximumJSONDepth)
      } catch {
        throw failure("the result holds JSON that cannot be read: \(error.message)")
      }
      result = ReadResult(reader)
      keep(result, of: target, text.count)
    }
    var node = result.reader.root
    for token in reference.tokens {
      guard let next = child(token, of: node, in: result) else {
        throw failure("the result has no \"\(token)\" there")
      }
      guard passed <= Self.passedLimit else {
        throw failure("the references pass too many values on their way")
      }
      node = next
    }
    guard !result.reader.holdsNUL(node) else {
      throw failure("PostgreSQL's text cannot hold U+0000")
    }
    return (node, result)
  }

  private mutating func keep(_ result: ReadResult, of target: Int, _ size: Int) {
    if keptBytes + size > Self.keptLimit {
      results.removeAll()
      keptBytes = 0
    }
    results[target] = result
    keptBytes += size
  }

  /// What a token of a JSON Pointer leads to (RFC 6901, section 4); nil if that is nothing.
  private mutating func child(
    _ token: String, of node: JSONNode, in result: ReadResult
  ) -> JSONNode? {
    switch result.reader.kind(of: node) {
    case .object:
      var children = result.reader.children(of: node)
      // Of two of a name the last, as PostgreSQL and clients take it: json, unlike jsonb, keeps both.
      var found: JSONNode?
      while let key = result.reader.next(&children), let value = result.reader.next(&children) {
        passed += 1
        if result.reader.text(of: key, equals: token) { found = value }
      }
      return found
    case .array:
      guard let index = Int(token), String(index) == token, index >= 0 else { return nil }
      return element(index, of: node, in: result)
    case .null, .true, .false, .number, .string:
      return nil
    }
  }

  private mutating func element(
    _ index: Int, of array: JSONNode, in result: ReadResult
  ) -> JSONNode? {
    var (position, children) = (0, result.reader.children(of: array))
    if let last = result.last, last.array == array, last.position <= index {
      (position, children) = (last.position, last.children)
    }
    while true {
      let here = children
      guard let element = result.reader.next(&children) else { return nil }
      guard position < index else {
        result.last = (array, position, here)
        return element
      }
      position += 1
      passed += 1
    }
  }
}
