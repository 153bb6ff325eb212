internal import TransomService
internal import Yams

/// Reads the definition of a named transaction:
///
///     description: Moves money from one account to another.
///     params:
///       from: {type: bigint, description: The account that pays.}
///       to: bigint
///       cents: integer
///     statements:
///       - sql: update account set cents = cents - :cents where id = :from and cents >= :cents
///         expect: {row_count: 1}
///       - sql: update account set cents = cents + :cents where id = :to
///         expect: {row_count: 1}
///
/// Besides `description`, `params` and `idempotency_key` it is the document of `POST /transactions`. It refers to its parameters
/// in SQL by `:name`, and elsewhere by `!param name`.
struct DefinitionReader {
  private let file: String
  private var parameters: [NamedTransaction.Parameter] = []
  private var documentation: String?
  private var idempotency = NamedTransaction.IdempotencyRule.optional

  private init(file: String) { self.file = file }

  /// - Throws: `DefinitionFlaw`, which names the file and the place.
  static func read(
    _ yaml: String, file: String, name: String
  ) throws(DefinitionFlaw) -> NamedTransaction {
    var reader = DefinitionReader(file: file)
    return try reader.read(try root(of: yaml, file), name)
  }

  private static func root(
    of yaml: String, _ file: String
  ) throws(DefinitionFlaw) -> Node.Mapping {
    let root: Node?
    do {
      root = try Parser(yaml: yaml).singleRoot()
    } catch {
      throw DefinitionFlaw("\(file): \(error)")
    }
    guard let mapping = root?.mapping else { throw DefinitionFlaw("\(file): it is no mapping") }
    return mapping
  }

  private mutating func read(
    _ root: Node.Mapping, _ name: String
  ) throws(DefinitionFlaw) -> NamedTransaction {
    var writer = DefinitionWriter(file: file)
    var document: [(key: Node, value: Node)] = []
    for (key, value) in root {
      switch key.scalar?.string {
      case "description": documentation = try text(value, "/description")
      case "params": try readParameters(value, &writer)
      case "idempotency_key":
        guard
          let rule = value.scalar.flatMap({ NamedTransaction.IdempotencyRule(rawValue: $0.string) })
        else { throw flaw(value, "/idempotency_key", "allowed are optional and required") }
        idempotency = rule
      default: document.append((key, value))
      }
    }
    writer.parameters = parameters
    let (template, lines) = try writer.write(document)
    for (index, parameter) in parameters.enumerated()
    where !template.holes.contains(where: { $0.parameter == index }) {
      let place = "/params/\(parameter.name)"
      throw DefinitionFlaw(
        "\(NamedTransaction.Source(file: file, lines: lines).place(of: place)): nothing refers to it"
      )
    }
    let transaction = NamedTransaction(
      name: name, documentation: documentation, parameters: parameters, idempotency: idempotency,
      template: template, source: NamedTransaction.Source(file: file, lines: lines))
    try check(transaction, in: root["database"]?.scalar?.string ?? "default")
    return transaction
  }

  /// Reads the document as a request's is read.
  private func check(
    _ transaction: NamedTransaction, in database: String
  ) throws(DefinitionFlaw) {
    var json = JSONReader()
    do {
      _ = try RequestDecoder.decode(transaction.marked.span, with: &json, hooks: .any(in: database))
    } catch {
      let place = transaction.source.place(of: error.pointer?.description ?? "")
      throw DefinitionFlaw("\(place): \(error.detail)")
    }
  }

  // MARK: Parameters

  private mutating func readParameters(
    _ node: Node, _ writer: inout DefinitionWriter
  ) throws(DefinitionFlaw) {
    guard let mapping = node.mapping else {
      throw flaw(node, "/params", "allowed is a mapping of names to types")
    }
    for (key, value) in mapping {
      guard let name = key.scalar?.string,
        name.wholeMatch(of: #/[A-Za-z_][A-Za-z0-9_]{0,62}/#) != nil
      else {
        throw flaw(key, "/params", "a name has up to 63 letters, digits and _, no digit first")
      }
      parameters.append(try parameter(name, value, writer))
      writer.note(value, at: "/params/\(name)")
    }
  }

  private func parameter(
    _ name: String, _ node: Node, _ writer: DefinitionWriter
  ) throws(DefinitionFlaw) -> NamedTransaction.Parameter {
    let place = "/params/\(name)"
    var fields = ["type": node]
    if let mapping = node.mapping {
      fields = [:]
      for (key, value) in mapping {
        guard let field = key.scalar?.string,
          ["type", "description", "nullable", "default"].contains(field)
        else {
          throw flaw(key, place, "allowed are type, description, nullable, default")
        }
        fields[field] = value
      }
    }
    guard let typeNode = fields["type"] else { throw flaw(node, place, "\"type\" is missing") }
    guard let type = ParameterType(try text(typeNode, place)) else {
      throw flaw(
        typeNode, place,
        "allowed is the name of a PostgreSQL type without a length, such as bigint or text[]")
    }
    let nullable = fields["nullable"]?.scalar?.string ?? "false"
    guard ["true", "false"].contains(nullable), fields["nullable"]?.mapping == nil else {
      throw flaw(fields["nullable"] ?? node, "\(place)/nullable", "allowed is true or false")
    }
    func parameter(_ value: NamedTransaction.DefaultValue? = nil) throws(DefinitionFlaw)
      -> NamedTransaction.Parameter
    {
      NamedTransaction.Parameter(
        name: name, type: type,
        documentation: try fields["description"].map { (node) throws(DefinitionFlaw) in
          try text(node, "\(place)/description")
        }, isNullable: nullable == "true", defaultValue: value)
    }
    guard let node = fields["default"] else { return try parameter() }
    let value = try writer.json(node, at: "\(place)/default")
    do {
      return try parameter(NamedTransaction.DefaultValue(value, for: parameter()))
    } catch let error as RequestError {
      throw flaw(node, "\(place)/default", error.detail)
    } catch let error as DefinitionFlaw {
      throw error
    } catch {
      throw flaw(node, "\(place)/default", "\(error)")
    }
  }

  private func text(_ node: Node, _ place: String) throws(DefinitionFlaw) -> String {
    guard let scalar = node.scalar else { throw flaw(node, place, "allowed is a text") }
    // A block ends in a line break, which is no part of what is meant.
    return String(scalar.string.reversed().drop { $0 == "\n" }.reversed())
  }

  private func flaw(_ node: Node, _ place: String, _ reason: String) -> DefinitionFlaw {
    DefinitionFlaw(file: file, node, place, reason)
  }
}

extension DefinitionFlaw {
  init(file: String, _ node: Node, _ place: String, _ reason: String) {
    let line = node.mark.map { ", line \($0.line)" } ?? ""
    self.init("\(file)\(line)\(place.isEmpty ? "" : ", ")\(place): \(reason)")
  }
}
