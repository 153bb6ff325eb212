import HTTPTypes
import Testing

@testable import TransomHTTP

struct ResponseTests {
  private let date = HTTPDate(unixSeconds: 784_111_777)

  private func head(_ response: Response, _ persistence: Persistence = .open) -> String {
    var bytes: [UInt8] = []
    ResponseSerializer.appendHead(
      of: response, date: date, persistence: persistence, to: &bytes)
    return String(decoding: bytes, as: UTF8.self)
  }

  @Test func `a head states status, date, type, length and its own fields`() {
    var response = Response(.ok, contentType: .json, body: Array("{}".utf8))
    response.fields.append(.retryAfter, 120)
    response.fields.append(.allow, "GET, HEAD")
    #expect(
      head(response) == """
        HTTP/1.1 200 OK\r
        Date: Sun, 06 Nov 1994 08:49:37 GMT\r
        Content-Type: application/json\r
        Content-Length: 2\r
        Retry-After: 120\r
        Allow: GET, HEAD\r
        \r

        """)
  }

  @Test(arguments: [
    (Persistence.open, "Content-Length: 0\r\n\r\n"),
    (.keptAlive, "Content-Length: 0\r\nConnection: keep-alive\r\n\r\n"),
    (.closed, "Content-Length: 0\r\nConnection: close\r\n\r\n"),
  ])
  func `a head says what becomes of the connection`(_ persistence: Persistence, _ end: String) {
    #expect(head(Response(.ok), persistence).hasSuffix(end))
  }

  @Test(arguments: [
    (HTTPResponse.Status.ok, true), (.noContent, false), (.notModified, false), (.continue, false),
    (.internalServerError, true),
  ])
  func `some statuses have no body and no length`(_ status: HTTPResponse.Status, _ has: Bool) {
    #expect(head(Response(status)).contains("Content-Length") == has)
    #expect(ResponseSerializer.sendsBody(status, isHead: false) == has)
    #expect(!ResponseSerializer.sendsBody(status, isHead: true))
  }

  @Test(arguments: [
    (200, "200 OK"), (201, "201 Created"), (204, "204 No Content"), (400, "400 Bad Request"),
    (401, "401 Unauthorized"), (403, "403 Forbidden"), (404, "404 Not Found"),
    (405, "405 Method Not Allowed"), (409, "409 Conflict"), (415, "415 Unsupported Media Type"),
    (421, "421 Misdirected Request"), (422, "422 Unprocessable Content"),
    (429, "429 Too Many Requests"), (500, "500 Internal Server Error"),
    (503, "503 Service Unavailable"), (504, "504 Gateway Timeout"), (299, "299 "),
  ])
  func `a status line says what its number means`(_ code: Int, _ status: String) {
    let head = head(Response(HTTPResponse.Status(registered: code)))
    #expect(head.hasPrefix("HTTP/1.1 \(status)\r\n"))
  }

  @Test func `a field's value cannot begin another line`() {
    var response = Response(.ok)
    response.fields.append(.allow, "a\r\nSet-Cookie: b\u{0}\u{e9}\t")
    #expect(head(response).hasSuffix("Allow: a  Set-Cookie: b \u{e9}\t\r\n\r\n"))
  }

  @Test(arguments: [
    (0, "0"), (9, "9"), (10, "10"), (-1, "-1"), (Int.max, "9223372036854775807"),
    (Int.min, "-9223372036854775808"),
  ])
  func `numbers are written in decimal`(_ number: Int, _ text: String) {
    var bytes: [UInt8] = []
    bytes.appendDecimal(number)
    #expect(String(decoding: bytes, as: UTF8.self) == text)
  }

  @Test(arguments: [
    (0, "Thu, 01 Jan 1970 00:00:00 GMT"), (784_111_777, "Sun, 06 Nov 1994 08:49:37 GMT"),
    (951_782_399, "Mon, 28 Feb 2000 23:59:59 GMT"), (951_782_400, "Tue, 29 Feb 2000 00:00:00 GMT"),
    (951_868_800, "Wed, 01 Mar 2000 00:00:00 GMT"),
    (1_798_761_599, "Thu, 31 Dec 2026 23:59:59 GMT"),
    (4_107_542_400, "Mon, 01 Mar 2100 00:00:00 GMT"), (-5, "Thu, 01 Jan 1970 00:00:00 GMT"),
    (Int64.max, "Fri, 31 Dec 9999 23:59:59 GMT"),
  ])
  func `a date is an IMF-fixdate`(_ seconds: Int64, _ text: String) {
    let date = HTTPDate(unixSeconds: seconds)
    var bytes: [UInt8] = []
    date.append(to: &bytes)
    #expect(String(decoding: bytes, as: UTF8.self) == text)
    #expect(date.restOfLine == bytes + Array("\r\n".utf8))
  }

  @Test func `a refusal is a problem document that says that nothing was begun`() {
    let response = Refusal.malformed(ParseError(.hostMissing, at: 18)).response
    #expect(response.status == .badRequest)
    #expect(response.contentType == .problem)
    #expect(
      String(decoding: response.body, as: UTF8.self) == """
        {"type":"/problems/malformed-request","title":"The request is not valid HTTP/1.1",\
        "status":400,"detail":"the Host field is missing (at byte 18 of the request)",\
        "outcome":"not_started","retryable":false}
        """)
  }

  @Test(arguments: [
    (Refusal.headTimedOut, 408, "request-timeout", true),
    (.bodyTimedOut, 408, "request-timeout", true),
    (.incomplete, 400, "malformed-request", false),
    (.tooManyConnections, 503, "too-many-connections", true),
    (.malformed(ParseError(.bodyTooLarge, at: 0)), 413, "body-too-large", false),
    (.malformed(ParseError(.requestLineTooLong, at: 0)), 414, "target-too-long", false),
    (.malformed(ParseError(.expectationNotSupported, at: 0)), 417, "expectation-failed", false),
    (.malformed(ParseError(.tooManyFields, at: 0)), 431, "header-section-too-large", false),
    (.malformed(ParseError(.methodNotImplemented, at: 0)), 501, "not-implemented", false),
    (.malformed(ParseError(.versionNotSupported, at: 0)), 505, "http-version-not-supported", false),
  ])
  func `each refusal has a status and a stable code`(
    _ refusal: Refusal, _ status: Int, _ code: String, _ retryable: Bool
  ) {
    #expect(refusal.status.code == status)
    #expect(refusal.code == code)
    #expect(refusal.isRetryable == retryable)
  }
}
