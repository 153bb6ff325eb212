import Testing

@testable import TransomHTTP

struct IPAddressTests {
  @Test(arguments: [
    ("::1", "0:0:0:0:0:0:0:1"), ("::", "0:0:0:0:0:0:0:0"), ("2001:DB8::a", "2001:db8:0:0:0:0:0:a"),
    ("::ffff:192.0.2.1", "192.0.2.1"), ("::ffff:c000:201", "192.0.2.1"),
    ("1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"),
    ("64:ff9b::192.0.2.1", "64:ff9b::c000:201"), ("fe80:0000::1", "fe80::1"),
  ])
  func `spellings of one address are one address`(_ one: String, _ other: String) throws {
    let address = try #require(IPAddress(parsing: one))
    #expect(address == IPAddress(parsing: other))
  }

  @Test(arguments: [
    "", "1.2.3", "1.2.3.4.5", "1.2.3.256", "01.2.3.4", "1.2.3.-4", "+1.2.3.4", "1.2.3.4 ",
    "1.2.3.4:80",
    "a", ":", ":::", "1::2::3", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "1:2:3:4:5:6:7:8::",
    "12345::",
    "g::", "::1%eth0", "[::1]", "::1.2.3", "1.2.3.4::", "::+1", "１.2.3.4", ":1:2:3:4:5:6:7",
    "1:::2",
  ])
  func `another text is none`(_ text: String) {
    #expect(IPAddress(parsing: text) == nil)
  }

  @Test(arguments: [
    ("10.0.0.0/8", "10.255.0.1", true), ("10.0.0.0/8", "11.0.0.1", false),
    ("0.0.0.0/0", "1.2.3.4", true),
    ("0.0.0.0/0", "::1", false), ("::/0", "1.2.3.4", true), ("192.0.2.1", "192.0.2.1", true),
    ("192.0.2.1", "192.0.2.2", false), ("10.0.0.0/8", "::ffff:10.1.1.1", true),
    ("2001:db8::/33", "2001:db8:7fff::1", true), ("2001:db8::/33", "2001:db8:8000::", false),
    ("192.0.2.128/25", "192.0.2.127", false), ("fe80::1", "fe80::1", true),
  ])
  func `a network holds the addresses with its prefix`(
    _ network: String, _ address: String, _ holds: Bool
  ) throws {
    let address = try #require(IPAddress(parsing: address))
    #expect(try #require(IPNetwork(parsing: network)).contains(address) == holds)
  }

  @Test(arguments: [
    "", "/", "10.0.0.0/", "10.0.0.0/33", "10.0.0.1/8", "10.0.0.0/8/8", "10.0.0.0/+8", "::/129",
    "10/8",
    "2001:db8::1/64", "localhost", "10.0.0.0/-1",
  ])
  func `another text is no network`(_ text: String) {
    #expect(IPNetwork(parsing: text) == nil)
  }
}

struct TrustedProxiesTests {
  private func client(
    _ field: String, _ value: String?, peer: String? = "10.0.0.1", unix: Bool = false,
    by trusted: TrustedProxies.Field
  ) throws -> String {
    var proxies = TrustedProxies()
    proxies.networks = ["10.0.0.0/8", "2001:db8::/32"].compactMap { IPNetwork(parsing: $0) }
    proxies.trustsUnixSockets = unix
    proxies.field = trusted
    let lines = value.map { $0.split(separator: "|").map { "\(field): \($0)\r\n" }.joined() } ?? ""
    var machine = HTTPConnectionStateMachine()
    machine.buffer = Array("GET / HTTP/1.1\r\nHost: a\r\n\(lines)\r\n".utf8)
    machine.bytesReceived(machine.buffer.count)
    guard case .respond(let request) = machine.next() else { return "refused" }
    return proxies.client(peer: peer, request: request)
  }

  @Test(arguments: [
    ("203.0.113.7", "203.0.113.7"), ("6.6.6.6, 203.0.113.7, 10.2.2.2", "203.0.113.7"),
    ("203.0.113.7|10.2.2.2", "203.0.113.7"), ("203.0.113.7:4711", "203.0.113.7"),
    ("[2001:db9::1]:443, 2001:db8::2", "2001:db9::1"), ("10.3.3.3,10.2.2.2", "10.3.3.3"),
    ("203.0.113.7, nonsense\u{22}, 10.2.2.2", "10.2.2.2"), ("", "10.0.0.1"),
    ("evil host", "10.0.0.1"),
    ("203.0.113.7, unknown", "unknown"), ("203.0.113.7, ,", "203.0.113.7"),
    ("203.0.113.7| ", "203.0.113.7"),
  ])
  func `the client is the last hop that is not ours`(_ value: String, _ expected: String) throws {
    #expect(try client("X-Forwarded-For", value, by: .xForwardedFor) == expected)
  }

  @Test(arguments: [
    ("for=203.0.113.7;proto=https;by=10.0.0.1", "203.0.113.7"),
    ("For=\u{22}[2001:db9::1]:4711\u{22}, for=10.1.1.1", "2001:db9::1"),
    ("for=203.0.113.7, for=_hidden", "_hidden"), ("proto=https", "10.0.0.1"),
    ("for=203.0.113.7|for=10.1.1.1", "203.0.113.7"),
    ("for=203.0.113.7, , for=10.1.1.1| ", "203.0.113.7"),
  ])
  func `the same out of Forwarded`(_ value: String, _ expected: String) throws {
    #expect(try client("Forwarded", value, by: .forwarded) == expected)
  }

  @Test func `nobody is believed but trusted peers, and only the field that they write`() throws {
    let name = "X-Forwarded-For"
    #expect(try client(name, "1.2.3.4", peer: "192.0.2.9", by: .xForwardedFor) == "192.0.2.9")
    #expect(try client(name, "1.2.3.4", by: .forwarded) == "10.0.0.1")
    #expect(try client("Forwarded", "for=1.2.3.4", by: .xForwardedFor) == "10.0.0.1")
    #expect(try client(name, "1.2.3.4", peer: nil, by: .xForwardedFor) == "unix")
    #expect(try client(name, "1.2.3.4", peer: nil, unix: true, by: .xForwardedFor) == "1.2.3.4")
    #expect(try client(name, nil, by: .xForwardedFor) == "10.0.0.1")
  }
}
