/// A part of a request's time that has ended, as OpenTelemetry tells it.
struct TraceSpan: Sendable {
  /// As OTLP numbers them (opentelemetry/proto/trace/v1/trace.proto, `SpanKind`).
  enum Kind: Int, Sendable {
    case `internal` = 1
    case server = 2
    case client = 3
  }

  enum Value: Equatable, Sendable {
    case text(String)
    case number(Int)
    case seconds(Double)
  }

  struct Attribute: Equatable, Sendable {
    var name: String
    var value: Value
  }

  /// What is kept of a text that a client chose, in characters.
  static let textLimit = 1024

  /// 32 hexadecimal digits.
  var traceID: String
  /// 16 hexadecimal digits.
  var id: String
  var parentID: String?
  /// Whether the parent is another program's.
  var hasRemoteParent = false
  var name: String
  var kind: Kind
  /// Nanoseconds since 1970.
  var start: Int64
  var end: Int64
  var attributes: [Attribute] = []
  var hasFailed = false

  mutating func set(_ name: String, _ text: String?) {
    guard let text else { return }
    attributes.append(Attribute(name: name, value: .text(String(text.prefix(Self.textLimit)))))
  }

  mutating func set(_ name: String, _ number: Int?) {
    guard let number else { return }
    attributes.append(Attribute(name: name, value: .number(number)))
  }

  mutating func set(_ name: String, seconds: Double) {
    attributes.append(Attribute(name: name, value: .seconds(seconds)))
  }
}

/// Identifiers of traces and spans, in lower-case hexadecimal digits (W3C Trace Context, section 3.2.2).
enum TraceID {
  /// 32 digits for a number that is not 0.
  static func trace(_ high: UInt64, _ low: UInt64) -> String { digits(high) + digits(max(low, 1)) }

  /// 16 digits for a number that is not 0.
  static func span(_ number: UInt64) -> String { digits(max(number, 1)) }

  private static func digits(_ number: UInt64) -> String {
    let digits = String(number, radix: 16)
    return String(repeating: "0", count: 16 - digits.utf8.count) + digits
  }
}
