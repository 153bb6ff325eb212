package import HTTPTypes

/// A whole request: its head, its body, and the received bytes that both refer to.
///
/// Making one copies no bytes: it shares the connection's receive buffer, which is not changed as long
/// as the request is being answered. Keep what you need of it, not the request itself: a request that
/// outlives its answer makes the connection leave the buffer to it and take a new one.
///
///     guard request.method == .post, request.hasPath("/transactions") else { … }
///     let document = parse(request.body)
package struct Request: Sendable {
  package let head: RequestHead
  private let bytes: [UInt8]
  private let start: Int
  /// The bytes that hold the body: at `bodyRange`, perhaps between others.
  package let bodyBuffer: [UInt8]
  /// Where the body stands in `bodyBuffer`.
  package let bodyRange: Range<Int>

  /// A request whose head begins at `start` of the received `bytes`, and whose body is in `bodyBuffer`.
  init(
    head: RequestHead, in bytes: [UInt8], from start: Int, body bodyBuffer: [UInt8],
    at bodyRange: Range<Int>
  ) {
    self.head = head
    self.bytes = bytes
    self.start = start
    self.bodyBuffer = bodyBuffer
    self.bodyRange = bodyRange
  }

  package var method: HTTPRequest.Method { head.method }

  /// The body without transfer codings; empty if there is none.
  package var body: Span<UInt8> {
    @_lifetime(borrow self)
    get { bodyBuffer.span.extracting(bodyRange) }
  }

  // MARK: Target

  /// Whom the request is for, with the port if one is told: the authority of a target in absolute-form, which overrides
  /// the field `Host` (RFC 9112, section 3.2.2).
  @_lifetime(borrow self)
  package func host() -> Span<UInt8>? {
    guard let value = head.authority ?? valueRange("host") else { return nil }
    let range = start + Int(value.start)..<start + Int(value.end)
    return bytes.span.extracting(range)
  }

  /// The same as text.
  package var hostText: String? { head.authority.map(string) ?? fieldText("host") }

  /// The path of the target as it came, percent-encoded.
  package var path: String { string(head.path) }

  /// Whether the path is exactly `path`, byte by byte.
  ///
  /// Nothing is decoded or normalised first, so that no other spelling of a path reaches what a proxy
  /// before us guards by its usual spelling.
  package func hasPath(_ path: String) -> Bool {
    let expected = path.utf8.span
    let actual = span(head.path)
    guard actual.count == expected.count else { return false }
    for index in expected.indices where actual[index] != expected[index] { return false }
    return true
  }

  /// Whether the path begins with `prefix`, byte by byte.
  package func hasPath(prefix: String) -> Bool {
    let expected = prefix.utf8.span
    let actual = span(head.path)
    guard actual.count >= expected.count else { return false }
    for index in expected.indices where actual[index] != expected[index] { return false }
    return true
  }

  /// The decoded segments of the path; nil if one is not UTF-8 or holds a control character.
  ///
  /// The path is split first: an encoded slash never separates (RFC 3986, section 2.2).
  package var pathSegments: [String]? {
    var segments: [String] = []
    for segment in span(head.path).split(at: UInt8(ascii: "/")).dropFirst() {
      guard
        let text = PercentEncoding.decode(span(head.path).extracting(segment), plusIsSpace: false)
      else { return nil }
      segments.append(text)
    }
    return segments
  }

  /// The decoded value of a query parameter, the first if there are several; nil if there is none or
  /// if it is not UTF-8.
  package func queryValue(_ name: String) -> String? {
    guard let query = head.query else { return nil }
    let bytes = span(query)
    for parameter in bytes.split(at: UInt8(ascii: "&")) {
      var end = parameter.lowerBound
      while end < parameter.upperBound, bytes[end] != UInt8(ascii: "=") { end += 1 }
      let key = bytes.extracting(parameter.lowerBound..<end)
      guard PercentEncoding.decode(key, plusIsSpace: true) == name else { continue }
      let value = bytes.extracting(min(end + 1, parameter.upperBound)..<parameter.upperBound)
      return PercentEncoding.decode(value, plusIsSpace: true)
    }
    return nil
  }

  // MARK: Fields

  /// The value of a field, whose name is given in lower case: of its first line, if there are several.
  @_lifetime(borrow self)
  package func field(_ name: String) -> Span<UInt8>? {
    guard let value = valueRange(name) else { return nil }
    let range = start + Int(value.start)..<start + Int(value.end)
    return bytes.span.extracting(range)
  }

  private func valueRange(_ name: String) -> ByteRange? {
    let name = name.utf8.span
    // Several fields are looked for in each request: nearly all are told apart by their lengths.
    let fields = head.fields.span
    for index in fields.indices where fields[index].name.count == name.count {
      if ByteClass.matches(span(fields[index].name), name) { return fields[index].value }
    }
    return nil
  }

  /// The value of a field as text: of all its lines, joined by ", " (RFC 9110, section 5.3).
  ///
  /// What may occur only once is malformed when it was sent twice, and its own syntax shows it then.
  package func fieldText(_ name: String) -> String? {
    var text: String?
    for field in head.fields where ByteClass.matches(span(field.name), name) {
      let value = string(field.value)
      text = text.map { "\($0), \(value)" } ?? value
    }
    return text
  }

  /// How many lines a field has.
  package func fieldCount(_ name: String) -> Int {
    var count = 0
    for field in head.fields where ByteClass.matches(span(field.name), name) { count += 1 }
    return count
  }

  // MARK: Bytes

  /// The bytes of a part of the head.
  @_lifetime(borrow self)
  package func span(_ range: ByteRange) -> Span<UInt8> {
    bytes.span.extracting(start + Int(range.start)..<start + Int(range.end))
  }

  private func string(_ range: ByteRange) -> String {
    String(decoding: bytes[start + Int(range.start)..<start + Int(range.end)], as: UTF8.self)
  }
}
