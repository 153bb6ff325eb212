import Testing

/// What a client sends, and all that it gets for it: the statuses in order, and whether the connection stays open.
///
/// One table for every way in which the same bytes may arrive: see `WireTests` (without a socket) and
/// `SocketWireTests` (over real ones).
struct WireCase: CustomTestStringConvertible, Sendable {
  let sent: String
  /// Without 100, which only a client that waits for it gets.
  let statuses: [Int]
  let staysOpen: Bool

  var testDescription: String { String(sent.prefix(120)).debugDescription }

  /// Refused, and the connection closed.
  static func refused(_ status: Int, _ sent: String...) -> [WireCase] {
    sent.map { WireCase(sent: $0, statuses: [status], staysOpen: false) }
  }

  /// Answered, and the connection kept.
  static func served(_ count: Int, _ sent: String...) -> [WireCase] {
    sent.map {
      WireCase(sent: $0, statuses: Array(repeating: 200, count: count), staysOpen: true)
    }
  }

  /// Answered, and the connection closed, whatever follows.
  static func last(_ sent: String...) -> [WireCase] {
    sent.map { WireCase(sent: $0, statuses: [200], staysOpen: false) }
  }

  /// What follows each case, and is answered only if the connection stays open.
  static let following = "GET /following HTTP/1.1\r\nHost: a\r\n\r\n"
}

private let post = "POST /echo HTTP/1.1\r\nHost: a\r\n"
private let chunked = post + "Transfer-Encoding: chunked\r\n\r\n"

/// Bodies, and what says where they end (RFC 9112, sections 6 and 7).
let framingCases: [WireCase] =
  WireCase.refused(
    400,
    // Two lengths: smuggling in all its spellings.
    post + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    post + "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
    post + "Transfer-Encoding: identity\r\nContent-Length: 5\r\n\r\nhello",
    post + "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
    post + "Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
    post + "Content-Length: 5, 5\r\n\r\nhello", post + "Content-Length: +5\r\n\r\nhello",
    post + "Content-Length: -5\r\n\r\nhello", post + "Content-Length: 0x5\r\n\r\nhello",
    post + "Content-Length: 5 5\r\n\r\nhello", post + "Content-Length:\r\n\r\n",
    post + "Content-Length: \"5\"\r\n\r\nhello", post + "Content-Length: 5;\r\n\r\nhello",
    post + "Content-Length: 18446744073709551621\r\n\r\nhello",
    // Transfer codings.
    post + "Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
    post + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    post + "Transfer-Encoding: chunked\r\ntransfer-encoding: identity\r\n\r\n0\r\n\r\n",
    post + "Transfer-Encoding: identity\r\n\r\n", post + "Transfer-Encoding: gzip\r\n\r\n",
    post + "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", post + "Transfer-Encoding:\r\n\r\n",
    post + "Transfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n",
    post + "Transfer-Encoding: chunked;q=1\r\n\r\n0\r\n\r\n",
    "POST /echo HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    // Chunks.
    chunked + "\r\n", chunked + "+5\r\nhello\r\n0\r\n\r\n", chunked + "-5\r\nhello\r\n0\r\n\r\n",
    chunked + "0x5\r\nhello\r\n0\r\n\r\n", chunked + " 5\r\nhello\r\n0\r\n\r\n",
    chunked + "5 \r\nhello\r\n0\r\n\r\n", chunked + "5\nhello\r\n0\r\n\r\n",
    chunked + "5\rhello\r\n0\r\n\r\n", chunked + "5;a\nhello\r\n0\r\n\r\n",
    chunked + "5;a\rhello\r\n0\r\n\r\n", chunked + "5;\0\r\nhello\r\n0\r\n\r\n",
    chunked + "5\r\nhello0\r\n\r\n", chunked + "5\r\nhello\n0\r\n\r\n",
    chunked + "5\r\nhellos\r\n0\r\n\r\n", chunked + "10000000000000005\r\nhello\r\n0\r\n\r\n",
    chunked + "00000000000000005\r\nhello\r\n0\r\n\r\n", chunked + "g\r\n",
    // Trailers.
    chunked + "0\r\nA : b\r\n\r\n", chunked + "0\r\n folded: b\r\n\r\n", chunked + "0\r\nA\r\n\r\n",
    chunked + "0\r\n: b\r\n\r\n", chunked + "0\r\nA: \0\r\n\r\n", chunked + "0\r\nA: b\n\r\n",
    chunked + "0\r\nA: b\rc\r\n\r\n", chunked + "0\r\nA: b\r\n c\r\n\r\n", chunked + "0\r\n\n")
  + WireCase.refused(
    413, post + "Content-Length: 1001\r\n\r\n",
    post + "Content-Length: 9223372036854775807\r\n\r\n",
    post + "Expect: 100-continue\r\nContent-Length: 1001\r\n\r\n", chunked + "3E9\r\n",
    chunked + "FFFFFFFFFFFFFFFF\r\n", chunked + "1\r\na\r\n3E8\r\n")
  + WireCase.refused(
    501, post + "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    post + "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")
  + WireCase.served(
    1, post + "Content-Length: 5\r\n\r\nhello", post + "Content-Length: 0005\r\n\r\nhello",
    post + "content-LENGTH:\t5 \t\r\n\r\nhello", post + "Content-Length: 0\r\n\r\n",
    post + "\r\n", chunked + "0\r\n\r\n", chunked + "5\r\nhello\r\n0\r\n\r\n",
    chunked + "00000005;a=b;c=\"d\"\r\nhello\r\n000\r\nX: y\r\nContent-Length: 7\r\n\r\n",
    post + "Transfer-Encoding: CHUNKED\r\n\r\n3\r\n\r\n\0\r\n0\r\n\r\n",
    "GET /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc",
    post + "Expect: 100-continue\r\nContent-Length: 5\r\n\r\nhello",
    post + "Expect: 100-CONTINUE\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n")

/// Request lines and header sections (RFC 9112, sections 2 to 5).
let headCases: [WireCase] =
  WireCase.refused(
    400,
    // Request lines.
    "GET\r\n", "GET /\r\n", "GET  / HTTP/1.1\r\n", " GET / HTTP/1.1\r\n", "GET\t/ HTTP/1.1\r\n",
    "GET / HTTP/1.1 \r\n", "GET / http/1.1\r\n", "GET / HTTP/1\r\n", "GET / HTTP/1.10\r\n",
    "\r\n\r\n", "\n", "\0", "\u{16}\u{3}\u{1}\u{2}", "G\"T / HTTP/1.1\r\n",
    "GET /\u{e9} HTTP/1.1\r\n",
    "GET / HTTP/1.1\n", "GET / HTTP/1.1\rHost: a\r\n",
    // Targets.
    "GET a HTTP/1.1\r\n", "GET * HTTP/1.1\r\n", "GET /a#b HTTP/1.1\r\n", "GET /<a> HTTP/1.1\r\n",
    "GET /% HTTP/1.1\r\n", "GET /%0g HTTP/1.1\r\n", "GET http:// HTTP/1.1\r\n",
    "GET http:///a HTTP/1.1\r\n", "GET http://u:p@a/ HTTP/1.1\r\n", "GET http://:80/ HTTP/1.1\r\n",
    "GET ftp://a/ HTTP/1.1\r\n", "OPTIONS *x HTTP/1.1\r\n", "GET /\u{7f} HTTP/1.1\r\n",
    // Host.
    "GET / HTTP/1.1\r\n\r\n", "GET http://a/ HTTP/1.1\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\r\nhost: b\r\n\r\n",
    "GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n", "GET / HTTP/1.1\r\nHost: a b\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a,b\r\n\r\n", "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: u@a\r\n\r\n", "GET / HTTP/1.1\r\nHost: a:b\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: [::1\r\n\r\n",
    // Fields.
    "GET / HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\r\n\tfolded\r\n\r\n",
    "GET / HTTP/1.1\r\n Host: a\r\n\r\n", "GET / HTTP/1.1\r\nHost : a\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a\r\nX\t: b\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\r\nX\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a\r\n: b\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\r\nX(: b\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a\r\nX\u{e9}: b\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\n\n",
    "GET / HTTP/1.1\r\nHost: a\nX: b\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\rX: b\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a\r\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\r\n\rX",
    "GET / HTTP/1.1\r\nHost: a\r\n\n", "GET / HTTP/1.1\r\nHost: a\r\nX: b\0c\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a\r\nX: \u{1b}\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a\r\nX: \u{7f}\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a\r\nX\0: b\r\n\r\n")
  + WireCase.refused(
    417, post + "Expect: 200-ok\r\nContent-Length: 5\r\n\r\nhello",
    post + "Expect: 100-continue, x\r\nContent-Length: 5\r\n\r\nhello", post + "Expect:\r\n\r\n")
  + WireCase.refused(
    501, "CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n", "CONNECT / HTTP/1.1\r\nHost: a\r\n\r\n")
  + WireCase.refused(
    505, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "GET / HTTP/0.9\r\nHost: a\r\n\r\n",
    "GET / HTTP/3.0\r\nHost: a\r\n\r\n")
  + WireCase.served(
    1, "GET / HTTP/1.1\r\nHost: a\r\n\r\n", "\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET http://b.example:80/x?y HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET HTTPS://[::1]:443 HTTP/1.1\r\nHost: a\r\n\r\n", "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET /%2e%2E/..//a?%00 HTTP/1.1\r\nHost: a\r\n\r\n", "GET / HTTP/1.1\r\nHost:\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: [::ffff:1.2.3.4]:80\r\n\r\n", "GET / HTTP/1.9\r\nHost: a\r\n\r\n",
    "PURGE / HTTP/1.1\r\nhOsT:a\r\nX:\r\nY: \u{e9} \t\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a\r\nConnection: x, keep-alive\r\n\r\n",
    "GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a\r\nConnection: closed\r\n\r\n")
  + WireCase.served(
    3,
    "GET / HTTP/1.1\r\nHost: a\r\n\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n" + post
      + "Content-Length: 3\r\n\r\nabc")
  + WireCase.last(
    "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a\r\nConnection: x ,\tCLOSE\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a\r\nConnection: x\r\nConnection: close\r\n\r\n",
    "GET / HTTP/1.0\r\n\r\n", "GET / HTTP/1.0\r\nConnection: close\r\n\r\n",
    "GET / HTTP/1.0\r\nConnection: keep-alive, close\r\n\r\n")

/// Floods: small limits, so that each split can be tried. See `wireLimits`.
let floodCases: [WireCase] =
  WireCase.refused(
    414, "GET /" + String(repeating: "a", count: 100) + " HTTP/1.1\r\nHost: a\r\n\r\n",
    String(repeating: "A", count: 200))
  + WireCase.refused(
    431, "GET / HTTP/1.1\r\nHost: a\r\nX: " + String(repeating: "y", count: 150) + "\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a\r\n" + String(repeating: "X", count: 200),
    "GET / HTTP/1.1\r\nHost: a\r\na:\r\nb:\r\nc:\r\nd:\r\ne:\r\nf:\r\n\r\n",
    chunked + "0\r\nX: " + String(repeating: "y", count: 150) + "\r\n\r\n",
    chunked + "0\r\na:\r\nb:\r\nc:\r\nd:\r\ne:\r\nf:\r\ng:\r\n\r\n")
  + WireCase.refused(
    400, chunked + "1;" + String(repeating: "y", count: 50) + "\r\na\r\n0\r\n\r\n",
    chunked + String(repeating: "1;12345678\r\na\r\n", count: 5) + "0\r\n\r\n")
  + WireCase.served(
    1, "GET /" + String(repeating: "a", count: 80) + " HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a\r\na:\r\nb:\r\nc:\r\nd:\r\ne:\r\n\r\n",
    chunked + String(repeating: "1;1234567\r\na\r\n", count: 5) + "0\r\n\r\n")
