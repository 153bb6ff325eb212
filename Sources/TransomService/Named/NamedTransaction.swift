/// A reviewed transaction that clients run by its name, `POST /transactions/NAME`, and without any SQL.
///
/// It is the document of `POST /transactions` with holes, which the parameters of a request fill: so it is checked, run
/// and answered like any other, and what a client sends gets nowhere but where a value stands.
package final class NamedTransaction: Sendable {
  /// A value that a request gives, by its name.
  package struct Parameter: Sendable {
    package let name: String
    package let type: ParameterType
    package let documentation: String?
    package let isNullable: Bool
    /// What is taken if a request does not give it; nil: it must be given.
    package let defaultValue: DefaultValue?

    package init(
      name: String, type: ParameterType, documentation: String? = nil, isNullable: Bool = false,
      defaultValue: DefaultValue? = nil
    ) {
      self.name = name
      self.type = type
      self.documentation = documentation
      self.isNullable = isNullable
      self.defaultValue = defaultValue
    }
  }

  /// A place in the document where a parameter's value goes.
  package struct Hole: Equatable, Sendable {
    /// Which of `parameters`.
    package let parameter: Int
    /// Whether it is a parameter of a statement, and not one of the settings or in the data of an event.
    package let isInStatement: Bool

    package init(parameter: Int, isInStatement: Bool) {
      self.parameter = parameter
      self.isInStatement = isInStatement
    }
  }

  /// How a request may or must have an Idempotency-Key.
  package enum IdempotencyRule: String, CaseIterable, Sendable {
    case optional
    case required
  }

  /// The document of `POST /transactions` around the holes: one piece more than there are of those.
  package struct Template: Equatable, Sendable {
    package let pieces: [[UInt8]]
    package let holes: [Hole]

    package init(pieces: [[UInt8]], holes: [Hole]) {
      precondition(pieces.count == holes.count + 1)
      self.pieces = pieces
      self.holes = holes
    }
  }

  /// Where its definition stands, for who is told of a flaw in it.
  package struct Source: Sendable {
    package let file: String
    /// The lines on which values stand, by their JSON Pointers in the document.
    package let lines: [String: Int]

    package init(file: String, lines: [String: Int]) {
      self.file = file
      self.lines = lines
    }

    /// A place in words: that of the value, or of what is around it.
    package func place(of pointer: String) -> String {
      var around = pointer[...]
      while lines[String(around)] == nil, let slash = around.lastIndex(of: "/") {
        around = around[..<slash]
      }
      let line = lines[String(around)].map { ", line \($0)" } ?? ""
      return "\(file)\(line)\(pointer.isEmpty ? "" : ", \(pointer)")"
    }
  }

  package let name: String
  /// In Markdown, as OpenAPI has it.
  package let documentation: String?
  package let parameters: [Parameter]
  package let idempotency: IdempotencyRule
  package let template: Template
  package let source: Source

  package init(
    name: String, documentation: String?, parameters: [Parameter], idempotency: IdempotencyRule,
    template: Template, source: Source
  ) {
    self.name = name
    self.documentation = documentation
    self.parameters = parameters
    self.idempotency = idempotency
    self.template = template
    self.source = source
  }

  /// The document as it is before there are values: each hole is filled with a text that tells of the parameter.
  package var marked: [UInt8] {
    var writer = JSONWriter()
    for (piece, hole) in zip(template.pieces, template.holes) {
      writer.raw(piece.span)
      writer.string(Self.mark(of: hole.parameter))
    }
    if let last = template.pieces.last { writer.raw(last.span) }
    return writer.bytes
  }

  private static func mark(of parameter: Int) -> String { "\u{1}\(parameter)" }

  /// The parameter whose mark in `marked` this is; nil if it is none.
  package func parameter(markedBy text: String) -> Int? {
    parameters.indices.first { Self.mark(of: $0) == text }
  }
}
