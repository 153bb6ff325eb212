import HTTPTypes
import Testing

@testable import TransomHTTP

/// What every request here is judged by: whole, split anywhere, and with bytes after it.
private let heads: [String] = [
  "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
  "\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
  "POST /transactions?x=%20y HTTP/1.1\r\nhost:a.example:8080\r\nContent-Length: 12\r\n\r\n",
  "PUT /a HTTP/1.1\r\nHost: [::1]:80\r\nTransfer-Encoding: chunked\r\nX-Empty:\r\n\r\n",
  "HEAD /a HTTP/1.0\r\n\r\n",
  "OPTIONS * HTTP/1.1\r\nHost:\r\n\r\n",
  "PURGE http://a.example/b HTTP/1.1\r\nHost: a\r\nX: \u{e9} \t\r\nExpect: 100-continue\r\n\r\n",
  "GET  / HTTP/1.1\r\nHost: a\r\n\r\n",
  "GET / HTTP/1.1\nHost: a\n\n",
  "GET / HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n",
  "GET / HTTP/1.1\r\nHost : a\r\n\r\n",
  "GET / HTTP/1.1\r\nHost: a\rb\r\n\r\n",
  "GET / HTTP/1.1\r\nHost: a\u{0}b\r\n\r\n",
  "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
]

struct RequestParserTests {
  @Test(arguments: heads)
  func `the outcome does not depend on the portions in which the bytes came`(_ head: String) {
    let bytes = Array(head.utf8)
    let whole = parseHead(bytes)
    for split in 0...bytes.count {
      #expect(parseHead(bytes, splitAt: [split]) == whole, "split at \(split)")
    }
    #expect(parseHead(bytes, splitAt: Array(0...bytes.count)) == whole, "byte by byte")
  }

  @Test(arguments: heads, ["GET / HTTP/1.1\r\nHost: b\r\n\r\n", "\r\n", "\0", "x"])
  func `what follows a head changes nothing`(_ head: String, _ more: String) {
    #expect(parseHead(head + more) == parseHead(head))
  }

  @Test(arguments: heads)
  func `a head that is cut short is incomplete or refused already`(_ head: String) {
    let bytes = Array(head.utf8)
    guard case .request = parseHead(bytes) else { return }
    for end in bytes.indices {
      #expect(parseHead(Array(bytes[..<end])) == .incomplete, "cut at \(end)")
    }
  }

  @Test func `names and values stand where the fields say`() {
    let text =
      "POST /a HTTP/1.1\r\nHost: a\r\nX-One:\t two  three \t\r\nx-one: \u{e9}\r\nE:\r\n\r\n"
    let fields = [["Host", "a"], ["X-One", "two  three"], ["x-one", "\u{e9}"], ["E", ""]]
    let expected = Parsed(
      method: "POST", path: "/a", fields: fields, framing: .none, length: text.utf8.count)
    #expect(parseHead(text) == .request(expected))
  }

  @Test(arguments: [
    ("GET", HTTPRequest.Method.get), ("HEAD", .head), ("POST", .post), ("PATCH", .patch),
    ("PUT", .put), ("DELETE", .delete), ("OPTIONS", .options), ("TRACE", .trace),
  ])
  func `methods are recognised`(_ name: String, _ method: HTTPRequest.Method) {
    #expect(request("\(name) / HTTP/1.1\r\nHost: a\r\n\r\n")?.method == method)
    #expect(request("\(name.lowercased()) / HTTP/1.1\r\nHost: a\r\n\r\n")?.method != method)
  }

  @Test(arguments: [
    ("GET", ParseError.Reason.requestLineMalformed), ("GET /", .requestLineMalformed),
    ("GET / ", .versionMalformed), ("GET /  HTTP/1.1", .versionMalformed),
    ("GET  / HTTP/1.1", .requestLineMalformed), (" GET / HTTP/1.1", .requestLineMalformed),
    ("GET\t/ HTTP/1.1", .requestLineMalformed), ("GET /\tHTTP/1.1", .targetMalformed),
    ("GET / HTTP/1.1 ", .versionMalformed), ("GET / http/1.1", .versionMalformed),
    ("GET / HTTP/1", .versionMalformed), ("GET / HTTP/1.10", .versionMalformed),
    ("GET / HTTP/1,1", .versionMalformed), ("GET / HTTP/a.1", .versionMalformed),
    ("GET / HTTP/2.0", .versionNotSupported), ("GET / HTTP/3.1", .versionNotSupported),
    ("GET / HTTP/0.9", .versionNotSupported), ("PRI * HTTP/2.0", .versionNotSupported),
    ("G\"T / HTTP/1.1", .requestLineMalformed), ("GET \u{e9} HTTP/1.1", .targetMalformed),
    ("GET /<a> HTTP/1.1", .targetMalformed), ("GET /a#b HTTP/1.1", .targetMalformed),
    ("GET /\\ HTTP/1.1", .targetMalformed), ("GET a HTTP/1.1", .targetMalformed),
    ("GET * HTTP/1.1", .targetMalformed), ("GET http:// HTTP/1.1", .targetMalformed),
    ("GET http:///a HTTP/1.1", .targetMalformed), ("GET ftp://a/ HTTP/1.1", .targetMalformed),
    ("GET http://u@a/ HTTP/1.1", .targetMalformed),
    ("GET http://:80/ HTTP/1.1", .targetMalformed), ("GET http://?x HTTP/1.1", .targetMalformed),
    ("GET http://a:b/ HTTP/1.1", .targetMalformed), ("GET //% HTTP/1.1", .targetMalformed),
    ("GET /% HTTP/1.1", .targetMalformed),
    ("GET /%1 HTTP/1.1", .targetMalformed), ("GET /%g1 HTTP/1.1", .targetMalformed),
    ("CONNECT a:80 HTTP/1.1", .methodNotImplemented), ("", .requestLineMalformed),
    ("\u{16}\u{3}\u{1}", .controlCharacter), ("GET /\u{7f} HTTP/1.1", .controlCharacter),
  ])
  func `a malformed request line is refused`(_ line: String, _ expected: ParseError.Reason) {
    // The empty line before it is the one that is ignored.
    #expect(reason("\r\n\(line)\r\nHost: a\r\n\r\n") == expected)
  }

  @Test(arguments: [
    ("Host: a\nX: b\r\n", ParseError.Reason.bareLineFeed),
    ("Host: a\rX: b\r\n", .bareCarriageReturn), ("Host: a\r\r\n", .bareCarriageReturn),
    ("Host: a\r\n\n", .bareLineFeed), ("Host: a\r\n\rX", .bareCarriageReturn),
    ("Host: a\u{0}\r\n", .controlCharacter), ("Host: a\r\nX: \u{1}\r\n", .controlCharacter),
    ("Host: a\r\nX: \u{b}b\r\n", .controlCharacter),
    ("Host: a\r\nX\u{0}: b\r\n", .controlCharacter),
    (" Host: a\r\n", .obsoleteFold), ("\tHost: a\r\n", .obsoleteFold),
    ("Host: a\r\n b\r\n", .obsoleteFold), ("Host: a\r\n \r\n", .obsoleteFold),
    ("Host : a\r\n", .whitespaceBeforeColon), ("Host\t: a\r\n", .whitespaceBeforeColon),
    ("Host\r\n", .fieldNameMalformed), (": a\r\n", .fieldNameMalformed),
    ("Ho(st: a\r\n", .fieldNameMalformed), ("H\u{f6}st: a\r\n", .fieldNameMalformed),
    ("Host\u{a0}: a\r\n", .fieldNameMalformed), ("Host=a\r\n", .fieldNameMalformed),
  ])
  func `a malformed field line is refused`(_ lines: String, _ expected: ParseError.Reason) {
    #expect(reason("GET / HTTP/1.1\r\n\(lines)\r\n") == expected)
  }

  @Test func `an HTTP 1 1 request has one Host, an HTTP 1 0 request may have none`() {
    #expect(reason("GET / HTTP/1.1\r\n\r\n") == .hostMissing)
    #expect(reason("GET http://a/ HTTP/1.1\r\n\r\n") == .hostMissing)
    #expect(reason("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n") == .hostRepeated)
    #expect(reason("GET / HTTP/1.0\r\nHost: a\r\nhOST: b\r\n\r\n") == .hostRepeated)
    #expect(request("GET / HTTP/1.0\r\n\r\n")?.head.version == .http10)
  }

  @Test(arguments: ["1.0", "1.1", "1.2", "1.9"])
  func `a later minor version is taken for 1 1`(_ version: String) {
    let parsed = request("GET / HTTP/\(version)\r\nHost: a\r\n\r\n")
    #expect(parsed?.head.version == (version == "1.0" ? .http10 : .http11))
  }

  @Test func `a target without a path means the root, and its query stays`() {
    let parsed = request("GET http://a.example?x=1 HTTP/1.1\r\nHost: b\r\n\r\n")
    #expect(parsed?.path == "/")
    #expect(parsed?.queryValue("x") == "1")
  }

  @Test(arguments: [
    "", "a", "a.example:8080", "a:", "127.0.0.1:80", "[::1]", "[::1]:80", "[::ffff:1.2.3.4]",
    "a%20b",
  ])
  func `a host is accepted`(_ host: String) {
    #expect(request("GET / HTTP/1.1\r\nHost: \(host)\r\n\r\n")?.fieldText("host") == host)
  }

  @Test(arguments: [
    "a b", "a,b", "a/b", "u@a", "a:b", "a:80:90", "a:80.", "[::1", "::1]", "a[b]", "[::1]a", "[]",
    "[a.example]", "[::1]:8.0", "a?", "a#", "\"", "\u{e9}", "a\\b",
  ])
  func `a malformed host is refused`(_ host: String) {
    #expect(reason("GET / HTTP/1.1\r\nHost: \(host)\r\n\r\n") == .hostMalformed)
  }

  @Test func `only 100-continue is an expectation that can be met`() {
    let head = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nExpect: "
    #expect(reason(head + "200-ok\r\n\r\n") == .expectationNotSupported)
    #expect(reason(head + "100-continue, x\r\n\r\n") == .expectationNotSupported)
    #expect(request(head + "100-Continue\r\n\r\n1")?.head.expectsContinue == true)
    let old = "POST / HTTP/1.0\r\nContent-Length: 1\r\nExpect: 100-continue\r\n\r\n1"
    #expect(request(old)?.head.expectsContinue == false)
  }

  @Test(arguments: [
    ("1.1", "", true), ("1.1", "close", false), ("1.1", "x, CLOSE ,y", false),
    ("1.1", "keep-alive", true), ("1.1", "closed", true), ("1.0", "", false),
    ("1.0", "Keep-Alive", true), ("1.0", "keep-alive, close", false),
    ("1.1", "x\r\nConnection: close", false),
  ])
  func `whether the connection stays open`(_ version: String, _ options: String, _ stays: Bool) {
    let text = "GET / HTTP/\(version)\r\nHost: a\r\nConnection: \(options)\r\n\r\n"
    #expect(request(text)?.head.keepsAlive == stays)
  }
}

struct RequestParserLimitTests {
  private let limits: RequestLimits = {
    var limits = RequestLimits()
    limits.requestLine = 40
    limits.headerSection = 60
    limits.fieldCount = 4
    limits.body = 1000
    return limits
  }()

  /// Whole, byte by byte, and before anything after the limit has come.
  private func reason(_ text: String) -> ParseError.Reason? {
    let bytes = Array(text.utf8)
    let outcome = parseHead(bytes, limits: limits)
    #expect(parseHead(bytes, splitAt: Array(0...bytes.count), limits: limits) == outcome)
    guard case .refused(let error) = outcome else { return nil }
    return error.reason
  }

  @Test func `a request line may be as long as the limit`() {
    let room = 40 - "GET / HTTP/1.1".count
    let fits = String(repeating: "a", count: room)
    #expect(reason("GET /\(fits) HTTP/1.1\r\nHost: a\r\n\r\n") == nil)
    #expect(reason("GET /\(fits)a HTTP/1.1\r\nHost: a\r\n\r\n") == .requestLineTooLong)
    #expect(reason("GET /\(fits)aaaaaaaaaaaaaaaa") == .requestLineTooLong)
    #expect(reason(String(repeating: "A", count: 100)) == .requestLineTooLong)
  }

  @Test func `a header section may be as large as the limit`() {
    let head = "GET / HTTP/1.1\r\n"
    let room = 60 - "Host: a\r\nX: \r\n".utf8.count
    let fits = String(repeating: "b", count: room)
    #expect(reason(head + "Host: a\r\nX: \(fits)\r\n\r\n") == nil)
    #expect(reason(head + "Host: a\r\nX: \(fits)b\r\n\r\n") == .headerSectionTooLarge)
    #expect(reason(head + String(repeating: "X", count: 90)) == .headerSectionTooLarge)
  }

  @Test func `there may be as many fields as the limit`() {
    let head = "GET / HTTP/1.1\r\nHost: a\r\n"
    #expect(reason(head + "a: 1\r\nb: 2\r\nc: 3\r\n\r\n") == nil)
    #expect(reason(head + "a: 1\r\nb: 2\r\nc: 3\r\nd: 4\r\n\r\n") == .tooManyFields)
  }

  @Test func `a body over the limit is refused by its stated length`() {
    let head = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: "
    #expect(reason(head + "1000\r\n\r\n") == nil)
    #expect(reason(head + "1001\r\n\r\n") == .bodyTooLarge)
    #expect(ParseError.Reason.bodyTooLarge.status == .contentTooLarge)
  }
}
