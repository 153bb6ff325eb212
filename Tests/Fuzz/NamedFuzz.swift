import TransomPostgres
import TransomService

/// A body of POST /transactions/NAME, for a definition with a parameter of each kind: bound, or refused. Whatever it is, the
/// transaction stays the one that was defined.
enum NamedFuzz {
  private static let types = [
    "smallint", "bigint", "numeric", "double precision", "boolean", "uuid", "text", "jsonb",
    "integer[]", "jsonb[]", "shop.mood",
  ]

  private static let transaction = {
    let parameters = types.enumerated().compactMap { index, name in
      ParameterType(name).map {
        NamedTransaction.Parameter(name: "p\(index)", type: $0, isNullable: index % 2 == 1)
      }
    }
    // A parameter stands in each place where there can be one.
    let values = parameters.indices.map { _ in "@" }.joined(separator: ",")
    let document = """
      {"role":"teller","settings":{"app.who":@},"statements":[\
      {"id":"one","sql":"select \(parameters.indices.map { "$\($0 + 1)" }.joined(separator: ","))",\
      "params":[\(values)]},{"savepoint":[{"sql":"select $1","batch":[[@],[7]]}]}],\
      "on_commit":[{"event":"account.transfer","data":{"to":@,"all":[@]}}]}
      """
    let pieces = document.utf8.split(
      separator: UInt8(ascii: "@"), omittingEmptySubsequences: false
    ).map(Array.init)
    let statement = parameters.indices.map {
      NamedTransaction.Hole(parameter: $0, isInStatement: true)
    }
    let holes =
      [.init(parameter: 6, isInStatement: false)] + statement + [
        .init(parameter: 1, isInStatement: true), .init(parameter: 0, isInStatement: false),
        .init(parameter: 7, isInStatement: false),
      ]
    return NamedTransaction(
      name: "transfer", documentation: nil, parameters: parameters, idempotency: .optional,
      template: .init(pieces: pieces, holes: holes), source: .init(file: "", lines: [:]))
  }()

  private static let rules = HookRules(databases: ["default"], allowsAddresses: false)

  /// As it is defined, with texts where the values go.
  private static let defined: TransactionRequest = {
    var json = JSONReader()
    do {
      return try RequestDecoder.decode(transaction.marked.span, with: &json, hooks: rules)
    } catch {
      fail("the definition is none: \(error)")
    }
  }()

  static func run(_ input: [UInt8]) {
    var json = JSONReader()
    let document: [UInt8]
    do {
      document = try NamedRequestDecoder.document(input.span, of: transaction, with: &json)
    } catch {
      return check(400...499 ~= error.status, "refused as \(error.status)")
    }
    let request: TransactionRequest
    do {
      request = try RequestDecoder.decode(document.span, with: &json, hooks: rules)
    } catch {
      // A setting takes text, numbers and booleans, and all of it has limits: but it is a document.
      check(error.code != .malformedJSON, "a document that is no JSON: \(error.detail)")
      return
    }
    check(request.role == defined.role && request.database == defined.database, "another role")
    check(request.settings.map(\.name) == defined.settings.map(\.name), "other settings")
    check(request.hooks.map(\.event) == defined.hooks.map(\.event), "other events")
    check(texts(of: request.items) == texts(of: defined.items), "other statements")
    check(request.parameters.count == defined.parameters.count, "another number of parameters")
  }

  private static func texts(of items: [TransactionRequest.Item]) -> [SQLText] {
    items.flatMap { item in
      switch item {
      case .statement(let statement): [statement.sql]
      case .group(let group): texts(of: group.items)
      }
    }
  }
}
