import HTTPTypes
import Testing

@testable import TransomHTTP

struct MessageFramingTests {
  private func framing(_ fields: String, version: String = "1.1") -> Result<BodyFraming, ParseError>
  {
    switch parseHead("POST / HTTP/\(version)\r\nHost: a\r\n\(fields)\r\n") {
    case .request(let parsed): .success(parsed.framing)
    case .refused(let error): .failure(error)
    case .incomplete: .failure(ParseError(.requestLineMalformed, at: -1))
    }
  }

  private func reason(_ fields: String, version: String = "1.1") -> ParseError.Reason? {
    if case .failure(let error) = framing(fields, version: version) { error.reason } else { nil }
  }

  @Test(arguments: [
    ("", BodyFraming.none), ("Content-Length: 0\r\n", .none), ("Content-Length: 5\r\n", .length(5)),
    ("content-length:\t0005 \r\n", .length(5)), ("Transfer-Encoding: chunked\r\n", .chunked),
    ("Transfer-Encoding: CHUNKED\r\n", .chunked),
  ])
  func `the fields say where the body ends`(_ fields: String, _ expected: BodyFraming) {
    #expect(framing(fields) == .success(expected))
  }

  @Test(arguments: [
    "", "+5", "-0", "5 5", "5,5", "5, 5", "0x5", "5.0", "1e3", "٣", "5;", "99999999999999999999",
    "9223372036854775808",
  ])
  func `a length that is not plain digits is refused`(_ value: String) {
    #expect(reason("Content-Length: \(value)\r\n") == .contentLengthMalformed)
  }

  @Test(arguments: ["5", "6", "05"])
  func `a second Content-Length is refused, equal or not`(_ value: String) {
    let fields = "Content-Length: 5\r\nContent-Length: \(value)\r\n"
    #expect(reason(fields) == .contentLengthRepeated)
  }

  @Test(arguments: [
    ("chunked, chunked", ParseError.Reason.transferEncodingMalformed),
    ("chunked\r\nTransfer-Encoding: chunked", .transferEncodingMalformed),
    ("chunked, identity", .transferEncodingMalformed), ("chunked,", .transferEncodingMalformed),
    (",chunked", .transferEncodingMalformed), ("", .transferEncodingMalformed),
    ("chunked;q=1", .transferEncodingMalformed), ("\"chunked\"", .transferEncodingMalformed),
    ("chun ked", .transferEncodingMalformed), ("\u{b}chunked", .controlCharacter),
    ("chunked, gzip", .transferEncodingMalformed), ("gzip;q=1", .transferEncodingMalformed),
    ("gzip, chunked, chunked", .transferEncodingMalformed),
    ("identity", .transferEncodingWithoutEnd), ("xchunked", .transferEncodingWithoutEnd),
    ("gzip, deflate", .transferEncodingWithoutEnd), ("gzip, chunked", .transferCodingNotSupported),
    ("gzip, deflate, chunked", .transferCodingNotSupported),
    ("gzip\r\nTransfer-Encoding: chunked", .transferCodingNotSupported),
  ])
  func `any transfer coding but one chunked is refused`(
    _ value: String, _ expected: ParseError.Reason
  ) {
    #expect(reason("Transfer-Encoding: \(value)\r\n") == expected)
  }

  @Test(arguments: ["chunked", "identity", "gzip, chunked", ""])
  func `Transfer-Encoding beside Content-Length is refused in either order`(_ coding: String) {
    let coded = "Transfer-Encoding: \(coding)\r\n"
    let length = "Content-Length: 5\r\n"
    #expect(reason(coded + length) == .transferEncodingWithContentLength)
    #expect(reason(length + coded) == .transferEncodingWithContentLength)
  }

  @Test func `HTTP 1 0 knows no Transfer-Encoding`() {
    #expect(reason("Transfer-Encoding: chunked\r\n", version: "1.0") == .transferEncodingInHTTP10)
  }

  @Test func `an unknown transfer coding is a 501, and every other framing error a 400`() {
    for reason in ParseError.Reason.allCases {
      #expect((400...505).contains(reason.status.code), "\(reason)")
      #expect(!reason.detail.isEmpty)
    }
    #expect(ParseError.Reason.transferCodingNotSupported.status == .notImplemented)
    #expect(ParseError.Reason.transferEncodingWithContentLength.status == .badRequest)
  }
}
