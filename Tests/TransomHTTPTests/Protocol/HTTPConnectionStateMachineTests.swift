import HTTPTypes
import Testing

@testable import TransomHTTP

private let get = "GET /a HTTP/1.1\r\nHost: a\r\n\r\n"
private let post = "POST /b HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"
private let chunked =
  "PUT /c HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
  + "3\r\nabc\r\n2;x\r\nde\r\n0\r\nT: v\r\n\r\n"
private let last = "GET /d HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
private let old = "GET /e HTTP/1.0\r\n\r\n"
private let oldKept = "GET /f HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"

/// What the client sends before it closes its side, and what is done about it.
private let streams: [(String, [String])] = [
  ("", ["close"]), ("\r\n", ["close"]), (get, ["GET /a open", "close"]),
  (
    get + post + chunked + get,
    ["GET /a open", "POST /b hello open", "PUT /c abcde open", "GET /a open", "close"]
  ),
  (post + "\r\n" + chunked + "\r\n", ["POST /b hello open", "PUT /c abcde open", "close"]),
  (get + last + get, ["GET /a open", "GET /d closed", "close"]),
  (old + get, ["GET /e closed", "close"]),
  (oldKept + oldKept + get, ["GET /f keptAlive", "GET /f keptAlive", "GET /a open", "close"]),
  (get + "BAD\r\n\r\n" + get, ["GET /a open", "400", "linger"]),
  (get + "\r\n\r\n" + get, ["GET /a open", "400", "linger"]),
  (chunked + "\0" + get, ["PUT /c abcde open", "400", "linger"]),
  (get + "GET", ["GET /a open", "400", "close"]),
  (String(post.dropLast()), ["400", "close"]),
  (String(chunked.dropLast()), ["400", "close"]),
  (chunked.replacing("2;x", with: "2 x") + get, ["400", "linger"]),
  ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", ["505", "linger"]),
]

struct HTTPConnectionStateMachineTests {
  private func steps(_ bytes: [UInt8], splitAt splits: [Int] = []) -> [String] {
    let script = ConnectionScript()
    var start = 0
    for end in splits + [bytes.count] where end > start {
      guard script.receive(bytes[start..<end]) else { break }
      start = end
    }
    script.end()
    return script.steps.map { "\($0)" }
  }

  private func answered(_ text: String) -> ConnectionScript {
    let script = ConnectionScript()
    #expect(script.receive(text.utf8))
    return script
  }

  @Test(arguments: streams)
  func `requests are answered in order, whatever the portions in which they came`(
    _ stream: String, _ expected: [String]
  ) {
    let bytes = Array(stream.utf8)
    #expect(steps(bytes) == expected)
    for split in 0...bytes.count {
      #expect(steps(bytes, splitAt: [split]) == expected, "split at \(split)")
    }
    #expect(steps(bytes, splitAt: Array(0...bytes.count)) == expected, "byte by byte")
  }

  @Test func `random streams in random portions are answered like one request after the other`() {
    let seed = UInt64.random(in: 0...UInt64.max)
    var generator = SeededGenerator(seed: seed)
    let kinds = [
      (get, "GET /a open"), (post, "POST /b hello open"), (chunked, "PUT /c abcde open"),
      (oldKept, "GET /f keptAlive"), ("\r\n" + get, "GET /a open"),
    ]
    for _ in 0..<300 {
      var bytes: [UInt8] = []
      var expected: [String] = []
      for _ in 0..<Int.random(in: 0...12, using: &generator) {
        guard let kind = kinds.randomElement(using: &generator) else { continue }
        bytes += Array(kind.0.utf8)
        expected.append(kind.1)
      }
      let isCut = Bool.random(using: &generator) && !bytes.isEmpty
      if isCut {
        bytes.removeLast()
        expected.removeLast()
        expected.append("400")
      }
      let splits = (0..<6).map { _ in Int.random(in: 0...bytes.count, using: &generator) }
      #expect(steps(bytes, splitAt: splits.sorted()) == expected + ["close"], "seed \(seed)")
    }
  }

  @Test func `random bytes are refused or waited for, and never trap`() {
    let seed = UInt64.random(in: 0...UInt64.max)
    var generator = SeededGenerator(seed: seed)
    let alphabet = Array("GET / HTTP/1.1\r\n:Hosta chunkedTransfer-Encoding05;\0\u{e9}".utf8)
    let valid = Array((get + post + chunked).utf8)
    for _ in 0..<2000 {
      var bytes = valid
      for _ in 0..<Int.random(in: 1...4, using: &generator) {
        let index = Int.random(in: 0..<bytes.count, using: &generator)
        let byte = alphabet[Int.random(in: 0..<alphabet.count, using: &generator)]
        switch Int.random(in: 0..<3, using: &generator) {
        case 0: bytes[index] = byte
        case 1: bytes.insert(byte, at: index)
        default: bytes.remove(at: index)
        }
      }
      let whole = steps(bytes)
      #expect(steps(bytes, splitAt: Array(0...bytes.count)) == whole, "seed \(seed)")
      // After a refusal nothing is answered.
      if let refused = whole.firstIndex(where: { Int($0) != nil }) {
        #expect(refused == whole.count - 2, "seed \(seed)")
      }
    }
  }

  @Test func `what a read waits for decides about its deadline`() {
    let script = ConnectionScript()
    #expect(script.run() == .request)
    for (portion, wait) in [
      ("\r\n", HTTPConnectionStateMachine.Wait.request), ("P", .head),
      ("OST /b HTTP/1.1\r\n", .head),
      ("Host: a\r\nContent-Length: 5\r\n\r", .head), ("\n", .body), ("hell", .body),
      ("o", .request),
      (get + "G", .head),
    ] {
      #expect(script.receive(portion.utf8))
      #expect(script.run() == wait, "after \(portion)")
    }
  }

  @Test(arguments: [
    (HTTPConnectionStateMachine.Wait.request, ["close"]), (.head, ["408", "linger"]),
    (.body, ["408", "linger"]),
  ])
  func `a timeout ends the connection, with an answer if there is a question`(
    _ wait: HTTPConnectionStateMachine.Wait, _ expected: [String]
  ) {
    let script = ConnectionScript()
    _ = script.run()
    script.machine.timedOut(wait)
    #expect(script.run() == nil)
    #expect(script.steps.map { "\($0)" } == expected)
  }

  @Test
  func `a connection may send so many requests, and the last answer says that it is the last`() {
    var limits = RequestLimits()
    limits.requests = 2
    let script = ConnectionScript(limits: limits)
    #expect(script.receive((get + get + get).utf8))
    #expect(script.run() == nil)
    #expect(
      script.steps == [
        .answered("GET /a", .open), .answered("GET /a", .closed), .closed(lingering: true),
      ])
  }

  @Test(arguments: ["Content-Length: 9", "Transfer-Encoding: chunked"])
  func `what comes of a body is counted, anew for each`(_ framing: String) {
    let script = ConnectionScript()
    let head = "POST /b HTTP/1.1\r\nHost: a\r\n\(framing)\r\n\r\n"
    for _ in 0..<2 {
      #expect(script.receive(head.utf8))
      #expect(script.run() == .body)
      #expect(script.machine.bodyBytes == 0)
      #expect(script.receive("4\r\n".utf8))
      #expect(script.run() == .body)
      #expect(script.machine.bodyBytes == 3)
      #expect(script.receive((framing.hasSuffix("d") ? "abcd\r\n0\r\n\r\n" : "abcdef").utf8))
      #expect(script.run() == .request)
    }
  }

  @Test func `a refused HEAD is known as one`() {
    for (method, isHead) in [("HEAD", true), ("GET", false)] {
      let script = answered("\(method) / HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n")
      #expect(script.run() == nil)
      #expect(script.machine.refusesHead == isHead)
    }
  }

  @Test(arguments: ["Content-Length: 5", "Transfer-Encoding: chunked"])
  func `100 is sent once, and only to a client that waits for it`(_ framing: String) {
    let head = "POST /b HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n\(framing)\r\n\r\n"
    let script = answered(head)
    #expect(script.run() == .body)
    #expect(script.run() == .body)
    #expect(script.steps == [.sentContinue])

    let eager = answered(head + "5")
    #expect(eager.run() == .body)
    #expect(eager.steps == [])

    let old = answered(
      head.replacing("HTTP/1.1", with: "HTTP/1.0").replacing(framing, with: "Content-Length: 5"))
    #expect(old.run() == .body)
    #expect(old.steps == [])
  }

  @Test func `no 100 is sent for a body that is refused or missing`() {
    let head = "POST /b HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n"
    #expect(steps(Array((head + "Content-Length: 9999999\r\n\r\n").utf8)) == ["413", "linger"])
    #expect(steps(Array((head + "\r\n").utf8)) == ["POST /b open", "close"])
  }

  @Test func `an idle connection that drains closes, a busy one answers first and says so`() {
    let idle = ConnectionScript()
    #expect(idle.run() == .request)
    #expect(idle.machine.isIdle)
    idle.machine.drain()
    #expect(idle.run() == nil)

    let begun = answered("GET /a HT")
    #expect(begun.run() == .head)
    #expect(!begun.machine.isIdle)
    begun.machine.drain()
    #expect(begun.receive("TP/1.1\r\nHost: a\r\n\r\n".utf8))
    #expect(begun.run() == nil)
    #expect(begun.steps == [.answered("GET /a", .closed), .closed(lingering: true)])

    let busy = answered(get + get)
    busy.whileAnswering = { $0.drain() }
    #expect(busy.run() == nil)
    #expect(busy.steps == [.answered("GET /a", .closed), .closed(lingering: true)])
  }

  @Test func `a request that nobody answered is not answered twice`() {
    var machine = HTTPConnectionStateMachine()
    machine.buffer = Array((get + get).utf8)
    guard case .respond = machine.next() else {
      Issue.record("no request")
      return
    }
    guard case .close = machine.next() else {
      Issue.record("still open")
      return
    }
  }

  @Test func `buffers are kept from one request to the next, but not large ones`() {
    let script = answered(post)
    #expect(script.run() == .request)
    let small = script.machine.buffer.capacity
    #expect(script.receive(post.utf8))
    #expect(script.run() == .request)
    #expect(small > 0 && script.machine.buffer.capacity == small)

    let body = String(repeating: "x", count: 1_000_000)
    #expect(
      script.receive("POST /b HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n\(body)".utf8))
    #expect(script.run() == .request)
    #expect(script.machine.buffer.capacity <= HTTPConnectionStateMachine.keptCapacity)
  }

  @Test func `a chunked body is not held twice`() {
    let script = ConnectionScript()
    let head = "PUT /c HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    #expect(script.receive(head.utf8))
    for _ in 0..<100 {
      #expect(script.receive(("3E8\r\n" + String(repeating: "x", count: 1000) + "\r\n").utf8))
      #expect(script.run() == .body)
      #expect(script.machine.buffer.count == head.utf8.count)
    }
  }

  @Test(arguments: [0, 1000, 300_000])
  func `no more is read ahead of a request than the limit`(_ body: Int) {
    var limits = RequestLimits()
    limits.pipelined = 5000
    let script = ConnectionScript(limits: limits)
    let request = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: \(body)\r\n\r\n"
    var sent = Array(request.utf8) + Array(repeating: 0x78, count: body)
    sent += (0..<10_000).flatMap { _ in Array("GET / HTTP/1.1\r\nHost: a\r\n\r\n".utf8) }
    var held = 0
    script.whileAnswering = { machine in
      held = max(held, machine.buffer.count)
    }
    // As a socket would: as much as is asked for, as long as there is something.
    while !sent.isEmpty, script.run() != nil {
      let count = min(script.machine.readSize, sent.count)
      #expect(script.receive(sent[..<count]))
      sent.removeFirst(count)
    }
    _ = script.run()
    #expect(script.steps.count == 10_001)
    #expect(held > 4000 && held <= request.utf8.count + body + 5000)
  }

  @Test func `reads grow with what the client sends, and shrink again`() {
    let script = ConnectionScript()
    let small = script.machine.readSize
    #expect(script.receive("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n".utf8))
    #expect(script.run() == .body)
    #expect(script.machine.readSize > small)
    #expect(script.receive(repeatElement(0x78, count: 1_000_000)))
    #expect(script.run() == .request)
    #expect(script.machine.readSize == small)
  }
}
