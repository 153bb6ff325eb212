internal import TransomWebhooks

/// Where spans of requests are sent, and of which.
package struct TracingConfiguration: Sendable {
  /// The collector as it was given, without `/v1/traces`; nil: no spans are made.
  package private(set) var endpoint: String?
  /// Where they are posted to.
  private(set) var target: WebhookURL?
  /// Of a million requests that belong to no trace so many begin one.
  package var sampled = TracingConfiguration.all
  package static let all = 1_000_000
  /// Fields of each request to the collector: secrets are in them.
  package private(set) var headers: [(name: String, value: String)] = []
  /// What the service is called in its traces.
  package var serviceName = "transom"

  package init() {}

  /// Takes a collector's address, and makes spans from now on.
  package mutating func export(to text: String) throws(ServiceConfiguration.Flaw) {
    guard !text.utf8.contains(UInt8(ascii: "?")) else {
      throw ServiceConfiguration.Flaw("it must not hold a query")
    }
    var base = text[...]
    while base.hasSuffix("/") { base.removeLast() }
    do {
      target = try WebhookURL(base + "/v1/traces")
    } catch {
      throw ServiceConfiguration.Flaw("it \(error)")
    }
    endpoint = text
  }

  /// Takes fields as they are written: `NAME=VALUE`.
  package mutating func send(headers texts: [String]) throws(ServiceConfiguration.Flaw) {
    headers = []
    for text in texts {
      guard let header = Self.header(text) else {
        throw ServiceConfiguration.Flaw(
          "allowed is NAME=VALUE in visible ASCII, but for fields that the request has anyway")
      }
      headers.append(header)
    }
  }

  private static func header(_ text: String) -> (name: String, value: String)? {
    guard let equals = text.firstIndex(of: "=") else { return nil }
    let (name, value) = (text[..<equals], text[text.index(after: equals)...])
    guard !name.isEmpty, name.utf8.allSatisfy(isNameByte), !value.isEmpty,
      value.utf8.allSatisfy({ 0x20...0x7e ~= $0 }),
      !ownFields.contains(name.lowercased())
    else { return nil }
    return (String(name), String(value))
  }

  private static let ownFields = [
    "connection", "content-encoding", "content-length", "content-type", "expect", "host",
    "transfer-encoding",
  ]

  private static func isNameByte(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "z"),
      UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "-"), UInt8(ascii: "_"):
      true
    default: false
    }
  }
}
