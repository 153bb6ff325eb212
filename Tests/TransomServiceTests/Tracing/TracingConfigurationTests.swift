import Testing
import TransomMetrics
import TransomWebhooks

@testable import TransomService

struct TracingConfigurationTests {
  @Test(arguments: [
    ("http://127.0.0.1:4318", "http://127.0.0.1:4318/v1/traces"),
    ("https://otel.example/", "https://otel.example/v1/traces"),
    ("http://[::1]:4318/base/", "http://[::1]:4318/base/v1/traces"),
  ])
  func `spans are posted to v1 traces below the endpoint`(_ given: String, _ target: String) throws
  {
    var tracing = TracingConfiguration()
    #expect(tracing.target == nil)
    try tracing.export(to: given)
    #expect(tracing.target?.text == target && tracing.endpoint == given)
  }

  @Test(arguments: [
    "", "127.0.0.1:4318", "grpc://a", "http://u:p@a", "http://a/?b=c", "http://a/#b", "http://",
  ])
  func `an endpoint that is no plain URL is refused`(_ text: String) {
    var tracing = TracingConfiguration()
    #expect(throws: ServiceConfiguration.Flaw.self) { try tracing.export(to: text) }
    #expect(tracing.target == nil)
  }

  @Test(arguments: [
    "", "a", "=b", "a=", "a b=c", "a:=c", "a=b\r\nc: d", "a=ü", "Host=a", "content-type=b",
    "transfer-encoding=chunked",
  ])
  func `a header that is none, or would be another part of the request, is refused`(
    _ text: String
  ) {
    var tracing = TracingConfiguration()
    #expect(throws: ServiceConfiguration.Flaw.self) { try tracing.send(headers: [text]) }
  }

  @Test(
    arguments: [
      ("a.example", "a.example", nil), ("a.example:80", "a.example", 80),
      ("[::1]:8080", "::1", 8080),
      ("[::1]", "::1", nil), ("::1", "::1", nil), ("a:b", "a:b", nil), ("", "", nil),
    ] as [(String, String, Int?)])
  func `a host is told with its port apart`(_ text: String, _ name: String, _ port: Int?) {
    let host = RequestSpan.host(text)
    #expect(host.name == name && host.port == port)
  }

  @Test func `spans beyond the limit are dropped, the newest first`() {
    let buffer = SpanBuffer(in: MetricsRegistry())
    var announced = 0
    for number in 0..<3000 {
      let span = TraceSpan(
        traceID: "a", id: "\(number)", name: "b", kind: .server, start: 0, end: 0)
      if buffer.append([span]) { announced += 1 }
    }
    #expect(announced == 1)
    var taken: [String] = []
    while case let batch = buffer.take(), !batch.isEmpty {
      #expect(batch.count == SpanBuffer.batch)
      taken += batch.map(\.id)
    }
    #expect(taken == (0..<SpanBuffer.limit).map(String.init))
  }

  @Test func `what clients choose is cut in a span`() {
    var span = TraceSpan(traceID: "a", id: "b", name: "c", kind: .client, start: 5, end: 3)
    span.set("url.path", String(repeating: "/", count: 5000))
    span.set("quoted", "\"\u{1}")
    span.set("duration", seconds: 0.25)
    let resource = TraceDocument.Resource(serviceName: "s", version: "1", instance: "i")
    let text = String(
      decoding: TraceDocument(resource: resource).bytes(of: [span]), as: UTF8.self)
    #expect(text.utf8.count < 2000)
    #expect(text.contains(#""stringValue":"\"\u0001""#))
    #expect(text.contains(#"{"key":"duration","value":{"doubleValue":0.25}}"#))
    // No span ends before it begins.
    #expect(text.contains(#""startTimeUnixNano":"5","endTimeUnixNano":"5""#))
  }
}
