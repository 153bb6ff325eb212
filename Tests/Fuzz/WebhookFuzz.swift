import TransomHTTP
import TransomService
import TransomWebhooks

/// What clients say about webhooks, and what receivers answer.
enum WebhookFuzz {
  static func run(_ input: [UInt8]) {
    checkDocuments(input)
    let text = String(decoding: input, as: UTF8.self)
    checkURL(text)
    checkNames(text)
    checkSecret(text)
    checkPointer(text)
    checkRetryAfter(text, input)
  }

  private static func checkDocuments(_ input: [UInt8]) {
    var reader = JSONReader()
    for isNew in [true, false] {
      guard
        let document = try? WebhookDocument.decode(input.span, isNew: isNew, with: &reader)
      else { continue }
      check(!isNew || document.url != nil && document.events != nil, "a webhook without an address")
      check(document.events.map { (1...100).contains($0.count) } ?? true, "a number of patterns")
      if let url = document.url { check((try? WebhookURL(url)) != nil, "\(url) is no URL") }
    }
    _ = try? RedeliveryDocument.decode(input.span, with: &reader)
    let rules = HookRules(databases: ["default"], allowsAddresses: true)
    let first = try? RequestDecoder.decode(input.span, with: &reader, hooks: rules)
    let again = try? RequestDecoder.decode(input.span, with: &reader, hooks: rules)
    check((first == nil) == (again == nil), "another result the second time")
  }

  private static func checkURL(_ text: String) {
    guard (try? WebhookURL(text)) != nil else { return }
    let lower = text.lowercased()
    check(lower.hasPrefix("http://") || lower.hasPrefix("https://"), "another scheme: \(text)")
    check(text.utf8.allSatisfy { 0x21...0x7E ~= $0 }, "other characters: \(text)")
    let authority = text.split(separator: "/", maxSplits: 2, omittingEmptySubsequences: false)[2]
      .prefix { $0 != "/" && $0 != "?" }
    check(!authority.isEmpty && !authority.contains("@"), "no plain host: \(text)")
    guard let other = CurlURL(text) else { return }
    let isNumber = authority.utf8.allSatisfy { $0 == 0x2E || $0 == 0x3A || isHexadecimal($0) }
    check(!other.hasUser, "libcurl reads a user: \(text)")
    check(
      isNumber || authority.hasPrefix("[")
        || authority.lowercased().hasPrefix(other.host.lowercased()),
      "libcurl reads another host: \(text)")
  }

  /// A digit, or what else stands in an IPv4 address that is written as C writes numbers: libcurl makes dots of it.
  private static func isHexadecimal(_ byte: UInt8) -> Bool {
    0x30...0x39 ~= byte || 0x41...0x46 ~= byte & 0xDF || byte & 0xDF == UInt8(ascii: "X")
  }

  private static func checkNames(_ text: String) {
    if (try? EventName.check(text)) != nil {
      check(EventPattern(text) != nil, "an event that no pattern takes: \(text)")
    }
    if let network = TransomWebhooks.IPNetwork(text), !text.contains("/") {
      check(isAddress(text), "inet_pton(3) differs about \(text)")
      _ = AddressPolicy(allowedNetworks: [network])
    }
  }

  private static func checkSecret(_ text: String) {
    if let secret = SigningSecret(text) { check(secret.text == text, "another text of a secret") }
    if let bytes = Base64.decode(text) { check(Base64.encode(bytes) == text, "another Base64") }
    let bytes = Array(text.utf8)
    check(Base64.decode(Base64.encode(bytes)) == bytes, "Base64 that is not read again")
  }

  private static func checkPointer(_ text: String) {
    guard let tokens = JSONPointer.tokens(of: text) else { return }
    var pointer = JSONPointer()
    for token in tokens { pointer.append(token) }
    check(Array(pointer.description.utf8) == Array(text.utf8), "another pointer than \(text)")
  }

  private static func checkRetryAfter(_ text: String, _ input: [UInt8]) {
    if let wait = RetryAfter.parse(text, now: 1_700_000_000) {
      check(wait >= .zero, "a wait of \(wait)")
    }
    // A date as servers write it is the second that it was made of.
    let second = input.prefix(5).reduce(0) { $0 << 8 | Int($1) } % 253_402_300_800
    var date: [UInt8] = []
    HTTPDate(unixSeconds: Int64(second)).append(to: &date)
    let wait = RetryAfter.parse(String(decoding: date, as: UTF8.self), now: 0)
    check(wait == .seconds(second), "\(second) is read as \(String(describing: wait))")
  }
}
