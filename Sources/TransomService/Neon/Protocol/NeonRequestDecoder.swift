internal import TransomPostgres

/// Decodes the body of POST /sql: one query, `{"query", "params"}`, or a batch of them, `{"queries": […]}`.
///
/// Fields that it does not know are passed over, as Neon's service does, so that another version of the driver works, too.
/// How many parameters a query takes PostgreSQL says itself, in the words that the driver's users know.
package struct NeonRequestDecoder {
  private var request = TransactionRequest()
  private var arrays: [Bool] = []
  private let options: NeonOptions
  private let known: KnownStatements

  /// Decodes one body; the transaction is one for the database of this alias.
  package static func decode(
    _ body: Span<UInt8>, with json: inout JSONReader, _ options: NeonOptions, database: String,
    known: KnownStatements
  ) throws(RequestError) -> TransactionRequest {
    do {
      try json.read(body, depth: RequestDecoder.maximumJSONDepth)
    } catch {
      throw RequestError(error)
    }
    var decoder = NeonRequestDecoder(options: options, known: known)
    decoder.request.database = database
    try decoder.decodeDocument(json)
    return decoder.request
  }

  private init(options: NeonOptions, known: KnownStatements) {
    self.options = options
    self.known = known
  }

  private mutating func decodeDocument(_ json: borrowing JSONReader) throws(RequestError) {
    let fields = try Fields(json.root, json)
    if fields.query == nil, let queries = fields.queries {
      try json.expect(.array, queries)
      var children = json.children(of: queries)
      while let query = json.next(&children) { try decode(try Fields(query, json), query, json) }
      request.isolation = options.isolation
      request.readOnly = options.isReadOnly
      request.deferrable = options.isDeferrable
      request.neon = NeonForm(isBatch: true, isRawText: options.isRawText, arrays: arrays)
    } else {
      try decode(fields, json.root, json)
      request.neon = NeonForm(isBatch: false, isRawText: options.isRawText, arrays: arrays)
    }
  }

  /// Where the parts of a query stand, or those of the document.
  private struct Fields {
    var query: JSONNode?
    var params: JSONNode?
    var arrayMode: JSONNode?
    var queries: JSONNode?

    init(_ node: JSONNode, _ json: borrowing JSONReader) throws(RequestError) {
      try json.expect(.object, node)
      var children = json.children(of: node)
      while let key = json.next(&children), let value = json.next(&children) {
        switch json.position(of: key, in: ["query", "params", "arrayMode", "queries"]) {
        case 0: query = value
        case 1: params = value
        case 2: arrayMode = value
        case 3: queries = value
        default: continue
        }
      }
    }
  }

  private mutating func decode(
    _ fields: Fields, _ node: JSONNode, _ json: borrowing JSONReader
  ) throws(RequestError) {
    guard let query = fields.query else {
      throw json.error(.invalidRequest, at: node, "\"query\" is missing")
    }
    let sql = try known.sql(query, json)
    let first = request.parameters.count
    if let params = fields.params, json.kind(of: params) != .null {
      try decode(parameters: params, json)
    }
    let last = request.parameters.count
    request.items.append(.statement(.init(sql: sql, parameters: first..<last)))
    var hasArrays = options.hasArrays
    if let mode = fields.arrayMode, json.kind(of: mode) != .null {
      hasArrays = try json.boolean(mode)
    }
    arrays.append(hasArrays)
  }

  // MARK: Parameters

  private mutating func decode(
    parameters list: JSONNode, _ json: borrowing JSONReader
  ) throws(RequestError) {
    try json.expect(.array, list)
    let count = json.count(of: list)
    guard count <= RequestDecoder.maximumParameters else {
      throw json.error(
        .invalidParameter, at: list,
        "a query has at most \(RequestDecoder.maximumParameters) parameters, not \(count)")
    }
    var children = json.children(of: list)
    while let value = json.next(&children) {
      try json.refuseNUL(value)
      switch json.kind(of: value) {
      case .null: request.parameters.appendNull()
      case .array: request.parameters.append(try arrayLiteral(value, json))
      case .true, .false, .number, .string, .object:
        request.parameters.append { $0.append(copying: json.span(value)) }
      }
    }
  }

  /// The driver makes array literals itself; one that comes as JSON becomes such a literal, whatever its type is.
  private func arrayLiteral(
    _ node: JSONNode, _ json: borrowing JSONReader
  ) throws(RequestError) -> [UInt8] {
    var text: [UInt8] = []
    do throws(ArrayLiteral.Flaw) {
      try ArrayLiteral.append(
        json.span(node), as: .array(delimiter: UInt8(ascii: ","), elementsAreJSON: false),
        to: &text)
    } catch {
      throw json.error(.invalidParameter, at: node, error.reason)
    }
    return text
  }
}
