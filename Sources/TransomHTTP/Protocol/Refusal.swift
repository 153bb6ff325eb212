package import HTTPTypes

/// Why the server itself answers, and then closes the connection. No handler has seen the request.
package enum Refusal: Error, Equatable, Sendable {
  /// The bytes are no request, or one over the limits.
  case malformed(ParseError)
  /// The client closed its side in the middle of a request.
  case incomplete
  /// The head did not come in time.
  case headTimedOut
  /// The body did not come in time.
  case bodyTimedOut
  /// The server has as many connections as it may have.
  case tooManyConnections
}

/// How a refusal is told, in terms of RFC 9457: each reason has its status, type and title here.
extension Refusal {
  package var status: HTTPResponse.Status {
    switch self {
    case .malformed(let error): error.reason.status
    case .incomplete: .badRequest
    case .headTimedOut, .bodyTimedOut: .requestTimeout
    case .tooManyConnections: .serviceUnavailable
    }
  }

  /// The stable part of the problem's type: `/problems/<code>`.
  package var code: String {
    switch status.code {
    case 408: "request-timeout"
    case 413: "body-too-large"
    case 414: "target-too-long"
    case 417: "expectation-failed"
    case 431: "header-section-too-large"
    case 501: "not-implemented"
    case 503: "too-many-connections"
    case 505: "http-version-not-supported"
    default: "malformed-request"
    }
  }

  package var title: String {
    switch status.code {
    case 408: "The request did not arrive in time"
    case 413: "The body is too large"
    case 414: "The request line is too long"
    case 417: "The expectation cannot be met"
    case 431: "The header section is too large"
    case 501: "Not implemented"
    case 503: "Too many connections"
    case 505: "This version of HTTP is not supported"
    default: "The request is not valid HTTP/1.1"
    }
  }

  package var detail: String {
    switch self {
    case .malformed(let error): "\(error.reason.detail) (at byte \(error.offset) of the request)"
    case .incomplete: "the connection was closed before the request was complete"
    case .headTimedOut: "the header section was not complete in time"
    case .bodyTimedOut: "the body was not complete in time"
    case .tooManyConnections: "the server has as many connections as it may have; try again later"
    }
  }

  /// Whether the same request may succeed later.
  package var isRetryable: Bool {
    switch self {
    case .malformed, .incomplete: false
    case .headTimedOut, .bodyTimedOut, .tooManyConnections: true
    }
  }

  /// The problem document (RFC 9457): nothing was begun, so nothing is stored.
  package var response: Response {
    var response = Response(status, contentType: .problem)
    // None of these texts holds a character that JSON escapes.
    let document = """
      {"type":"/problems/\(code)","title":"\(title)","status":\(status.code),\
      "detail":"\(detail)","outcome":"not_started","retryable":\(isRetryable)}
      """
    response.body = Array(document.utf8)
    if self == .tooManyConnections { response.fields.append(.retryAfter, 1) }
    return response
  }
}

extension ParseError.Reason {
  package var status: HTTPResponse.Status {
    switch self {
    case .requestLineTooLong: .uriTooLong
    case .headerSectionTooLarge, .tooManyFields, .trailersTooLarge: .requestHeaderFieldsTooLarge
    case .bodyTooLarge: .contentTooLarge
    case .expectationNotSupported: .expectationFailed
    case .methodNotImplemented, .transferCodingNotSupported: .notImplemented
    case .versionNotSupported: .httpVersionNotSupported
    case .requestLineMalformed, .targetMalformed, .versionMalformed, .bareLineFeed,
      .bareCarriageReturn, .controlCharacter, .obsoleteFold, .fieldNameMalformed,
      .whitespaceBeforeColon, .hostMissing, .hostRepeated, .hostMalformed,
      .contentLengthMalformed, .contentLengthRepeated, .transferEncodingMalformed,
      .transferEncodingWithContentLength, .transferEncodingInHTTP10,
      .transferEncodingWithoutEnd, .chunkSizeMalformed, .chunkExtensionMalformed,
      .chunkExtensionsTooLarge, .chunkEndMalformed, .trailerMalformed:
      .badRequest
    }
  }

  package var detail: String {
    switch self {
    case .requestLineMalformed: "the request line is not METHOD SP TARGET SP VERSION"
    case .requestLineTooLong: "the request line is longer than the limit"
    case .methodNotImplemented: "this method is not implemented"
    case .targetMalformed: "the request target is malformed"
    case .versionMalformed: "the HTTP version is malformed"
    case .versionNotSupported: "only HTTP/1 is supported"
    case .headerSectionTooLarge: "the header section is larger than the limit"
    case .tooManyFields: "there are more header fields than the limit"
    case .bareLineFeed: "a line ends in LF without CR"
    case .bareCarriageReturn: "a CR stands without LF"
    case .controlCharacter: "a control character stands in the head"
    case .obsoleteFold: "a header field is continued on a second line"
    case .fieldNameMalformed: "a header field has a malformed name"
    case .whitespaceBeforeColon: "white space stands before the colon of a header field"
    case .hostMissing: "the Host field is missing"
    case .hostRepeated: "the Host field is repeated"
    case .hostMalformed: "the Host field is malformed"
    case .contentLengthMalformed: "Content-Length is not a number"
    case .contentLengthRepeated: "Content-Length is repeated"
    case .transferEncodingMalformed: "Transfer-Encoding is malformed"
    case .transferEncodingWithContentLength: "Transfer-Encoding and Content-Length are both there"
    case .transferEncodingInHTTP10: "HTTP/1.0 has no Transfer-Encoding"
    case .transferEncodingWithoutEnd: "chunked is not the last transfer coding"
    case .transferCodingNotSupported: "chunked is the only transfer coding that is supported"
    case .expectationNotSupported: "100-continue is the only expectation that is supported"
    case .bodyTooLarge: "the body is larger than the limit"
    case .chunkSizeMalformed: "a chunk's size is malformed"
    case .chunkExtensionMalformed: "a chunk's extension is malformed"
    case .chunkExtensionsTooLarge: "the chunk extensions are larger than the limit"
    case .chunkEndMalformed: "a chunk is longer than its size says"
    case .trailerMalformed: "a trailer field is malformed"
    case .trailersTooLarge: "the trailer section is larger than the limit"
    }
  }
}
