/// What the fields of a head say about where the body ends and what becomes of the connection.
///
/// Everything here that is doubtful is refused, never repaired: a proxy before us may have repaired
/// it in another way (RFC 9112, section 11.2).
struct MessageFraming {
  private enum TransferCoding {
    case none
    case chunked
    case malformed
    /// One that is not chunked came last: nothing tells where the body ends.
    case unknownLast
    /// Chunked came last, after one that we do not know.
    case unknownInside
  }

  private var contentLength: Int?
  private var coding = TransferCoding.none
  private var hasHost = false
  private var closes = false
  private var staysOpen = false
  private(set) var expectsContinue = false

  /// Takes one field line; fields that do not matter here cost one look at their length.
  mutating func take(
    name: Span<UInt8>, value: Span<UInt8>, at offset: Int
  ) throws(ParseError) {
    switch name.count {
    case 4 where ByteClass.matches(name, "host"):
      guard !hasHost else { throw ParseError(.hostRepeated, at: offset) }
      guard Self.isHost(value) else { throw ParseError(.hostMalformed, at: offset) }
      hasHost = true
    case 6 where ByteClass.matches(name, "expect"):
      guard ByteClass.matches(value, "100-continue") else {
        throw ParseError(.expectationNotSupported, at: offset)
      }
      expectsContinue = true
    case 10 where ByteClass.matches(name, "connection"):
      takeConnectionOptions(value)
    case 14 where ByteClass.matches(name, "content-length"):
      // Equal values might be taken for one; a sender that repeats them is broken all the same.
      guard contentLength == nil else { throw ParseError(.contentLengthRepeated, at: offset) }
      guard let length = Self.decimal(value) else {
        throw ParseError(.contentLengthMalformed, at: offset)
      }
      contentLength = length
    case 17 where ByteClass.matches(name, "transfer-encoding"):
      takeTransferCodings(value)
    default:
      break
    }
  }

  /// Where the body ends (RFC 9112, section 6.3).
  func body(
    version: RequestHead.Version, limit: Int, at offset: Int
  ) throws(ParseError) -> BodyFraming {
    guard hasHost || version == .http10 else { throw ParseError(.hostMissing, at: offset) }
    switch coding {
    case .none:
      guard let contentLength, contentLength > 0 else { return .none }
      guard contentLength <= limit else { throw ParseError(.bodyTooLarge, at: offset) }
      return .length(contentLength)
    case _ where contentLength != nil:
      throw ParseError(.transferEncodingWithContentLength, at: offset)
    case _ where version == .http10:
      throw ParseError(.transferEncodingInHTTP10, at: offset)
    case .malformed:
      throw ParseError(.transferEncodingMalformed, at: offset)
    case .unknownLast:
      throw ParseError(.transferEncodingWithoutEnd, at: offset)
    case .unknownInside:
      throw ParseError(.transferCodingNotSupported, at: offset)
    case .chunked:
      return .chunked
    }
  }

  /// Whether the connection stays open after the answer (RFC 9112, section 9.3).
  func keepsAlive(version: RequestHead.Version) -> Bool {
    switch version {
    case .http11: !closes
    case .http10: staysOpen && !closes
    }
  }

  private mutating func takeConnectionOptions(_ value: Span<UInt8>) {
    var rest = ListElements(value)
    while let element = rest.next() {
      if ByteClass.matches(value.extracting(element), "close") { closes = true }
      if ByteClass.matches(value.extracting(element), "keep-alive") { staysOpen = true }
    }
  }

  /// Several field lines are one list (RFC 9110, section 5.3), so this goes on where the last ended.
  private mutating func takeTransferCodings(_ value: Span<UInt8>) {
    var rest = ListElements(value)
    while let element = rest.next() {
      let isChunked = ByteClass.matches(value.extracting(element), "chunked")
      let isToken = !element.isEmpty && element.allSatisfy { ByteClass.isToken(value[$0]) }
      switch coding {
      case .malformed: return
      // Nothing may follow chunked, itself included (RFC 9112, section 6.1).
      case .chunked, .unknownInside: coding = .malformed
      case .none where isChunked: coding = .chunked
      case .unknownLast where isChunked: coding = .unknownInside
      case .none, .unknownLast: coding = isToken ? .unknownLast : .malformed
      }
    }
  }

  /// `Content-Length = 1*DIGIT` (RFC 9110, section 8.6); nil also if it is too large for an `Int`.
  static func decimal(_ bytes: Span<UInt8>) -> Int? {
    guard !bytes.isEmpty else { return nil }
    var number = 0
    for index in bytes.indices {
      guard let digit = ByteClass.digit(bytes[index]), number <= (Int.max - digit) / 10 else {
        return nil
      }
      number = number * 10 + digit
    }
    return number
  }

  /// `Host = uri-host [ ":" port ]` (RFC 9110, section 7.2); an empty one is allowed.
  ///
  /// What stands in brackets is an IPv6 address: of its characters, and not empty.
  static func isHost(_ bytes: Span<UInt8>) -> Bool {
    var isBracketed = false
    var colon: Int?
    for index in bytes.indices {
      guard ByteClass.isHost(bytes[index]) else { return false }
      switch bytes[index] {
      case UInt8(ascii: "["):
        guard index == 0 else { return false }
        isBracketed = true
      case UInt8(ascii: "]"):
        guard isBracketed, index > 1 else { return false }
        isBracketed = false
        let next = index + 1
        guard next == bytes.count || bytes[next] == UInt8(ascii: ":") else { return false }
      case UInt8(ascii: ":") where !isBracketed:
        guard colon == nil else { return false }
        colon = index
      case UInt8(ascii: ":"), UInt8(ascii: "."):
        // In a port there is neither; a name has no colon.
        guard colon == nil else { return false }
      case let byte where isBracketed:
        guard ByteClass.hexDigit(byte) != nil else { return false }
      default:
        guard colon == nil || ByteClass.digit(bytes[index]) != nil else { return false }
      }
    }
    return !isBracketed
  }
}

/// The elements of a comma-separated list, without the white space around them (RFC 9110, section 5.6.1).
/// Empty elements are given too: whoever asks decides about them.
struct ListElements: ~Escapable {
  private let bytes: Span<UInt8>
  private var start: Int? = 0

  @_lifetime(copy bytes)
  init(_ bytes: Span<UInt8>) { self.bytes = bytes }

  mutating func next() -> Range<Int>? {
    guard var first = start else { return nil }
    var end = first
    while end < bytes.count, bytes[end] != UInt8(ascii: ",") { end += 1 }
    start = end < bytes.count ? end + 1 : nil
    while first < end, ByteClass.isSpaceOrTab(bytes[first]) { first += 1 }
    while first < end, ByteClass.isSpaceOrTab(bytes[end - 1]) { end -= 1 }
    return first..<end
  }
}
