internal import TransomPostgres

/// Decodes the body of POST /transactions, and checks all that can be checked before it runs.
///
/// What the wire contract leaves open is decided here:
/// - `statements` is required, and may be empty: an empty transaction. So may a group be.
/// - null is no value of any field; a field that has none is left out.
/// - `settings` takes numbers and booleans as their text.
/// - A reference may stand in for a parameter that is not given, at the end of `params`; one that is given must be null.
/// - A batch has one run at least, and the same number of parameters in each.
/// - `data` of a hook is an object, and empty if it is left out. A reference of a hook fills a member that is null or not
///   there yet, or an element that is null.
/// - A read-only transaction has no hooks: they are stored with what it writes.
/// - An array among the parameters stays JSON text here, as an object does: what the server wants instead is known later.
package struct RequestDecoder: ~Copyable {
  /// How deep groups may stand inside one another.
  package static let maximumGroupDepth = 64
  /// How deep arrays and objects may: two for each group, and ample for a parameter.
  package static let maximumJSONDepth = 512
  /// The wire protocol counts a statement's parameters in 16 bits.
  package static let maximumParameters = 65_535

  var request = TransactionRequest()
  var ids: Set<[UInt8]> = []
  /// The first list of hooks that is not empty.
  var firstHooks: JSONNode?
  let hookRules: HookRules
  let known: KnownStatements

  private init(_ hookRules: HookRules, _ known: KnownStatements) {
    self.hookRules = hookRules
    self.known = known
  }

  /// Decodes one body.
  package static func decode(
    _ body: Span<UInt8>, with json: inout JSONReader, hooks: HookRules = .none,
    known: KnownStatements = KnownStatements()
  ) throws(RequestError) -> TransactionRequest {
    do {
      try json.read(body, depth: maximumJSONDepth)
    } catch {
      throw RequestError(error)
    }
    var decoder = RequestDecoder(hooks, known)
    try decoder.decodeDocument(json)
    // Moved, not copied.
    return exchange(&decoder.request, with: TransactionRequest())
  }

  private mutating func decodeDocument(_ json: borrowing JSONReader) throws(RequestError) {
    try json.expect(.object, json.root)
    var seen: UInt32 = 0
    var children = json.children(of: json.root)
    while let key = json.next(&children), let value = json.next(&children) {
      guard let field = DocumentField(key, in: json) else {
        throw unknownField(key, json, allowed: "allowed are \(DocumentField.list)")
      }
      try json.note(field, key, in: &seen)
      try decode(field, value, json)
    }
    guard seen & DocumentField.statements.bit != 0 else {
      throw json.error(.invalidRequest, at: json.root, "\"statements\" is missing")
    }
    if let firstHooks { try checkHooks(firstHooks, json) }
  }

  private mutating func decode(
    _ field: DocumentField, _ value: JSONNode, _ json: borrowing JSONReader
  ) throws(RequestError) {
    switch field {
    case .database: request.database = try json.name(value)
    case .isolation: request.isolation = try json.choice(value, of: IsolationLevel.self)
    case .readOnly: request.readOnly = try json.boolean(value)
    case .deferrable: request.deferrable = try json.boolean(value)
    case .dryRun: request.dryRun = try json.boolean(value)
    case .timeout:
      request.timeoutMilliseconds = try json.integer(value, in: 1...Int(Int32.max))
    case .maxAttempts: request.maxAttempts = try json.integer(value, in: 1...100)
    case .role: request.role = try json.name(value)
    case .settings: request.settings = try settings(value, json)
    case .rowFormat:
      request.rowFormat = try json.choice(value, of: TransactionRequest.RowFormat.self)
    case .statements: request.items = try items(value, json, depth: 0)
    case .onCommit: request.hooks = try hooks(value, json)
    }
  }

  private func settings(
    _ node: JSONNode, _ json: borrowing JSONReader
  ) throws(RequestError) -> [TransactionRequest.Setting] {
    try json.expect(.object, node)
    var settings: [TransactionRequest.Setting] = []
    var names: Set<String> = []
    var children = json.children(of: node)
    while let key = json.next(&children), let value = json.next(&children) {
      let name = try json.checkedName(key)
      guard names.insert(name).inserted else {
        throw json.error(.invalidRequest, at: key, "occurs twice in the same object")
      }
      switch json.kind(of: value) {
      case .string, .number, .true, .false: break
      case let kind:
        throw json.error(
          .invalidRequest, at: value, "must be a string, a number or a boolean, not \(kind)")
      }
      guard !json.holdsNUL(value) else {
        throw json.error(.invalidRequest, at: value, "must not hold U+0000")
      }
      settings.append(TransactionRequest.Setting(name: name, value: json.string(value)))
    }
    return settings
  }

  func unknownField(
    _ key: JSONNode, _ json: borrowing JSONReader, allowed: String
  ) -> RequestError {
    json.error(.unknownField, at: key, "there is no such field; \(allowed)")
  }
}

extension RequestDecoder {
  private mutating func items(
    _ list: JSONNode, _ json: borrowing JSONReader, depth: Int
  ) throws(RequestError) -> [TransactionRequest.Item] {
    try json.expect(.array, list)
    guard depth <= Self.maximumGroupDepth else {
      throw json.error(
        .tooDeep, at: list, "savepoint groups nest to depth \(Self.maximumGroupDepth)")
    }
    var items: [TransactionRequest.Item] = []
    items.reserveCapacity(json.count(of: list))
    var children = json.children(of: list)
    while let node = json.next(&children) {
      items.append(try item(node, json, depth: depth))
    }
    return items
  }

  private mutating func item(
    _ node: JSONNode, _ json: borrowing JSONReader, depth: Int
  ) throws(RequestError) -> TransactionRequest.Item {
    try json.expect(.object, node)
    var fields = ItemFields()
    var seen: UInt32 = 0
    var children = json.children(of: node)
    while let key = json.next(&children), let value = json.next(&children) {
      guard let field = ItemField(key, in: json) else {
        throw unknownField(key, json, allowed: ItemFields.allowed)
      }
      try json.note(field, key, in: &seen)
      fields[field] = value
    }
    switch (fields.sql, fields.savepoint) {
    case (let sql?, nil):
      return .statement(try statement(sql, fields, json))
    case (nil, let savepoint?):
      return .group(try group(savepoint, fields, json, depth: depth))
    case (nil, nil):
      throw json.error(.invalidRequest, at: node, "needs either \"sql\" or \"savepoint\"")
    case (_?, _?):
      throw json.error(.invalidRequest, at: node, "has both \"sql\" and \"savepoint\"")
    }
  }

  private mutating func group(
    _ savepoint: JSONNode, _ fields: ItemFields, _ json: borrowing JSONReader, depth: Int
  ) throws(RequestError) -> TransactionRequest.Group {
    if let misplaced = fields.params ?? fields.batch ?? fields.refs ?? fields.expect ?? fields.id {
      throw unknownField(misplaced, json, allowed: ItemFields.allowed)
    }
    var group = TransactionRequest.Group(items: [])
    if let onError = fields.onError {
      group.onError = try json.choice(onError, of: TransactionRequest.OnError.self)
    }
    group.items = try items(savepoint, json, depth: depth + 1)
    if let list = fields.onCommit { group.hooks = try hooks(list, json) }
    return group
  }
}
