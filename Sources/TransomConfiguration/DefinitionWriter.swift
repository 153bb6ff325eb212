internal import TransomService
internal import Yams

/// Writes the document of a definition as JSON, with holes where it refers to parameters.
///
/// A plain scalar is what it is in JSON, if it is anything there, and else a string: `yes` is no boolean (YAML 1.2, section 10.2).
struct DefinitionWriter {
  /// What stands where.
  private enum Place: Equatable {
    /// The document, or a list or mapping of it that holds no values.
    case structure
    case items
    case item
    case params
    case batch
    case settings
    case hooks
    case hook
    /// A statement's parameter.
    case parameter
    /// The data of a hook, and all that is in there; what is in the object or array that is a statement's parameter.
    case data
    case setting
  }

  let file: String
  var parameters: [NamedTransaction.Parameter] = []
  private var writer = JSONWriter()
  private var pieces: [[UInt8]] = []
  private var holes: [NamedTransaction.Hole] = []
  private var lines: [String: Int] = [:]

  init(file: String) { self.file = file }

  mutating func note(_ node: Node, at pointer: String) { lines[pointer] = node.mark?.line }

  /// Writes the document's fields.
  mutating func write(
    _ fields: [(key: Node, value: Node)]
  ) throws(DefinitionFlaw) -> (NamedTransaction.Template, lines: [String: Int]) {
    try mapping(fields, .structure, JSONPointer())
    pieces.append(exchange(&writer.bytes, with: []))
    return (NamedTransaction.Template(pieces: pieces, holes: holes), lines)
  }

  /// A value without any reference, as JSON.
  func json(_ node: Node, at pointer: String) throws(DefinitionFlaw) -> [UInt8] {
    var writer = DefinitionWriter(file: file)
    try writer.value(node, .structure, JSONPointer(stringLiteral: pointer))
    return writer.writer.bytes
  }

  private mutating func value(
    _ node: Node, _ place: Place, _ pointer: JSONPointer
  ) throws(DefinitionFlaw) {
    note(node, at: pointer.description)
    switch node {
    case .mapping(let mapping):
      if place == .item, let fields = try numbered(mapping, pointer) {
        try self.mapping(fields, place, pointer)
      } else {
        try self.mapping(mapping.map { ($0.key, $0.value) }, place, pointer)
      }
    case .sequence(let sequence):
      let inner = Self.place(in: place)
      writer.byte(UInt8(ascii: "["))
      for (index, element) in sequence.enumerated() {
        if index > 0 { writer.byte(UInt8(ascii: ",")) }
        try value(element, inner, pointer.appending(index))
      }
      writer.byte(UInt8(ascii: "]"))
    case .scalar(let scalar): try self.scalar(scalar, node, place, pointer)
    case .alias: throw flaw(node, pointer, "an alias that leads nowhere")
    }
  }

  private mutating func mapping(
    _ fields: [(key: Node, value: Node)], _ place: Place, _ pointer: JSONPointer
  ) throws(DefinitionFlaw) {
    writer.byte(UInt8(ascii: "{"))
    for (index, field) in fields.enumerated() {
      guard let name = field.key.scalar?.string else {
        throw flaw(field.key, pointer, "a field's name must be a word")
      }
      if index > 0 { writer.byte(UInt8(ascii: ",")) }
      writer.key(name)
      try value(field.value, Self.place(of: name, in: place), pointer.appending(name))
    }
    writer.byte(UInt8(ascii: "}"))
  }

  private static func place(of field: String, in place: Place) -> Place {
    switch (place, field) {
    case (.structure, "statements"), (.item, "savepoint"): .items
    case (.structure, "on_commit"), (.item, "on_commit"): .hooks
    case (.structure, "settings"): .settings
    case (.item, "params"): .params
    case (.item, "batch"): .batch
    // Within a parameter's object or array a json string is one of its values, and no JSON text.
    case (.hook, "data"), (.data, _), (.parameter, _): .data
    case (.settings, _): .setting
    default: .structure
    }
  }

  /// Of the elements of a list.
  private static func place(in list: Place) -> Place {
    switch list {
    case .items: .item
    case .hooks: .hook
    case .batch: .params
    case .params: .parameter
    case .data, .parameter: .data
    case .structure, .item, .hook, .settings, .setting: .structure
    }
  }

  // MARK: Scalars

  private mutating func scalar(
    _ scalar: Node.Scalar, _ node: Node, _ place: Place, _ pointer: JSONPointer
  ) throws(DefinitionFlaw) {
    let text = scalar.string
    switch scalar.tag.rawValue {
    case "!param": return try hole(text, node, place, pointer)
    case let tag where tag.hasPrefix("!") && tag != "!":
      throw flaw(node, pointer, "the tag \(tag) means nothing here; there is !param")
    case "tag:yaml.org,2002:str": return writer.string(text)
    default: break
    }
    guard scalar.style == .plain || scalar.style == .any else { return writer.string(text) }
    switch text {
    case "", "~", "null": writer.null()
    case "true", "false": writer.bool(text == "true")
    default:
      let isNumber =
        text.wholeMatch(of: #/-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/#) != nil
      if isNumber { writer.bytes += text.utf8 } else { writer.string(text) }
    }
  }

  private mutating func hole(
    _ name: String, _ node: Node, _ place: Place, _ pointer: JSONPointer
  ) throws(DefinitionFlaw) {
    guard let index = parameters.firstIndex(where: { $0.name == name }) else {
      throw flaw(node, pointer, "there is no parameter \"\(name)\"")
    }
    switch place {
    case .parameter, .data: break
    case .setting:
      let type = parameters[index].type
      guard !type.isArray, type.kind != .json, type.kind != .other, !parameters[index].isNullable
      else { throw flaw(node, pointer, "a setting takes a text, a number or a boolean only") }
    case .structure, .items, .item, .params, .batch, .settings, .hooks, .hook:
      throw flaw(
        node, pointer, "a parameter can stand in params, batch, settings and data only")
    }
    pieces.append(exchange(&writer.bytes, with: []))
    holes.append(NamedTransaction.Hole(parameter: index, isInStatement: place == .parameter))
  }

  // MARK: Names in SQL

  /// A statement whose SQL holds names, with numbers in their place; nil if it holds none.
  private func numbered(
    _ item: Node.Mapping, _ pointer: JSONPointer
  ) throws(DefinitionFlaw) -> [(key: Node, value: Node)]? {
    guard let node = item["sql"], let sql = node.scalar?.string else { return nil }
    let params = item["params"]
    let given = params?.sequence.map { Array($0) } ?? []
    let numbered: NumberedSQL
    do throws(NumberedSQL.UnknownName) {
      numbered = try NumberedSQL(sql, given: given.count) { name in
        parameters.first { $0.name == name }?.type.castName
      }
    } catch {
      throw flaw(node, pointer.appending("sql"), error.description)
    }
    guard !numbered.names.isEmpty else { return nil }
    guard item["batch"] == nil else {
      throw flaw(node, pointer.appending("sql"), "the SQL of a batch has no names, but $1, $2, …")
    }
    // What refs give the values of is null here.
    let missing = max(0, numbered.lastNumber - given.count)
    let values =
      given
      + Array(repeating: Node.scalar(.init("null", .implicit, .plain, node.mark)), count: missing)
      + numbered.names.map { Node.scalar(.init($0, Tag("!param"), .plain, node.mark)) }
    var fields: [(key: Node, value: Node)] = item.compactMap { key, value in
      switch key.scalar?.string {
      case "params" where params?.sequence != nil: nil
      case "sql": (key, .scalar(.init(numbered.text, .implicit, .literal, node.mark)))
      default: (key, value)
      }
    }
    fields.append(("params", .sequence(.init(values, .implicit, .any, node.mark))))
    return fields
  }

  private func flaw(_ node: Node, _ pointer: JSONPointer, _ reason: String) -> DefinitionFlaw {
    DefinitionFlaw(file: file, node, pointer.description, reason)
  }
}
