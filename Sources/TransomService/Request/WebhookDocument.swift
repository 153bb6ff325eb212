internal import TransomWebhooks

/// The body of POST /webhooks or PATCH /webhooks/{id}: what is nil was not given.
package struct WebhookDocument: Equatable, Sendable {
  package var url: String?
  package var events: [String]?
  package var description: String?
  package var isOrdered: Bool?
  package var isEnabled: Bool?

  private enum Field: Int, RequestField {
    case url, events, description, ordered, enabled

    static let names: [StaticString] = ["url", "events", "description", "ordered", "enabled"]
  }

  private static let depth = 8
  private static let maximumPatterns = 100
  private static let maximumDescription = 1000

  /// Decodes a body; a new webhook needs a `url` and `events`.
  package static func decode(
    _ body: Span<UInt8>, isNew: Bool, with json: inout JSONReader
  ) throws(RequestError) -> WebhookDocument {
    do {
      try json.read(body, depth: depth)
    } catch {
      throw RequestError(error)
    }
    try json.expect(.object, json.root)
    var document = WebhookDocument()
    var seen: UInt32 = 0
    var children = json.children(of: json.root)
    while let key = json.next(&children), let value = json.next(&children) {
      guard let field = Field(key, in: json) else {
        throw json.error(
          .unknownField, at: key, "unknown field; allowed are \(Field.list)")
      }
      try json.note(field, key, in: &seen)
      try document.decode(field, value, json)
    }
    if isNew, document.url == nil {
      throw json.error(.invalidRequest, at: json.root, "\"url\" is missing")
    }
    if isNew, document.events == nil {
      throw json.error(.invalidRequest, at: json.root, "\"events\" is missing")
    }
    return document
  }

  private mutating func decode(
    _ field: Field, _ value: JSONNode, _ json: borrowing JSONReader
  ) throws(RequestError) {
    switch field {
    case .url:
      do throws(WebhookURL.Flaw) {
        url = try WebhookURL(json.kind(of: value) == .string ? json.string(value) : "").text
      } catch {
        throw json.error(.invalidRequest, at: value, error.description)
      }
    case .events: events = try Self.patterns(value, json)
    case .description:
      try json.expect(.string, value)
      guard !json.holdsNUL(value), json.span(value).count <= Self.maximumDescription else {
        throw json.error(
          .invalidRequest, at: value,
          "must not hold U+0000, nor more than \(Self.maximumDescription) octets")
      }
      description = json.string(value)
    case .ordered: isOrdered = try json.boolean(value)
    case .enabled: isEnabled = try json.boolean(value)
    }
  }

  private static func patterns(
    _ list: JSONNode, _ json: borrowing JSONReader
  ) throws(RequestError) -> [String] {
    try json.expect(.array, list)
    guard 1...maximumPatterns ~= json.count(of: list) else {
      throw json.error(
        .invalidRequest, at: list, "must hold 1 to \(maximumPatterns) patterns")
    }
    var patterns: [String] = []
    var children = json.children(of: list)
    while let node = json.next(&children) {
      guard json.kind(of: node) == .string, let pattern = EventPattern(json.string(node)) else {
        throw json.error(
          .invalidRequest, at: node,
          "must be an event such as account.created, a pattern such as account.*, or *")
      }
      if !patterns.contains(pattern.text) { patterns.append(pattern.text) }
    }
    return patterns
  }
}

/// The body of POST /webhooks/{id}/redeliver.
package enum RedeliveryDocument {
  private enum Field: Int, RequestField {
    case since

    static let names: [StaticString] = ["since"]
  }

  /// The moment, as a text that PostgreSQL reads.
  package static func decode(
    _ body: Span<UInt8>, with json: inout JSONReader
  ) throws(RequestError) -> String {
    do {
      try json.read(body, depth: 2)
    } catch {
      throw RequestError(error)
    }
    try json.expect(.object, json.root)
    var since: String?
    var children = json.children(of: json.root)
    while let key = json.next(&children), let value = json.next(&children) {
      guard Field(key, in: json) != nil, since == nil else {
        throw json.error(.unknownField, at: key, "only \"since\" is allowed, once")
      }
      since = try json.name(value)
    }
    guard let since else {
      throw json.error(.invalidRequest, at: json.root, "\"since\" is missing")
    }
    return since
  }
}
