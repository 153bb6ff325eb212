/// Spans as the body of POST /v1/traces (OTLP 1.x, "JSON Protobuf Encoding"): identifiers are hexadecimal digits, 64-bit
/// numbers are strings, enumerations are numbers.
struct TraceDocument {
  /// What is told of this process with each batch.
  struct Resource: Sendable {
    var serviceName: String
    var version: String
    /// Different for each process.
    var instance: String
  }

  let resource: Resource

  func bytes(of spans: [TraceSpan]) -> [UInt8] {
    var writer = JSONWriter()
    writer.raw(#"{"resourceSpans":[{"resource":{"attributes":"#)
    Self.write(
      [
        .init(name: "service.name", value: .text(resource.serviceName)),
        .init(name: "service.version", value: .text(resource.version)),
        .init(name: "service.instance.id", value: .text(resource.instance)),
        .init(name: "telemetry.sdk.name", value: .text("transom")),
        .init(name: "telemetry.sdk.language", value: .text("swift")),
        .init(name: "telemetry.sdk.version", value: .text(resource.version)),
      ], to: &writer)
    writer.raw(#"},"scopeSpans":[{"scope":{"name":"transom""#)
    writer.member("version", resource.version)
    writer.raw(#"},"spans":["#)
    for (number, span) in spans.enumerated() {
      if number > 0 { writer.byte(JSONWriter.comma) }
      Self.write(span, to: &writer)
    }
    writer.raw("]}]}]}")
    return writer.bytes
  }

  private static func write(_ span: TraceSpan, to writer: inout JSONWriter) {
    writer.raw(#"{"traceId":"#)
    writer.string(span.traceID)
    writer.member("spanId", span.id)
    writer.member("parentSpanId", span.parentID)
    // Sampled; bit 8 says that bit 9 tells whether the parent is another program's (`SpanFlags`).
    writer.raw(#","flags":"#)
    writer.integer(span.hasRemoteParent ? 0x301 : 0x101)
    writer.member("name", span.name)
    writer.raw(#","kind":"#)
    writer.integer(span.kind.rawValue)
    writer.member("startTimeUnixNano", String(span.start))
    writer.member("endTimeUnixNano", String(max(span.start, span.end)))
    writer.raw(#","attributes":"#)
    write(span.attributes, to: &writer)
    if span.hasFailed { writer.raw(#","status":{"code":2}"#) }
    writer.byte(JSONWriter.closeBrace)
  }

  private static func write(_ attributes: [TraceSpan.Attribute], to writer: inout JSONWriter) {
    writer.byte(JSONWriter.openBracket)
    for (number, attribute) in attributes.enumerated() {
      if number > 0 { writer.byte(JSONWriter.comma) }
      writer.raw(#"{"key":"#)
      writer.string(attribute.name)
      writer.raw(#","value":"#)
      switch attribute.value {
      case .text(let text):
        writer.raw(#"{"stringValue":"#)
        writer.string(text)
      case .number(let number):
        writer.raw(#"{"intValue":"#)
        writer.string(String(number))
      case .seconds(let seconds):
        writer.raw(#"{"doubleValue":"#)
        writer.raw(String(seconds).utf8.span)
      }
      writer.raw("}}")
    }
    writer.byte(JSONWriter.closeBracket)
  }
}
