internal import HTTPTypes

/// The parts of a request-target that matter to an origin server (RFC 9112, section 3.2).
struct RequestTarget {
  /// Whom an absolute-form names.
  let authority: ByteRange?
  let path: ByteRange
  let query: ByteRange?

  /// Takes a target whose bytes are all allowed in a URI; `offset` is where it stands in the request.
  init(
    _ bytes: Span<UInt8>, method: HTTPRequest.Method, at offset: Int
  ) throws(ParseError) {
    guard !bytes.isEmpty else { throw ParseError(.targetMalformed, at: offset) }
    try Self.checkPercentEncoding(bytes, at: offset)
    let start: Int
    switch bytes[0] {
    case UInt8(ascii: "/"):
      authority = nil
      start = 0
    case UInt8(ascii: "*") where bytes.count == 1 && method == .options:
      authority = nil
      path = ByteRange(offset, offset + 1)
      query = nil
      return
    default:
      guard let host = Self.authority(bytes) else {
        throw ParseError(.targetMalformed, at: offset)
      }
      authority = ByteRange(offset + host.lowerBound, offset + host.upperBound)
      start = host.upperBound
      guard start < bytes.count, bytes[start] == UInt8(ascii: "/") else {
        // "http://host" means "http://host/" (RFC 9110, section 4.2.3): there is a slash before the host.
        path = ByteRange(offset + host.lowerBound - 1, offset + host.lowerBound)
        query =
          start < bytes.count ? ByteRange(offset + start + 1, offset + bytes.count) : nil
        return
      }
    }
    var end = start
    while end < bytes.count, bytes[end] != UInt8(ascii: "?") { end += 1 }
    path = ByteRange(offset + start, offset + end)
    query = end < bytes.count ? ByteRange(offset + end + 1, offset + bytes.count) : nil
  }

  /// Where the authority of an absolute-form stands; nil if the target has another form.
  private static func authority(_ bytes: Span<UInt8>) -> Range<Int>? {
    let start: Int
    if bytes.count > 7, ByteClass.matches(bytes.extracting(0..<7), "http://") {
      start = 7
    } else if bytes.count > 8, ByteClass.matches(bytes.extracting(0..<8), "https://") {
      start = 8
    } else {
      return nil
    }
    var end = start
    while end < bytes.count, bytes[end] != UInt8(ascii: "/"), bytes[end] != UInt8(ascii: "?") {
      end += 1
    }
    // http requires a host (RFC 9110, section 4.2.1) and never had user information (4.2.4).
    guard end > start, bytes[start] != UInt8(ascii: ":"),
      MessageFraming.isHost(bytes.extracting(start..<end))
    else { return nil }
    return start..<end
  }

  /// Each "%" stands before two hexadecimal digits (RFC 3986, section 2.1).
  private static func checkPercentEncoding(
    _ bytes: Span<UInt8>, at offset: Int
  ) throws(ParseError) {
    for index in bytes.indices where bytes[index] == UInt8(ascii: "%") {
      guard index + 2 < bytes.count, ByteClass.hexDigit(bytes[index + 1]) != nil,
        ByteClass.hexDigit(bytes[index + 2]) != nil
      else { throw ParseError(.targetMalformed, at: offset + index) }
    }
  }
}
