internal import TransomPostgres

// One statement: its SQL, its parameters, and where they come from.
extension RequestDecoder {
  mutating func statement(
    _ sql: JSONNode, _ fields: ItemFields, _ json: borrowing JSONReader
  ) throws(RequestError) -> TransactionRequest.Statement {
    if let misplaced = fields.onError ?? fields.onCommit {
      throw unknownField(misplaced, json, allowed: ItemFields.allowed)
    }
    let id = try fields.id.map { node throws(RequestError) in try self.id(node, json) }
    let text = try known.sql(sql, json)
    let references = try fields.refs.map { refs throws(RequestError) in
      try self.references(refs, json)
    }
    let first = request.parameters.count
    var runs: Int?
    if let batch = fields.batch {
      if let params = fields.params {
        throw json.error(.invalidRequest, at: params, "a statement has either params or batch")
      }
      runs = try decodeBatch(batch, of: text, references ?? [], json)
    } else {
      try decodeParameters(fields.params, references ?? [], json)
      let count = request.parameters.count - first
      try checkCount(of: text, count, fields.params ?? sql, json)
    }
    let expectation = try fields.expect.map { expect throws(RequestError) in
      try self.expectation(expect, json)
    }
    // As a whole, at the end: one that is completed step by step is copied.
    return TransactionRequest.Statement(
      id: id, sql: text, parameters: first..<request.parameters.count, runs: runs,
      references: references ?? [], expectation: expectation)
  }

  private mutating func id(
    _ node: JSONNode, _ json: borrowing JSONReader
  ) throws(RequestError) -> String {
    try json.expect(.string, node)
    let id = json.string(node)
    guard ids.insert(Array(id.utf8)).inserted else {
      throw json.error(.invalidRequest, at: node, "another statement has this id")
    }
    return id
  }

  // MARK: Parameters

  private func checkCount(
    of sql: SQLText, _ count: Int, _ node: JSONNode, _ json: borrowing JSONReader
  ) throws(RequestError) {
    guard let needed = sql.parameterCount(otherThan: count) else { return }
    throw json.error(
      .invalidParameter, at: node, "the statement takes \(needed) parameters, not \(count)")
  }

  /// Appends one run's parameters: those of the list, and NULL for what references add.
  private mutating func decodeParameters(
    _ list: JSONNode?, _ references: [TransactionRequest.Reference],
    _ json: borrowing JSONReader
  ) throws(RequestError) {
    var count = 0
    if let list {
      try json.expect(.array, list)
      count = json.count(of: list)
      guard count <= Self.maximumParameters else {
        throw json.error(
          .invalidParameter, at: list,
          "a statement has at most \(Self.maximumParameters) parameters, not \(count)")
      }
      if request.parameters.count == 0 {
        request.parameters.reserveCapacity(parameters: 16, octets: 240)
      }
      try decodeValues(list, references, json)
    }
    // In the order of the parameters.
    for reference in references where reference.parameter >= count {
      guard reference.parameter == count else {
        throw json.error(
          .invalidParameter, at: list ?? json.root,
          "there is a reference for $\(reference.parameter + 1), but nothing for $\(count + 1)")
      }
      request.parameters.appendNull()
      count += 1
    }
  }

  private mutating func decodeValues(
    _ list: JSONNode, _ references: [TransactionRequest.Reference],
    _ json: borrowing JSONReader
  ) throws(RequestError) {
    var children = json.children(of: list)
    var position = 0
    var left = references[...]
    while let value = json.next(&children) {
      defer { position += 1 }
      let isReferred = left.first?.parameter == position
      if isReferred { left.removeFirst() }
      let kind = json.kind(of: value)
      guard kind != .null else {
        request.parameters.appendNull()
        continue
      }
      guard !isReferred else {
        throw json.error(
          .invalidParameter, at: value, "must be null, as a reference gives the value")
      }
      try json.refuseNUL(value)
      if kind == .array { request.arrays.append(request.parameters.count) }
      request.parameters.append { $0.append(copying: json.span(value)) }
    }
  }

  /// Appends the parameters of all runs, and returns how many these are.
  private mutating func decodeBatch(
    _ list: JSONNode, of sql: SQLText, _ references: [TransactionRequest.Reference],
    _ json: borrowing JSONReader
  ) throws(RequestError) -> Int {
    try json.expect(.array, list)
    guard json.count(of: list) > 0 else {
      throw json.error(.invalidRequest, at: list, "must hold the parameters of one run at least")
    }
    var runs = 0
    var count = 0
    var children = json.children(of: list)
    while let run = json.next(&children) {
      let start = request.parameters.count
      try json.expect(.array, run)
      try decodeParameters(run, references, json)
      let own = request.parameters.count - start
      if runs == 0 {
        count = own
        try checkCount(of: sql, count, run, json)
      }
      guard own == count else {
        throw json.error(
          .invalidParameter, at: run, "has \(own) parameters, but the first run has \(count)")
      }
      runs += 1
    }
    return runs
  }

  // MARK: References and expectations

  /// In the order of the parameters.
  private func references(
    _ object: JSONNode, _ json: borrowing JSONReader
  ) throws(RequestError) -> [TransactionRequest.Reference] {
    try json.expect(.object, object)
    var references: [TransactionRequest.Reference] = []
    var parameters: Set<Int> = []
    var children = json.children(of: object)
    while let key = json.next(&children), let value = json.next(&children) {
      let name = json.string(key)
      guard let number = Int(name), String(number) == name, 1...Self.maximumParameters ~= number
      else {
        throw json.error(
          .invalidRequest, at: key, "must be the number of a parameter, such as 1 for $1")
      }
      guard parameters.insert(number).inserted else {
        throw json.error(.invalidRequest, at: key, "occurs twice in the same object")
      }
      references.append(try json.reference(value, parameter: number - 1))
    }
    return references.sorted { $0.parameter < $1.parameter }
  }

  private func expectation(
    _ object: JSONNode, _ json: borrowing JSONReader
  ) throws(RequestError) -> TransactionRequest.Expectation {
    try json.expect(.object, object)
    var (exact, minimum, maximum): (Int?, Int?, Int?)
    var seen: UInt32 = 0
    var children = json.children(of: object)
    while let key = json.next(&children), let value = json.next(&children) {
      guard let field = ExpectationField(key, in: json) else {
        throw unknownField(key, json, allowed: "allowed are \(ExpectationField.list)")
      }
      try json.note(field, key, in: &seen)
      let number = try json.integer(value, in: 0...Int(Int32.max))
      switch field {
      case .rowCount: exact = number
      case .min: minimum = number
      case .max: maximum = number
      }
    }
    switch (exact, minimum, maximum) {
    case (let exact?, nil, nil):
      return TransactionRequest.Expectation(minimum: exact, maximum: exact)
    case (nil, _?, _), (nil, nil, _?):
      guard minimum ?? 0 <= maximum ?? .max else {
        throw json.error(.invalidRequest, at: object, "min is greater than max")
      }
      return TransactionRequest.Expectation(minimum: minimum ?? 0, maximum: maximum)
    default:
      throw json.error(.invalidRequest, at: object, "needs either row_count, or min, max or both")
    }
  }
}

extension JSONReader {
  /// A pointer to a value of an earlier statement's result.
  func reference(
    _ node: JSONNode, parameter: Int
  ) throws(RequestError) -> TransactionRequest.Reference {
    try expect(.string, node)
    let text = string(node)
    guard let tokens = JSONPointer.tokens(of: text), let id = tokens.first else {
      throw error(
        .invalidRequest, at: node,
        "must be a JSON Pointer (RFC 6901) that begins with a statement's id")
    }
    return TransactionRequest.Reference(
      parameter: parameter, id: id, tokens: Array(tokens.dropFirst()), text: text)
  }
}
