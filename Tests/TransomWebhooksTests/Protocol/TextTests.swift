import Testing
import TransomWebhooks

/// What webhooks are written as: addresses, patterns, secrets, signatures.
@Suite struct TextTests {
  @Test(arguments: [
    "https://example.org", "http://example.org/", "https://example.org:8443/a?b=c&d",
    "HTTPS://EXAMPLE.ORG/", "http://127.0.0.1:1/", "http://[::1]:65535/x", "http://a_b.c-d/%20",
  ])
  func `an address is kept as it was written`(_ text: String) throws {
    #expect(try WebhookURL(text).text == text)
  }

  @Test(arguments: [
    ("", WebhookURL.Flaw.scheme), ("ftp://x", .scheme), ("file:///etc/passwd", .scheme),
    ("//x", .scheme), ("https:/x", .scheme), ("http://", .host), ("http:///x", .host),
    ("http://x y/", .characters), ("http://x/\u{e9}", .characters), ("http://x\\@y/", .characters),
    ("http://x/\n", .characters), ("http://u@x/", .userInfo), ("http://u:p@x/", .userInfo),
    ("http://x/#f", .fragment), ("http://x:0/", .port), ("http://x:65536/", .port),
    ("http://x:/", .port), ("http://x:1:2/", .port), ("http://[::1/", .host),
    ("http://[fe80::1%25eth0]/", .host), ("http://x%2f/", .host), ("http://x;y/", .host),
    ("http://x/" + String(repeating: "a", count: 2048), .length),
  ])
  func `what is no address of a webhook is refused`(_ text: String, _ flaw: WebhookURL.Flaw) {
    #expect(throws: flaw) { try WebhookURL(text) }
  }

  @Test(arguments: [
    ("*", true), ("a", true), ("a.*", true), ("a.b-c_1.*", true), ("", false), ("a*", false),
    ("*.a", false), ("a..b", false), ("a.", false), (".a", false), ("a b", false), ("a.*.b", false),
    (String(repeating: "a", count: 129), false),
  ])
  func `a pattern is a name, a prefix, or all`(_ text: String, _ isPattern: Bool) {
    #expect((EventPattern(text) != nil) == isPattern)
  }

  // RFC 4648, section 10.
  @Test(arguments: [
    ("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="),
    ("fooba", "Zm9vYmE="), ("foobar", "Zm9vYmFy"),
  ])
  func `Base64 comes back as it went`(_ bytes: String, _ text: String) {
    #expect(Base64.encode(Array(bytes.utf8)) == text)
    #expect(Base64.decode(text) == Array(bytes.utf8))
  }

  @Test(arguments: ["Zg", "Zg=", "Zh==", "Z===", "====", "Zm9=v", "Zm9v\n", "Zm-_"])
  func `text that is not the one encoding of bytes is refused`(_ text: String) {
    #expect(Base64.decode(text) == nil)
  }

  @Test func `the signature is that of Standard Webhooks`() throws {
    // The example of the specification's reference implementations.
    let secret = try #require(SigningSecret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"))
    let header = Signature.header(
      id: "msg_p5jXN8AQM9LWM0D4loKWxJek", timestamp: 1_614_265_330,
      body: Array(#"{"test": 2432232314}"#.utf8), secrets: [secret])
    #expect(header == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=")
    #expect(secret.text == "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    #expect(
      SigningSecret("whsec_AAAA") == nil && SigningSecret("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw") == nil
    )
  }

  @Test func `a sealed secret opens with its key, also when another one seals now`() throws {
    let secret = SigningSecret.random()
    let old = try #require(SecretSeal(keys: [Array(repeating: 1, count: 32)]))
    let new = try #require(
      SecretSeal(keys: [Array(repeating: 2, count: 32), Array(repeating: 1, count: 32)]))
    let sealed = old.seal(secret)
    #expect(new.open(sealed) == secret && SecretSeal().open(sealed) == nil)
    #expect(sealed != old.seal(secret), "a nonce is used once")
    var broken = sealed
    broken[20] ^= 1
    #expect(old.open(broken) == nil)
    #expect(new.open(SecretSeal().seal(secret)) == secret)
    #expect(SecretSeal(keys: [[1, 2, 3]]) == nil)
  }
}
