internal import TransomEventLoop
internal import TransomHTTP

/// Under which names the service may be addressed: the defence against DNS rebinding.
///
/// A web page of anybody's can have its own name lead to 127.0.0.1, and then its requests to the service are of the
/// page's own origin, which no browser asks about first. They tell the page's name in `Host`. So a service that takes
/// requests without a key, as this machine only can reach it, answers to no name but those of this machine. Addresses are
/// always allowed: a page that has no name cannot be led elsewhere.
package struct HostPolicy: Sendable, Equatable {
  /// In lower case; one that begins with a dot stands for all names that end so.
  private let names: [[UInt8]]

  /// This machine only.
  package static let local = HostPolicy(checked: [])

  /// Allows names besides those of this machine: `api.example.org`, or `.example.org` for all names below that.
  ///
  /// - Throws: `MalformedHost` for another text, such as one with a port.
  package init(names: [String]) throws(MalformedHost) {
    for name in names where !Self.isName(name) { throw MalformedHost(text: name) }
    self.init(checked: names.map { Array($0.lowercased().utf8) })
  }

  private init(checked names: [[UInt8]]) { self.names = names + [Array(".localhost".utf8)] }

  /// The names that were given.
  var texts: [String] { names.dropLast().map { String(decoding: $0, as: UTF8.self) } }

  /// Whether a request is for this service. One without a name, as HTTP/1.0 allows, comes from no browser.
  func allows(_ request: Request) -> Bool {
    guard let host = request.host() else { return true }
    return allows(host)
  }

  /// Takes `uri-host [ ":" port ]`, which the parser has checked.
  func allows(_ host: Span<UInt8>) -> Bool {
    var end = 0
    var isNumber = true
    guard !host.isEmpty, host[0] != UInt8(ascii: "[") else { return true }
    while end < host.count, host[end] != UInt8(ascii: ":") {
      let byte = host[end]
      isNumber = isNumber && (0x30...0x39 ~= byte || byte == UInt8(ascii: "."))
      end += 1
    }
    // No name ends in a number (WHATWG URL standard, "ends in a number checker").
    if isNumber { return true }
    // The root's dot at the end of a name means nothing here.
    if host[end - 1] == UInt8(ascii: ".") { end -= 1 }
    let name = host.extracting(..<end)
    return Self.matches(name, "localhost".utf8.span)
      || names.contains { allowed in
        guard allowed.first == UInt8(ascii: ".") else { return Self.matches(name, allowed.span) }
        return name.count > allowed.count
          && Self.matches(name.extracting((name.count - allowed.count)...), allowed.span)
      }
  }

  /// Whether bytes are a text that is in lower case, in any case.
  private static func matches(_ bytes: Span<UInt8>, _ text: Span<UInt8>) -> Bool {
    guard bytes.count == text.count else { return false }
    for index in bytes.indices {
      let byte = bytes[index]
      guard (UInt8(ascii: "A")...UInt8(ascii: "Z") ~= byte ? byte | 0x20 : byte) == text[index]
      else { return false }
    }
    return true
  }

  private static func isName(_ text: String) -> Bool {
    let labels = text.split(separator: ".", omittingEmptySubsequences: false)
    let named = text.hasPrefix(".") ? labels.dropFirst() : labels[...]
    return named.allSatisfy { label in
      !label.isEmpty
        && label.utf8.allSatisfy { byte in
          switch byte {
          case 0x30...0x39, 0x41...0x5a, 0x61...0x7a, UInt8(ascii: "-"), UInt8(ascii: "_"): true
          default: false
          }
        }
    }
  }
}

/// What is no host's name.
package struct MalformedHost: Error, Equatable, CustomStringConvertible {
  package let text: String

  package var description: String {
    "\"\(text)\" is no name: expected one such as api.example.org, .example.org for all names below it, or * alone"
  }
}

extension ServiceConfiguration {
  /// Under which names the service may be addressed.
  package enum Hosts: Sendable, Equatable {
    /// Under those of this machine, if there are no keys, programs of this machine alone reach the service, and one of its
    /// listeners is not a Unix-domain socket, which no browser reaches; otherwise under any.
    case automatic
    case any
    case named(HostPolicy)

    /// As they are set.
    package var texts: [String] {
      switch self {
      case .automatic: []
      case .any: ["*"]
      case .named(let policy): policy.texts
      }
    }
  }

  /// Nil: under any name.
  ///
  /// - Throws: if an address is malformed or its host is unknown.
  func hostPolicy() throws -> HostPolicy? {
    switch hosts {
    case .any: return nil
    case .named(let policy): return policy
    case .automatic:
      guard isOpen else { return nil }
      return try Self.areLocal(listen + inherited.map(\.address)) ? .local : nil
    }
  }

  /// The same for the addresses of metrics, which take no key.
  ///
  /// - Throws: if an address is malformed or its host is unknown.
  func metricsHostPolicy() throws -> HostPolicy? {
    guard try Self.areLocal(metricsListen) else { return nil }
    switch hosts {
    case .any: return nil
    case .named(let policy): return policy
    case .automatic: return .local
    }
  }

  /// Whether only programs of this machine can reach them, and a browser is one of them.
  private static func areLocal(_ texts: [String]) throws -> Bool {
    let addresses = try texts.map { try SocketAddress(parsing: $0) }
    return addresses.allSatisfy(\.isLocal) && addresses.contains { $0.unixPath == nil }
  }
}
