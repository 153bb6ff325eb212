import HTTPTypes
import TransomHTTP
import TransomService

/// Each line of the input as the value of every field that is read, and the settings that are written like one.
enum FieldFuzz {
  private static let names = [
    "Accept-Encoding", "Content-Type", "Content-Encoding", "Forwarded", "Idempotency-Key", "Origin",
    "X-Forwarded-For", "X-Request-Id",
  ]

  static func run(_ input: [UInt8]) {
    let lines = input.split(separator: 0x0A, maxSplits: 4).map { line in
      line.filter { isContent($0) }
    }
    guard let request = request(lines) else { return }
    // Several lines are one list (RFC 9110, section 5.3).
    guard let joined = self.request([Array(lines.joined(separator: ", ".utf8))]) else { return }
    for field in TrustedProxies.Field.allCases { checkClient(field, request, joined) }
    checkCodings(request, joined, lines)
    checkAnswer(to: request, lines)
    for line in lines { checkSettings(String(decoding: line, as: UTF8.self)) }
  }

  /// Nil if all that is more than a head may hold.
  private static func request(_ lines: [[UInt8]]) -> Request? {
    var machine = HTTPConnectionStateMachine()
    machine.buffer = Array("POST /webhooks/wh_1 HTTP/1.1\r\nHost: a\r\n".utf8)
    for name in names {
      for line in lines { machine.buffer += Array("\(name): ".utf8) + line + Array("\r\n".utf8) }
    }
    machine.buffer += Array("\r\n".utf8)
    machine.bytesReceived(machine.buffer.count)
    guard case .respond(let request) = machine.next() else { return nil }
    return request
  }

  private static func checkClient(
    _ field: TrustedProxies.Field, _ request: Request, _ joined: Request
  ) {
    var proxies = TrustedProxies()
    proxies.field = field
    let peer = "10.0.0.1"
    check(proxies.client(peer: peer, request: request) == peer, "a stranger is believed")
    proxies.networks = ["10.0.0.0/8", "2001:db8::/32"].compactMap { IPNetwork(parsing: $0) }
    let client = proxies.client(peer: peer, request: request)
    check(client == proxies.client(peer: peer, request: joined), "lines are no list")
    check(
      IPAddress(parsing: client) != nil || client == "unknown"
        || client.hasPrefix("_") && client.utf8.allSatisfy { isToken($0) },
      "a client called \(client)")
  }

  // MARK: Accept-Encoding

  private static func checkCodings(_ request: Request, _ joined: Request, _ lines: [[UInt8]]) {
    guard let codings = request.acceptedCodings else { return }
    check(codings == joined.acceptedCodings, "lines are no list")
    var (gzip, identity, others): (Double?, Double?, Double?)
    for element in lines.joined(separator: ",".utf8).split(separator: UInt8(ascii: ",")) {
      guard let (name, quality) = plainlyRead(element) else { continue }
      switch name {
      case "gzip", "x-gzip": gzip = quality
      case "identity": identity = quality
      case "*": others = quality
      default: break
      }
    }
    let accepted = gzip ?? others ?? 0
    let prefers = accepted > 0 && accepted >= identity ?? 0
    check(codings.prefersGzip == prefers, "Accept-Encoding is understood differently")
    check(
      codings.needsGzip == (prefers && (identity ?? others) == 0),
      "what must be compressed is understood differently")
  }

  /// `codings [ OWS ";" OWS "q=" qvalue ]` (RFC 9110, section 12.5.3).
  private static func plainlyRead(_ element: ArraySlice<UInt8>) -> (String, Double)? {
    let parts = element.split(
      separator: UInt8(ascii: ";"), maxSplits: 1, omittingEmptySubsequences: false
    ).map { String(decoding: $0, as: UTF8.self).trimmingWhitespace.lowercased() }
    guard !parts[0].isEmpty, parts[0].utf8.allSatisfy({ isToken($0) }) else { return nil }
    guard parts.count == 2 else { return (parts[0], 1) }
    let value = parts[1].dropFirst(2)
    guard parts[1].hasPrefix("q="), 1...5 ~= value.utf8.count, let quality = Double(value),
      value.utf8.enumerated().allSatisfy({ $0 == 1 ? $1 == 0x2E : 0x30...0x39 ~= $1 }), quality <= 1
    else { return nil }
    return (parts[0], quality)
  }

  // MARK: Answers and settings

  private static func checkAnswer(to request: Request, _ lines: [[UInt8]]) {
    if MediaType.isJSON(request.field("content-type")) {
      check(
        String(decoding: lines[0], as: UTF8.self).trimmingWhitespace.lowercased()
          .hasPrefix("application/"),
        "no JSON at all")
    }
    var fields = ResponseFields()
    if let policy = try? CrossOriginPolicy(origins: ["https://a.example", "http://[::1]:8080"]) {
      policy.append(for: request, to: &fields)
      policy.appendPreflight(for: request, methods: "GET", to: &fields)
    }
    let text = String(decoding: fields.bytes, as: UTF8.self)
    check(
      text.split(separator: "\r\n", omittingEmptySubsequences: false).dropLast().allSatisfy {
        $0.hasPrefix("Vary: ")
          || $0 == "Access-Control-Allow-Origin: https://a.example"
          || $0 == "Access-Control-Allow-Origin: http://[::1]:8080"
          || $0.hasPrefix("Access-Control-Expose-Headers: ")
      }, "another field in \(text.debugDescription)")
    for line in lines {
      var fields = ResponseFields()
      fields.append(.retryAfter, line.span)
      check(fields.bytes.filter { $0 == 0x0A }.count == 1, "a line of its own")
      if let key = IdempotencyKey(String(decoding: line, as: UTF8.self), body: []) {
        check(1...IdempotencyKey.maximumLength ~= key.name.utf8.count, "a key of another length")
      }
    }
  }

  private static func checkSettings(_ text: String) {
    check(
      (IPAddress(parsing: text) != nil) == isAddress(text), "inet_pton(3) differs about \(text)")
    if let network = IPNetwork(parsing: text),
      let address = text.split(separator: "/").first.flatMap({ IPAddress(parsing: $0) })
    {
      check(network.contains(address), "\(text) does not hold its own address")
    }
    if (try? CrossOriginPolicy(origins: [text])) != nil, text != "*" {
      check(text.lowercased() == text && text.contains("://"), "\(text) is no origin")
    }
  }
}

extension String {
  /// Without the spaces and tabs around it.
  fileprivate var trimmingWhitespace: String {
    let bytes = Array(utf8).drop { isBlank($0) }
    let end = bytes.lastIndex { !isBlank($0) }.map { $0 + 1 } ?? bytes.startIndex
    return String(decoding: bytes[bytes.startIndex..<end], as: UTF8.self)
  }
}

/// VCHAR, obs-text, SP and HTAB (RFC 9110, section 5.5).
private func isContent(_ byte: UInt8) -> Bool { byte == 0x09 || byte >= 0x20 && byte != 0x7F }

private func isBlank(_ byte: UInt8) -> Bool { byte == 0x09 || byte == 0x20 }

/// `tchar` (RFC 9110, section 5.6.2).
private func isToken(_ byte: UInt8) -> Bool {
  0x30...0x39 ~= byte || 0x41...0x5A ~= byte & 0xDF && byte < 0x80
    || "!#$%&'*+-.^_`|~".utf8.contains(byte)
}
