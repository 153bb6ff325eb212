internal import HTTPTypes

/// Finds the head of a request in bytes that arrive in any portions (RFC 9112, sections 2 to 5).
///
/// Give it all bytes since the request's first one, again and longer each time: it goes on where it
/// stopped, so that a slow sender does not make it read anything twice. It is strict: what RFC 9112
/// allows a server to repair is refused, because somebody before us may have repaired it differently.
///
/// Rules of this file:
/// 1. Offsets count from the request's first byte.
/// 2. The outcome depends on the bytes, not on the portions in which they came.
package struct RequestParser {
  package enum Progress: Equatable, Sendable {
    /// The head is not complete yet.
    case needMore
    /// `head` is complete.
    case complete
  }

  private enum State {
    case requestLine(mayBeEmpty: Bool)
    case fields
    case complete
  }

  let limits: RequestLimits
  private var state = State.requestLine(mayBeEmpty: true)
  private var lineStart = 0
  private var fieldsStart = 0
  /// The first byte that has not been looked at.
  private var position = 0
  private var framing = MessageFraming()

  /// The head, once it is complete.
  package private(set) var head = RequestHead()

  package init(limits: RequestLimits = RequestLimits()) {
    self.limits = limits
  }

  /// Makes the parser ready for another request, keeping its memory.
  package mutating func reset() {
    state = .requestLine(mayBeEmpty: true)
    lineStart = 0
    fieldsStart = 0
    position = 0
    framing = MessageFraming()
    head.clear()
  }

  /// Whether so many bytes hold the beginning of a request; an empty line before it is none.
  package func hasBegun(count: Int) -> Bool { count > lineStart || fieldsStart > 0 }

  /// Goes on parsing; `bytes[start...]` are all that has come since the request's first byte.
  package mutating func parse(
    _ bytes: [UInt8], from start: Int = 0
  ) throws(ParseError) -> Progress {
    let bytes = bytes.span.extracting(start...)
    while true {
      switch state {
      case .requestLine(let mayBeEmpty):
        let limit = lineStart + limits.requestLine
        guard let end = try scanLine(bytes, limit: limit, .requestLineTooLong) else {
          return .needMore
        }
        if mayBeEmpty, end == lineStart {
          // One empty line before the request line is ignored (RFC 9112, section 2.2).
          state = .requestLine(mayBeEmpty: false)
        } else {
          try parseRequestLine(bytes, end: end)
          fieldsStart = position
          state = .fields
        }
        lineStart = position
      case .fields:
        let limit = fieldsStart + limits.headerSection
        guard let end = try scanLine(bytes, limit: limit, .headerSectionTooLarge) else {
          return .needMore
        }
        guard end > lineStart else {
          try endHead()
          return .complete
        }
        try parseField(bytes, end: end)
        lineStart = position
      case .complete:
        return .complete
      }
    }
  }

  /// Looks for the end of the current line; gives the offset of its CR.
  ///
  /// All bytes before it are field content: a control character ends the search.
  private mutating func scanLine(
    _ bytes: Span<UInt8>, limit: Int, _ excess: ParseError.Reason
  ) throws(ParseError) -> Int? {
    let count = bytes.count
    let index = bytes.endOfFieldContent(from: position)
    position = index
    guard index <= limit else { throw ParseError(excess, at: limit) }
    guard index < count else { return nil }
    switch bytes[index] {
    case ByteClass.carriageReturn:
      guard index + 1 < count else { return nil }
      guard bytes[index + 1] == ByteClass.lineFeed else {
        throw ParseError(.bareCarriageReturn, at: index)
      }
      position = index + 2
      return index
    case ByteClass.lineFeed:
      throw ParseError(.bareLineFeed, at: index)
    default:
      throw ParseError(.controlCharacter, at: index)
    }
  }

  // MARK: Request line

  private mutating func parseRequestLine(
    _ bytes: Span<UInt8>, end: Int
  ) throws(ParseError) {
    var index = lineStart
    while index < end, ByteClass.isToken(bytes[index]) { index += 1 }
    guard index > lineStart, index < end, bytes[index] == ByteClass.space else {
      throw ParseError(.requestLineMalformed, at: index)
    }
    let method = bytes.extracting(lineStart..<index)
    let target = index + 1
    index = target
    while index < end, ByteClass.isTarget(bytes[index]) { index += 1 }
    guard index == end || bytes[index] == ByteClass.space else {
      throw ParseError(.targetMalformed, at: index)
    }
    guard index > target, index < end else { throw ParseError(.requestLineMalformed, at: index) }
    head.version = try Self.version(bytes.extracting(index + 1..<end), at: index + 1)
    guard let known = Self.method(method), known != .connect else {
      throw ParseError(.methodNotImplemented, at: lineStart)
    }
    head.method = known
    let parts = try RequestTarget(
      bytes.extracting(target..<index), method: head.method, at: target)
    head.path = parts.path
    head.authority = parts.authority
    head.query = parts.query
  }

  /// The methods that are asked for need no allocation.
  private static func method(_ bytes: Span<UInt8>) -> HTTPRequest.Method? {
    switch bytes.count {
    case 3 where isEqual(bytes, "GET"): return .get
    case 4 where isEqual(bytes, "POST"): return .post
    case 4 where isEqual(bytes, "HEAD"): return .head
    case 5 where isEqual(bytes, "PATCH"): return .patch
    case 6 where isEqual(bytes, "DELETE"): return .delete
    case 7 where isEqual(bytes, "OPTIONS"): return .options
    case 7 where isEqual(bytes, "CONNECT"): return .connect
    default:
      // Any token is a method; a token is ASCII.
      let name = bytes.indices.map { bytes[$0] }
      return HTTPRequest.Method(String(decoding: name, as: UTF8.self))
    }
  }

  private static func isEqual(_ bytes: Span<UInt8>, _ text: String) -> Bool {
    let expected = text.utf8.span
    guard bytes.count == expected.count else { return false }
    for index in expected.indices where bytes[index] != expected[index] { return false }
    return true
  }

  /// `HTTP-version = "HTTP/" DIGIT "." DIGIT` (RFC 9112, section 2.3).
  ///
  /// A later minor version is taken for the latest that we know (RFC 9110, section 6.2).
  private static func version(
    _ bytes: Span<UInt8>, at offset: Int
  ) throws(ParseError) -> RequestHead.Version {
    guard bytes.count == 8, isEqual(bytes.extracting(0..<5), "HTTP/"),
      let major = ByteClass.digit(bytes[5]), bytes[6] == UInt8(ascii: "."),
      let minor = ByteClass.digit(bytes[7])
    else { throw ParseError(.versionMalformed, at: offset) }
    switch (major, minor) {
    case (1, 0): return .http10
    case (1, _): return .http11
    default: throw ParseError(.versionNotSupported, at: offset)
    }
  }

  // MARK: Fields

  /// `field-line = field-name ":" OWS field-value OWS` (RFC 9112, section 5).
  private mutating func parseField(_ bytes: Span<UInt8>, end: Int) throws(ParseError) {
    var colon = lineStart
    while colon < end, ByteClass.isToken(bytes[colon]) { colon += 1 }
    guard colon > lineStart, colon < end, bytes[colon] == UInt8(ascii: ":") else {
      throw malformedField(bytes, at: colon, end: end)
    }
    guard head.fields.count < limits.fieldCount else {
      throw ParseError(.tooManyFields, at: lineStart)
    }
    var start = colon + 1
    var stop = end
    while start < stop, ByteClass.isSpaceOrTab(bytes[start]) { start += 1 }
    while stop > start, ByteClass.isSpaceOrTab(bytes[stop - 1]) { stop -= 1 }
    head.fields.append(
      RequestHead.Field(name: ByteRange(lineStart, colon), value: ByteRange(start, stop)))
    try framing.take(
      name: bytes.extracting(lineStart..<colon), value: bytes.extracting(start..<stop),
      at: lineStart)
  }

  private func malformedField(_ bytes: Span<UInt8>, at index: Int, end: Int) -> ParseError {
    guard index < end, ByteClass.isSpaceOrTab(bytes[index]) else {
      return ParseError(.fieldNameMalformed, at: index)
    }
    // A line that begins with white space continues the last one in old HTTP (RFC 9112, section 5.2).
    return ParseError(index == lineStart ? .obsoleteFold : .whitespaceBeforeColon, at: index)
  }

  private mutating func endHead() throws(ParseError) {
    head.body = try framing.body(version: head.version, limit: limits.body, at: lineStart)
    head.keepsAlive = framing.keepsAlive(version: head.version)
    // An HTTP/1.0 client knows no 100 (RFC 9110, section 10.1.1).
    head.expectsContinue = framing.expectsContinue && head.version == .http11
    head.length = position
    state = .complete
  }
}
