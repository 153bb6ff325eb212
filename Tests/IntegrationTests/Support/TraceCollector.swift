import TestSupport

/// A collector of OpenTelemetry on loopback, and what it has got.
struct TraceCollector: Sendable {
  private let receiver: WebhookReceiver

  /// Where spans are sent to; `kind` says what the collector answers.
  func endpoint(_ kind: String = "") -> String { receiver.url(kind) }

  /// The requests so far.
  func requests() throws -> [JSON] { try receiver.messages() }

  /// The spans of a trace so far.
  func spans(of trace: String? = nil) throws -> [JSON] {
    try requests().flatMap { request in
      elements(request["body"]["resourceSpans"])
        .flatMap { elements($0["scopeSpans"]) }.flatMap { elements($0["spans"]) }
    }.filter { trace == nil || $0["traceId"].text == trace }
  }

  /// Waits until so many spans of a trace have come.
  func spans(_ count: Int, of trace: String? = nil) async throws -> [JSON] {
    try await eventually("\(count) spans") { try spans(of: trace).count >= count }
    return try spans(of: trace)
  }

  /// Runs one while the body runs.
  static func with(_ body: (TraceCollector) async throws -> Void) async throws {
    try await WebhookReceiver.with(script: "collector.py") {
      try await body(TraceCollector(receiver: $0))
    }
  }

  private func elements(_ list: JSON) -> [JSON] {
    guard case .array(let elements) = list else { return [] }
    return elements
  }
}

extension JSON {
  /// The attributes of a span or a resource as texts, by name.
  var attributes: [String: String] {
    guard case .array(let list) = self["attributes"] else { return [:] }
    var attributes: [String: String] = [:]
    for attribute in list {
      let value = attribute["value"]
      guard let name = attribute["key"].text else { continue }
      if case .number(let number) = value["doubleValue"] { attributes[name] = "\(number)" }
      if let text = value["stringValue"].text ?? value["intValue"].text { attributes[name] = text }
    }
    return attributes
  }
}
