/// The address of a webhook: an absolute URL of http or https, without credentials (RFC 3986).
///
/// It is kept as it was written. libcurl reads it once more, and where it really leads is checked when it is connected to:
/// see ``AddressPolicy``. So this refuses what is plainly no address of a webhook, and what two readers might
/// understand differently.
package struct WebhookURL: Hashable, Sendable {
  /// What is wrong with an address, in words.
  package enum Flaw: Error, Equatable, CustomStringConvertible {
    case scheme
    case characters
    case length
    case userInfo
    case fragment
    case host
    case port

    package var description: String {
      switch self {
      case .scheme: "must be a URL that begins with https:// or http://"
      case .characters: "must be a URL: only visible ASCII, other characters percent-encoded"
      case .length: "must be a URL of at most \(maximumLength) characters"
      case .userInfo: "must not hold a user name or password"
      case .fragment: "must not hold a fragment"
      case .host: "must name a host"
      case .port: "must have a port from 1 to 65535, or none"
      }
    }
  }

  package static let maximumLength = 2048

  /// The URL as it was given.
  package let text: String

  /// Takes a URL that a client gave.
  package init(_ text: String) throws(Flaw) {
    guard text.utf8.count <= Self.maximumLength else { throw .length }
    // A backslash is a slash for some readers, and none for others.
    guard text.utf8.allSatisfy({ 0x21...0x7e ~= $0 && $0 != UInt8(ascii: "\\") }) else {
      throw .characters
    }
    guard let authority = Self.authority(of: text) else { throw .scheme }
    guard !text.utf8.contains(UInt8(ascii: "#")) else { throw .fragment }
    guard !authority.utf8.contains(UInt8(ascii: "@")) else { throw .userInfo }
    try Self.check(authority: authority)
    self.text = text
  }

  /// What stands between `//` and the path.
  private static func authority(of text: String) -> Substring? {
    for scheme in ["https://", "http://"] where text.prefix(scheme.count).lowercased() == scheme {
      return text.dropFirst(scheme.count).prefix { $0 != "/" && $0 != "?" && $0 != "#" }
    }
    return nil
  }

  private static func check(authority: Substring) throws(Flaw) {
    var host = authority
    var port: Substring?
    if authority.first == "[" {
      guard let end = authority.firstIndex(of: "]") else { throw .host }
      host = authority[..<authority.index(after: end)]
      let rest = authority[authority.index(after: end)...]
      guard rest.isEmpty || rest.first == ":" else { throw .host }
      if !rest.isEmpty { port = rest.dropFirst() }
      guard host.utf8.dropFirst().dropLast().allSatisfy(isAddressByte) else { throw .host }
    } else {
      if let colon = authority.firstIndex(of: ":") {
        host = authority[..<colon]
        port = authority[authority.index(after: colon)...]
      }
      guard !host.isEmpty, host.utf8.allSatisfy(isHostByte) else { throw .host }
    }
    if let port {
      guard port.utf8.allSatisfy({ 0x30...0x39 ~= $0 }), let number = Int(port),
        1...65_535 ~= number
      else { throw .port }
    }
  }

  /// What stands in an IPv6 address; a zone names an interface of this machine, and is none of a client's business.
  private static func isAddressByte(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "f"),
      UInt8(ascii: "A")...UInt8(ascii: "F"), UInt8(ascii: ":"), UInt8(ascii: "."):
      true
    default: false
    }
  }

  private static func isHostByte(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "z"),
      UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "-"), UInt8(ascii: "."),
      UInt8(ascii: "_"):
      true
    default: false
    }
  }
}
