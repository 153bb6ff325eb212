internal import FoundationEssentials
internal import Yams

/// The description of the service that it serves itself, as the YAML in which it is written, and as JSON, which
/// browsers and most generators of clients read without help.
actor OpenAPIDocument {
  /// In OpenAPI 3.1.
  nonisolated let yaml: [UInt8]
  private var converted: Result<[UInt8], any Error>?

  init(yaml: [UInt8] = PackageResources.openapi_yaml) { self.yaml = yaml }

  /// The same as JSON: members stay in their order, numbers keep their digits.
  ///
  /// It is made when it is asked for first, and not on an event loop, which others wait for.
  ///
  /// - Throws: `YamlError` if the document is none.
  func json() throws -> [UInt8] {
    if let converted { return try converted.get() }
    let made = Result { try Self.json(of: yaml) }
    converted = made
    return try made.get()
  }

  /// - Throws: `YamlError`.
  static func json(of yaml: [UInt8]) throws -> [UInt8] {
    var writer = JSONWriter()
    let root = try Yams.compose(yaml: String(decoding: yaml, as: UTF8.self))
    if let root { writer.node(root) } else { writer.null() }
    return writer.bytes
  }
}

extension JSONWriter {
  /// Appends a YAML node as JSON.
  fileprivate mutating func node(_ node: Node) {
    switch node {
    case .scalar(let scalar): self.scalar(scalar.string, tag: node.tag.rawValue)
    case .alias: null()  // Composed documents have none: each is what it stands for.
    case .sequence(let sequence):
      byte(Self.openBracket)
      for (index, element) in sequence.enumerated() {
        if index > 0 { byte(Self.comma) }
        self.node(element)
      }
      byte(Self.closeBracket)
    case .mapping(let mapping):
      byte(Self.openBrace)
      for (index, (name, value)) in mapping.enumerated() {
        if index > 0 { byte(Self.comma) }
        key(name.scalar?.string ?? "")
        self.node(value)
      }
      byte(Self.closeBrace)
    }
  }

  /// Appends what YAML 1.1's core types are in JSON; all else, and numbers that JSON cannot write, are strings.
  private mutating func scalar(_ text: String, tag: String) {
    switch tag {
    case Tag.Name.null.rawValue: null()
    case Tag.Name.bool.rawValue: bool(["true", "yes", "on", "y"].contains(text.lowercased()))
    case Tag.Name.int.rawValue, Tag.Name.float.rawValue:
      let isJSON = text.wholeMatch(of: #/-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?/#) != nil
      if isJSON { raw(text.utf8.span) } else { string(text) }
    default: string(text)
    }
  }
}
