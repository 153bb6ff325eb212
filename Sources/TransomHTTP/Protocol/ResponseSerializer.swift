package import HTTPTypes

/// What the response says about the connection (RFC 9112, section 9.3).
package enum Persistence: Equatable, Sendable {
  /// It stays open, as is usual for HTTP/1.1: nothing is said.
  case open
  /// It stays open, and an HTTP/1.0 client has to be told.
  case keptAlive
  /// It is closed after the response.
  case closed
}

/// How the recipient finds the end of a body (RFC 9112, section 6).
package enum ResponseFraming: Equatable, Sendable {
  /// By the length that the head states: the body is there as a whole.
  case length
  /// Each part states its own, and the last one is empty.
  case chunked
  /// The connection is closed: for a client of HTTP/1.0, which knows no chunks.
  case untilClose
}

/// Turns responses into bytes (RFC 9112, section 4).
package enum ResponseSerializer {
  /// `HTTP/1.1 100 Continue` (RFC 9110, section 15.2.1).
  package static let continueResponse = Array("HTTP/1.1 100 Continue\r\n\r\n".utf8)

  /// Appends everything before the body, the empty line included.
  ///
  /// A response to HEAD has the same head as one to GET, the length of the body that is left out
  /// included (RFC 9110, section 9.3.2).
  package static func appendHead(
    of response: borrowing Response, date: HTTPDate, persistence: Persistence,
    framing: ResponseFraming = .length, to bytes: inout [UInt8]
  ) {
    // In two pieces, as to append takes long however little it is.
    var start = okThenDate
    if response.status != .ok {
      appendStatusLine(response.status, to: &bytes)
      start = dateName
    }
    let statesLength = framing == .length && mayHaveBody(response.status)
    bytes.append(
      joining: start, date.restOfLine, response.contentType?.line ?? [],
      framing == .chunked ? chunkedLine : statesLength ? contentLength : [])
    if statesLength { bytes.appendDecimal(response.body.count) }
    let connection =
      switch persistence {
      case .open: [UInt8]()
      case .keptAlive: keepAliveLine
      case .closed: closeLine
      }
    bytes.append(
      joining: statesLength ? lineEnd : [], connection, response.fields.bytes, lineEnd)
  }

  private static let okThenDate = Array("HTTP/1.1 200 OK\r\nDate: ".utf8)
  private static let dateName = Array("Date: ".utf8)
  private static let contentLength = Array("Content-Length: ".utf8)
  private static let chunkedLine = Array("Transfer-Encoding: chunked\r\n".utf8)
  private static let keepAliveLine = Array("Connection: keep-alive\r\n".utf8)
  private static let closeLine = Array("Connection: close\r\n".utf8)
  private static let lineEnd = Array("\r\n".utf8)

  /// Appends what stands before a part of a chunked body: the end of the one before, and this one's length; a part of
  /// no bytes ends the body (RFC 9112, section 7.1).
  package static func appendChunkHead(length: Int, isFirst: Bool, to bytes: inout [UInt8]) {
    if !isFirst { bytes.append(contentsOf: "\r\n".utf8) }
    bytes.append(contentsOf: String(length, radix: 16).utf8)
    bytes.append(contentsOf: length == 0 ? "\r\n\r\n".utf8 : "\r\n".utf8)
  }

  /// Whether the body is sent, in answer to a request that is or is not a HEAD (RFC 9112, section 6.3).
  package static func sendsBody(_ status: HTTPResponse.Status, isHead: Bool) -> Bool {
    !isHead && mayHaveBody(status)
  }

  /// 1xx, 204 and 304 end with their head, and state no length (RFC 9110, section 8.6).
  private static func mayHaveBody(_ status: HTTPResponse.Status) -> Bool {
    !(status.code < 200 || status.code == 204 || status.code == 304)
  }

  /// `HTTP-version SP status-code SP [ reason-phrase ] CRLF`.
  private static func appendStatusLine(_ status: HTTPResponse.Status, to bytes: inout [UInt8]) {
    bytes.append(contentsOf: "HTTP/1.1 ".utf8)
    bytes.appendDecimal(status.code)
    bytes.append(ByteClass.space)
    bytes.append(contentsOf: status.reasonPhrase.utf8)
    bytes.append(contentsOf: "\r\n".utf8)
  }
}
