import HTTPTypes
import Testing

@testable import TransomHTTP

struct RequestTests {
  private func firstLine(_ request: Request, _ name: String) -> String? {
    guard let value = request.field(name) else { return nil }
    return text(value)
  }

  private func named(_ request: Request) -> String? {
    guard let host = request.host() else { return nil }
    return text(host)
  }

  private func get(_ target: String, fields: String = "") -> Request? {
    request("GET \(target) HTTP/1.1\r\nHost: a\r\n\(fields)\r\n")
  }

  @Test(arguments: [
    ("/transactions", "/transactions", true), ("/transactions?a=b", "/transactions", true),
    ("http://a.example/transactions?x", "/transactions", true),
    ("HTTP://a.example/transactions", "/transactions", true),
    ("https://a.example:443/transactions", "/transactions", true),
    ("/transactions/", "/transactions/", false),
    ("/%74ransactions", "/%74ransactions", false),
    ("/x/../transactions", "/x/../transactions", false),
    ("//transactions", "//transactions", false), ("/Transactions", "/Transactions", false),
    ("http://a.example", "/", false), ("http://a.example?q", "/", false),
    ("https://a.example", "/", false), ("/transactions%2F", "/transactions%2F", false),
    ("/./transactions", "/./transactions", false), ("/transactions;x", "/transactions;x", false),
    ("/transactions%00", "/transactions%00", false),
  ])
  func `a path is compared as it came`(_ target: String, _ path: String, _ isEqual: Bool) throws {
    let request = try #require(get(target))
    #expect(request.path == path)
    #expect(request.hasPath("/transactions") == isEqual)
  }

  @Test(arguments: [
    ("/", "a"), ("http://b.example:80/x", "b.example:80"), ("http://[::1]", "[::1]"),
    ("HTTPS://b?q", "b"),
  ])
  func `a request is for whom its target names, or else Host`(
    _ target: String, _ host: String
  ) throws {
    let request = try #require(get(target))
    #expect(named(request) == host)
    #expect(request.hostText == host)
  }

  @Test(arguments: [
    ("/webhooks/wh_1", ["webhooks", "wh_1"]), ("/", [""]), ("/a%2Fb/c%20d", ["a/b", "c d"]),
    ("/%C3%A9+", ["é+"]), ("/a//b", ["a", "", "b"]),
  ])
  func `a path is split before it is decoded`(_ target: String, _ segments: [String]) {
    #expect(get(target)?.pathSegments == segments)
  }

  @Test(arguments: ["/%FF", "/a%00", "/%0d%0aX", "/%C3", "/%7f"])
  func `a path that is no clean text has no segments`(_ target: String) throws {
    let request = try #require(get(target))
    #expect(request.pathSegments == nil)
  }

  @Test(arguments: [
    ("/?status=failed&limit=10", "limit", "10"), ("/?a=1&a=2", "a", "1"), ("/?a", "a", ""),
    ("/?a=", "a", ""), ("/?x=a%20b+c", "x", "a b c"), ("/?%61=1", "a", "1"),
    ("/?a=b=c", "a", "b=c"),
    ("/?&&a=1", "a", "1"), ("/a?b?c=1", "b?c", "1"),
  ])
  func `a query parameter is found`(_ target: String, _ name: String, _ value: String) {
    #expect(get(target)?.queryValue(name) == value)
  }

  @Test(arguments: ["/", "/?", "/?b=1", "/?a=%FF", "/?A=1"])
  func `a query parameter that is not there is nil`(_ target: String) throws {
    let request = try #require(get(target))
    #expect(request.queryValue("a") == nil)
  }

  @Test func `fields are found by their lower-case name`() throws {
    let fields = "X-Request-ID: 7\r\nAccept: a\r\naccept:b \r\n"
    let request = try #require(get("/", fields: fields))
    #expect(firstLine(request, "x-request-id") == "7")
    #expect(firstLine(request, "accept") == "a")
    #expect(firstLine(request, "accep") == nil)
    #expect(request.fieldText("accept") == "a, b")
    #expect(request.fieldText("cookie") == nil)
    #expect(request.fieldCount("accept") == 2)
    #expect(request.fieldCount("cookie") == 0)
  }

  @Test func `a body is a part of the received bytes, a chunked one is decoded`() throws {
    let plain = try #require(
      request("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabcGET"))
    #expect(text(plain.body) == "abc")
    #expect(plain.bodyRange == 47..<50)
    let chunked = try #require(
      request(
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"))
    #expect(text(chunked.body) == "abc")
    #expect(chunked.bodyBuffer == Array("abc".utf8))
    let none = try #require(get("/"))
    #expect(text(none.body) == "")
  }
}
