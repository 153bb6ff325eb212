internal import TransomService

extension Catalogue {
  /// Where spans are sent, and of which requests.
  static let tracing: [Setting<Settings>] = [
    .text(
      ["tracing", "endpoint"], "URL",
      "A collector of OpenTelemetry that takes OTLP/HTTP, such as http://127.0.0.1:4318; requests have spans then."
    ) {
      try $0.service.tracing.export(to: $1)
    } show: {
      $0.service.tracing.endpoint
    },
    .text(
      ["tracing", "sample"], "RATIO",
      "Of requests without a traceparent, which decides itself, the part that is traced: from 0 to 1."
    ) {
      $0.service.tracing.sampled = try millionths($1)
    } show: {
      text(ofMillionths: $0.service.tracing.sampled)
    },
    .text(["tracing", "service_name"], "NAME", "What the service is called in its traces.") {
      guard 1...255 ~= $1.utf8.count else { throw Allowed("a name of up to 255 bytes") }
      $0.service.tracing.serviceName = $1
    } show: {
      $0.service.tracing.serviceName
    },
    .list(
      ["tracing", "headers"], "NAME=VALUE",
      "Fields of each request to the collector, such as authorization=Bearer…"
    ) {
      try $0.service.tracing.send(headers: $1)
    } show: {
      $0.service.tracing.headers.map { "\($0.name)=\(Mask.secret)" }
    }.secret,
  ]

  private static func millionths(_ text: String) throws(Allowed) -> Int {
    guard let match = text.wholeMatch(of: #/([01])(?:\.([0-9]{1,6}))?/#),
      let whole = Int(match.output.1)
    else { throw Allowed("a number from 0 to 1, with up to six digits behind the point") }
    let digits = match.output.2 ?? ""
    let part = Int(digits + String(repeating: "0", count: 6 - digits.count)) ?? 0
    let sum = whole * TracingConfiguration.all + part
    guard sum <= TracingConfiguration.all else { throw Allowed("a number from 0 to 1") }
    return sum
  }

  private static func text(ofMillionths number: Int) -> String {
    let (whole, part) = number.quotientAndRemainder(dividingBy: TracingConfiguration.all)
    guard part > 0 else { return "\(whole)" }
    var digits = String(part)
    digits = String(repeating: "0", count: 6 - digits.count) + digits
    while digits.last == "0" { digits.removeLast() }
    return "\(whole).\(digits)"
  }
}
