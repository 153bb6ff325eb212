import Testing

@testable import TransomService

struct HostPolicyTests {
  private func allows(_ host: String, by policy: HostPolicy) -> Bool {
    policy.allows(host.utf8.span)
  }

  @Test(arguments: [
    "localhost", "LOCALHOST:8080", "localhost.", "transom.localhost", "a.b.localhost:1",
    "127.0.0.1",
    "127.0.0.1:8080", "192.0.2.7", "[::1]", "[::1]:8080", "[2001:db8::1]", "", ":80",
  ])
  func `names of this machine and addresses are always allowed`(_ host: String) throws {
    #expect(allows(host, by: .local))
    #expect(try allows(host, by: HostPolicy(names: ["api.example.org"])))
  }

  @Test(arguments: [
    "evil.example", "evil.example:8080", "localhost.evil.example", "notlocalhost",
    "127.0.0.1.nip.io",
    "127.0.0.1.evil.example:8080", "a127.0.0.1", "0x7f000001.evil.example", ".localhost",
    "localhost-",
    "x",
  ])
  func `a name of somebody else's is not`(_ host: String) {
    #expect(!allows(host, by: .local))
  }

  @Test(arguments: [
    ("api.example.org", "api.example.org", true), ("api.example.org", "API.Example.ORG:443", true),
    ("API.example.org", "api.example.org.", true), ("api.example.org", "example.org", false),
    ("api.example.org", "x.api.example.org", false), (".example.org", "api.example.org", true),
    (".example.org", "a.b.example.org:80", true), (".example.org", "example.org", false),
    (".example.org", "evilexample.org", false), (".example.org", ".example.org", false),
    ("db", "db:8080", true), ("db", "db2", false),
  ])
  func `what is named is allowed, and with a dot in front all below it`(
    _ name: String, _ host: String, _ isAllowed: Bool
  ) throws {
    #expect(try allows(host, by: HostPolicy(names: ["other", name])) == isAllowed)
  }

  @Test(arguments: [
    "", "*", "*.example.org", "a:80", "http://a", "a/b", "a..b", "a.", ".", "[::1]", "ä.example",
    "a b",
  ])
  func `another text is no name`(_ text: String) {
    #expect(throws: MalformedHost(text: text)) { try HostPolicy(names: [text]) }
  }

  @Test(arguments: [
    (["127.0.0.1:8080"], true), (["[::1]:8080", "127.0.0.1:1"], true), (["unix:/run/x"], false),
    (["unix:/run/x", "127.0.0.1:8080"], true), (["0.0.0.0:8080"], false),
    (["127.0.0.1:1", "192.0.2.1:80"], false), ([], false),
  ])
  func `unless told, only a service that this machine alone reaches over IP looks at names`(
    _ listen: [String], _ isLimited: Bool
  ) throws {
    var configuration = ServiceConfiguration(databases: [:], loops: 1)
    configuration.listen = listen
    #expect(try configuration.hostPolicy() == (isLimited ? .local : nil))
    configuration.hosts = .any
    #expect(try configuration.hostPolicy() == nil)
  }
}
