internal import TransomHTTP

/// Media types (RFC 9110, section 8.3.1).
package enum MediaType {
  /// Whether a Content-Type says JSON: `application/json` or `…+json` (RFC 6839, section 3.1), with any parameters.
  ///
  /// None at all does not: a web page of another origin can send a request without one to a service on this
  /// machine without asking first (Fetch standard, "CORS-safelisted request-header").
  package static func isJSON(_ value: Span<UInt8>?) -> Bool {
    guard let value else { return false }
    // As nearly every client writes it.
    if value.elementsEqual("application/json") { return true }
    var text: [UInt8] = []
    for index in value.indices {
      let byte = value[index]
      if byte == UInt8(ascii: ";") { break }
      // Letters to lower case; types hold nothing else that this would change and that is allowed in them.
      text.append(byte | (UInt8(ascii: "A")...UInt8(ascii: "Z") ~= byte ? 0x20 : 0))
    }
    while text.last == UInt8(ascii: " ") || text.last == UInt8(ascii: "\t") { text.removeLast() }
    if text.elementsEqual("application/json".utf8) { return true }
    return text.starts(with: "application/".utf8) && text.suffix(5).elementsEqual("+json".utf8)
  }

  /// Whether a client wants the answer in lines of JSON rather than as one document (RFC 9110, section 12.5.1): it names
  /// `application/x-ndjson`, and does not want `application/json` as much.
  ///
  /// What it says of wildcards does not count: whoever takes anything gets the document.
  static func prefersLines(_ request: Request) -> Bool {
    guard let field = request.field("accept") else { return false }
    // As nearly every client writes it.
    guard !field.elementsEqual("*/*"), !field.elementsEqual("application/json") else {
      return false
    }
    var lines = 0.0
    var document = 0.0
    for range in (request.fieldText("accept") ?? "").split(separator: ",") {
      let parts = range.split(separator: ";").map { Self.trimmed($0).lowercased() }
      switch parts.first {
      case "application/x-ndjson": lines = max(lines, quality(parts.dropFirst()))
      case "application/json": document = max(document, quality(parts.dropFirst()))
      default: continue
      }
    }
    return lines > document
  }

  /// The weight of a media range (RFC 9110, section 12.4.2); 0 if it is malformed.
  private static func quality(_ parameters: some Sequence<String>) -> Double {
    guard let weight = parameters.first(where: { $0.hasPrefix("q=") }) else { return 1 }
    return Double(weight.dropFirst(2)).flatMap { 0...1 ~= $0 ? $0 : nil } ?? 0
  }

  private static func trimmed(_ text: Substring) -> Substring {
    var text = text
    while let last = text.last, last == " " || last == "\t" { text.removeLast() }
    return text.drop { $0 == " " || $0 == "\t" }
  }
}
