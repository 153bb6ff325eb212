/// Decodes the body of `POST /transactions/NAME`, `{"params": {…}}`: binds the parameters by name.
///
/// What the wire contract leaves open is decided here:
/// - `params` may be left out where no parameter has to be given.
/// - A parameter is null only where its definition says that it may be.
package enum NamedRequestDecoder {
  private enum Field: Int, RequestField {
    case params

    static let names: [StaticString] = ["params"]
  }

  /// The document of `POST /transactions` that a request stands for.
  ///
  /// - Throws: `RequestError`; for a parameter that is missing, unknown or of another type, with its JSON Pointer.
  package static func document(
    _ body: Span<UInt8>, of transaction: NamedTransaction, with json: inout JSONReader
  ) throws(RequestError) -> [UInt8] {
    do {
      try json.read(body, depth: RequestDecoder.maximumJSONDepth)
    } catch {
      throw RequestError(error)
    }
    return try bind(transaction, json)
  }

  private static func bind(
    _ transaction: NamedTransaction, _ json: borrowing JSONReader
  ) throws(RequestError) -> [UInt8] {
    let values = try values(of: transaction.parameters, json)
    for (index, parameter) in transaction.parameters.enumerated()
    where values[index] == nil && parameter.defaultValue == nil {
      throw RequestError(
        .invalidParameter, at: JSONPointer().appending("params").appending(parameter.name),
        "the parameter \"\(parameter.name)\" is missing: \(parameter.type.name)")
    }
    var writer = JSONWriter()
    for (piece, hole) in zip(transaction.template.pieces, transaction.template.holes) {
      writer.raw(piece.span)
      let parameter = transaction.parameters[hole.parameter]
      if let value = values[hole.parameter] {
        if hole.isInStatement {
          parameter.type.append(value, json, to: &writer)
        } else {
          writer.json(value, json)
        }
      } else if let value = parameter.defaultValue {
        writer.raw(value.text(in: hole).span)
      }
    }
    if let last = transaction.template.pieces.last { writer.raw(last.span) }
    return writer.bytes
  }

  /// The values of the parameters, in their order.
  private static func values(
    of parameters: [NamedTransaction.Parameter], _ json: borrowing JSONReader
  ) throws(RequestError) -> [JSONNode?] {
    var values = [JSONNode?](repeating: nil, count: parameters.count)
    try json.expect(.object, json.root)
    var seen: UInt32 = 0
    var children = json.children(of: json.root)
    while let key = json.next(&children), let value = json.next(&children) {
      guard let field = Field(key, in: json) else {
        throw json.error(.unknownField, at: key, "there is no such field; allowed is params")
      }
      try json.note(field, key, in: &seen)
      try read(value, into: &values, parameters, json)
    }
    return values
  }

  private static func read(
    _ object: JSONNode, into values: inout [JSONNode?],
    _ parameters: [NamedTransaction.Parameter], _ json: borrowing JSONReader
  ) throws(RequestError) {
    try json.expect(.object, object)
    var children = json.children(of: object)
    while let key = json.next(&children), let value = json.next(&children) {
      guard let index = parameters.firstIndex(where: { json.text(of: key, equals: $0.name) }) else {
        let names = parameters.map(\.name).joined(separator: ", ")
        throw json.error(
          .invalidParameter, at: key,
          "there is no such parameter; there are \(names.isEmpty ? "none" : names)")
      }
      guard values[index] == nil else {
        throw json.error(.invalidParameter, at: key, "occurs twice in the same object")
      }
      try parameters[index].check(value, json)
      values[index] = value
    }
  }
}

extension NamedTransaction.Parameter {
  fileprivate func check(_ value: JSONNode, _ json: borrowing JSONReader) throws(RequestError) {
    if json.kind(of: value) == .null {
      guard isNullable else {
        throw json.error(.invalidParameter, at: value, "\(type.name) must not be null here")
      }
      return
    }
    try type.check(value, json)
    try json.refuseNUL(value)
  }
}

extension NamedTransaction {
  /// A value for a parameter that a request does not give.
  package struct DefaultValue: Sendable {
    /// As JSON text: as it is written, and as a statement gets it.
    package let text: [UInt8]
    private let textInStatement: [UInt8]

    /// Takes a value as JSON text.
    ///
    /// - Throws: `RequestError` if the parameter is of another type.
    package init(_ text: [UInt8], for parameter: Parameter) throws(RequestError) {
      var json = JSONReader()
      do {
        try json.read(text.span, depth: RequestDecoder.maximumJSONDepth)
      } catch {
        throw RequestError(error)
      }
      try parameter.check(json.root, json)
      self.text = text
      var writer = JSONWriter()
      parameter.type.append(json.root, json, to: &writer)
      textInStatement = writer.bytes
    }

    fileprivate func text(in hole: Hole) -> [UInt8] {
      hole.isInStatement ? textInStatement : text
    }
  }
}
