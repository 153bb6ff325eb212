/// Describes named transactions as paths of an OpenAPI document, with the types of their parameters.
///
/// Values are written as JSON, which is YAML, too (YAML 1.2, section 1.3): nothing has to be quoted otherwise.
package struct NamedTransactionDocument {
  private var writer = JSONWriter()

  package init(_ transactions: [NamedTransaction]) {
    for transaction in transactions { append(transaction) }
  }

  /// The document with the paths in front of its own.
  package func added(to document: [UInt8]) -> [UInt8] {
    let heading = Array("\npaths:\n".utf8)
    guard !writer.bytes.isEmpty, let place = document.firstRange(of: heading)?.upperBound else {
      return document
    }
    return document[..<place] + writer.bytes + document[place...]
  }

  private mutating func append(_ transaction: NamedTransaction) {
    // Names are words: see `DefinitionReader`.
    writer.bytes += "  /transactions/\(transaction.name):\n    post:\n".utf8
    let lines = transaction.documentation?.split(separator: "\n", maxSplits: 1) ?? []
    let summary = lines.first.map(String.init) ?? "Run the transaction \(transaction.name)."
    line("operationId", "transactions_\(transaction.name)")
    writer.bytes += "      tags: [transactions]\n".utf8
    line("summary", summary)
    if let documentation = transaction.documentation { line("description", documentation) }
    let required = transaction.idempotency == .required
    writer.bytes +=
      """
            parameters:
              - name: Idempotency-Key
                in: header
                required: \(required)
                schema: {type: string, minLength: 1, maxLength: 255, pattern: '^[ -~]+$'}
            requestBody:
              required: true
              content:
                application/json:
                  schema:

      """.utf8
    writer.bytes += "              ".utf8
    appendBody(transaction.parameters)
    writer.bytes +=
      """

            responses:
              '200': {$ref: '#/components/responses/NamedTransactionResult'}
              default: {$ref: '#/components/responses/NamedTransactionProblem'}

      """.utf8
    writer.byte(UInt8(ascii: "\n"))
  }

  private mutating func line(_ name: String, _ text: String) {
    writer.bytes += "      \(name): ".utf8
    writer.string(text)
    writer.byte(UInt8(ascii: "\n"))
  }

  /// The schema of `{"params": {…}}`.
  private mutating func appendBody(_ parameters: [NamedTransaction.Parameter]) {
    let isRequired = parameters.contains { $0.defaultValue == nil }
    writer.raw(#"{"type": "object", "additionalProperties": false, "#)
    if isRequired { writer.raw(#""required": ["params"], "#) }
    writer.raw(#""properties": {"params": {"type": "object", "additionalProperties": false, "#)
    if isRequired {
      writer.raw(#""required": ["#)
      let names = parameters.filter { $0.defaultValue == nil }.map(\.name)
      list(names) { $0.string($1) }
      writer.raw("], ")
    }
    writer.raw(#""properties": {"#)
    list(parameters) { writer, parameter in
      writer.key(parameter.name)
      parameter.appendSchema(to: &writer)
    }
    writer.raw("}}}}")
  }

  private mutating func list<Element>(
    _ elements: [Element], _ append: (inout JSONWriter, Element) -> Void
  ) {
    for (index, element) in elements.enumerated() {
      if index > 0 { writer.raw(", ") }
      append(&writer, element)
    }
  }
}

extension NamedTransaction.Parameter {
  /// Its schema (JSON Schema 2020-12, which OpenAPI 3.1 uses).
  fileprivate func appendSchema(to writer: inout JSONWriter) {
    var description = documentation.map { "\($0)\n\n" } ?? ""
    description += "PostgreSQL: `\(type.name)`"
    writer.raw(#"{"description": "#)
    writer.string(description)
    if let defaultValue {
      writer.raw(#", "default": "#)
      writer.raw(defaultValue.text.span)
    }
    writer.raw(", ")
    if type.isArray {
      appendType(["array"], to: &writer)
      // Elements may be null, and arrays of a further dimension: PostgreSQL's type does not tell.
      writer.raw(#", "items": {}"#)
    } else {
      appendElement(to: &writer)
    }
    writer.raw("}")
  }

  private func appendElement(to writer: inout JSONWriter) {
    switch type.kind {
    case .integer(let range) where range.upperBound == .max:
      // Not every client has integers of 64 bits.
      appendType(["integer", "string"], to: &writer)
      writer.raw(#", "format": "int64""#)
    case .integer(let range):
      appendType(["integer"], to: &writer)
      writer.raw(#", "minimum": "#)
      writer.integer(Int(range.lowerBound))
      writer.raw(#", "maximum": "#)
      writer.integer(Int(range.upperBound))
    case .decimal: appendType(["number", "string"], to: &writer)
    case .float:
      appendType(["number", "string"], to: &writer)
      writer.raw(#", "format": "double""#)
    case .boolean: appendType(["boolean"], to: &writer)
    case .uuid:
      appendType(["string"], to: &writer)
      writer.raw(#", "format": "uuid""#)
    case .string:
      appendType(["string"], to: &writer)
      if type.name == "date" { writer.raw(#", "format": "date""#) }
    case .json, .other:
      writer.raw(#""x-postgres-type": "#)
      writer.string(type.name)
    }
  }

  private func appendType(_ names: [String], to writer: inout JSONWriter) {
    let all = isNullable ? names + ["null"] : names
    writer.raw(#""type": "#)
    guard all.count > 1 else { return writer.string(all[0]) }
    writer.byte(JSONWriter.openBracket)
    for (index, name) in all.enumerated() {
      if index > 0 { writer.raw(", ") }
      writer.string(name)
    }
    writer.byte(JSONWriter.closeBracket)
  }
}
