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
}
