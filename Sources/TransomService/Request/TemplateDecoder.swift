/// Makes the template of a hook's data: its JSON, with a hole where each of its `refs` points to.
struct TemplateDecoder {
  /// A reference, and what is left of the pointer to its place.
  private struct Target {
    var number: Int
    var tokens: ArraySlice<String>
    var node: JSONNode
  }

  private var writer = JSONWriter()
  private var pieces: [[UInt8]] = []
  private var order: [Int] = []

  static func decode(
    _ data: JSONNode?, _ refs: JSONNode, _ json: borrowing JSONReader
  ) throws(RequestError) -> TransactionRequest.Template {
    try json.expect(.object, refs)
    var targets: [Target] = []
    var found: [(place: String, reference: TransactionRequest.Reference)] = []
    var places: Set<[UInt8]> = []
    var children = json.children(of: refs)
    while let key = json.next(&children), let value = json.next(&children) {
      let place = json.string(key)
      guard let tokens = JSONPointer.tokens(of: place), !tokens.isEmpty else {
        throw json.error(
          .invalidRequest, at: key,
          "must be a JSON Pointer (RFC 6901) to a place in \"data\", such as /owner")
      }
      guard places.insert(Array(place.utf8)).inserted else {
        throw json.error(.invalidRequest, at: key, "occurs twice in the same object")
      }
      targets.append(Target(number: found.count, tokens: tokens[...], node: key))
      let reference = try json.reference(value, parameter: 0)
      found.append((place, reference))
    }
    var decoder = TemplateDecoder()
    try decoder.object(data, targets, json)
    decoder.pieces.append(decoder.writer.bytes)
    var template = TransactionRequest.Template(pieces: decoder.pieces, references: [], places: [])
    for (hole, number) in decoder.order.enumerated() {
      var reference = found[number].reference
      reference.parameter = hole
      template.references.append(reference)
      template.places.append(found[number].place)
    }
    return template
  }

  private mutating func hole(_ target: Target) {
    pieces.append(writer.bytes)
    writer.bytes.removeAll()
    order.append(target.number)
  }

  /// Writes a value that `targets` point into, or at.
  private mutating func value(
    _ node: JSONNode, _ targets: [Target], _ json: borrowing JSONReader
  ) throws(RequestError) {
    if targets.isEmpty { return writer.json(node, json) }
    if let target = targets.first(where: { $0.tokens.isEmpty }) {
      guard targets.count == 1, json.kind(of: node) == .null else {
        throw json.error(
          .invalidRequest, at: node, "must be null, as a reference gives the value")
      }
      return hole(target)
    }
    switch json.kind(of: node) {
    case .object: try object(node, targets, json)
    case .array: try array(node, targets, json)
    case .null, .true, .false, .number, .string: throw Self.missing(targets[0], json)
    }
  }

  private mutating func object(
    _ node: JSONNode?, _ targets: [Target], _ json: borrowing JSONReader
  ) throws(RequestError) {
    var left = Self.byFirstToken(targets)
    var isFirst = true
    func member(_ name: String) {
      if !isFirst { writer.byte(JSONWriter.comma) }
      isFirst = false
      writer.key(name)
    }
    writer.byte(JSONWriter.openBrace)
    if let node {
      var children = json.children(of: node)
      while let key = json.next(&children), let child = json.next(&children) {
        let name = json.string(key)
        member(name)
        try value(child, Self.take(&left, name), json)
      }
    }
    for target in targets {
      guard let name = target.tokens.first, left[Array(name.utf8)] != nil else { continue }
      guard target.tokens.count == 1 else { throw Self.missing(target, json) }
      member(name)
      hole(target)
    }
    writer.byte(JSONWriter.closeBrace)
  }

  private mutating func array(
    _ node: JSONNode, _ targets: [Target], _ json: borrowing JSONReader
  ) throws(RequestError) {
    var left = Self.byFirstToken(targets)
    var index = 0
    writer.byte(JSONWriter.openBracket)
    var children = json.children(of: node)
    while let child = json.next(&children) {
      if index > 0 { writer.byte(JSONWriter.comma) }
      try value(child, left.isEmpty ? [] : Self.take(&left, String(index)), json)
      index += 1
    }
    let missing = targets.first { $0.tokens.first.map { left[Array($0.utf8)] != nil } ?? false }
    if let missing { throw Self.missing(missing, json) }
    writer.byte(JSONWriter.closeBracket)
  }

  /// Byte for byte: no two names are the same for RFC 6901 that Unicode only takes for the same (section 4).
  private static func byFirstToken(_ targets: [Target]) -> [[UInt8]: [Target]] {
    Dictionary(grouping: targets) { Array($0.tokens.first?.utf8 ?? "".utf8) }
  }

  /// Takes out those that go on with a token.
  private static func take(_ targets: inout [[UInt8]: [Target]], _ token: String) -> [Target] {
    guard !targets.isEmpty, let own = targets.removeValue(forKey: Array(token.utf8)) else {
      return []
    }
    return own.map { Target(number: $0.number, tokens: $0.tokens.dropFirst(), node: $0.node) }
  }

  private static func missing(_ target: Target, _ json: borrowing JSONReader) -> RequestError {
    json.error(.invalidRequest, at: target.node, "there is no such place in \"data\"")
  }
}

extension JSONWriter {
  /// Appends a value of a document as it stands there.
  mutating func json(_ node: JSONNode, _ json: borrowing JSONReader) {
    if json.kind(of: node) == .string { string(json.span(node)) } else { raw(json.span(node)) }
  }
}
