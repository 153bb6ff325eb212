import Testing

@testable import TransomHTTP

/// Requests that are answered although most of their bodies has not come.
@Suite struct UnreadBodyTests {
  private let get = "GET /a HTTP/1.1\r\nHost: a\r\n\r\n"

  /// Heads whose bodies are large, or unwelcome perhaps, and how much of those comes before it is asked.
  private static let large: [(head: String, body: Int)] = [
    ("Content-Length: 5000000", 0), ("Content-Length: 70000", 1),
    ("Content-Length: 1\r\nExpect: 100-continue", 0),
    ("Transfer-Encoding: chunked\r\nExpect: 100-continue", 0),
    ("Transfer-Encoding: chunked", 70_000),
  ]

  @Test(arguments: large) func `a request that is refused whatever its body is needs none`(
    _ head: String, _ count: Int
  ) {
    for isKept in [true, false] {
      let script = ConnectionScript()
      script.isRefused = { $0.hasPath("/big") && $0.body.isEmpty }
      let connection = isKept ? "" : "Connection: close\r\n"
      let request = get + "POST /big HTTP/1.1\r\nHost: a\r\n\(connection)\(head)\r\n\r\n"
      #expect(script.receive(Array(request.utf8)))
      let body =
        head.contains("chunked") && count > 0
        ? "11170\r\n" + String(repeating: "x", count: count) : String(repeating: "x", count: count)
      _ = script.receive(Array(body.utf8))
      _ = script.run()
      #expect(
        script.steps.map { "\($0)" } == ["GET /a open", "POST /big closed", "linger"],
        "\(script.steps)")
      #expect(!script.receive(Array(get.utf8)))
    }
  }

  @Test(arguments: large) func `whoever needs the body gets all of it`(_ head: String, _ count: Int)
  {
    let script = ConnectionScript()
    let request = "POST /b HTTP/1.1\r\nHost: a\r\n\(head)\r\n\r\n"
    #expect(script.receive(Array(request.utf8)))
    _ = script.run()
    let isChunked = head.contains("chunked")
    let length = isChunked ? 80_000 : Int(head.split(separator: "\r\n")[0].dropFirst(16)) ?? 0
    let text = String(repeating: "y", count: length)
    var body = Array((isChunked ? "13880\r\n\(text)\r\n0\r\n\r\n" : text).utf8)[...]
    while !body.isEmpty {
      #expect(script.receive(body.prefix(50_000)))
      body = body.dropFirst(50_000)
    }
    #expect(script.receive(Array(get.utf8)))
    _ = script.run()
    let steps = script.steps.map { "\($0)" }.filter { $0 != "100" }
    #expect(steps == ["POST /b \(text) open", "GET /a open"], "\(steps.map { $0.prefix(40) })")
  }
}
