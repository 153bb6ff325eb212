/// Whom to believe about where a request came from, before the proxies that it went through.
package struct TrustedProxies: Equatable, Sendable {
  /// The field in which our proxies tell it. Only one: what they do not write themselves they pass on as the client
  /// wrote it.
  package enum Field: String, CaseIterable, Sendable {
    case xForwardedFor = "x-forwarded-for"
    /// RFC 7239.
    case forwarded
  }

  package var networks: [IPNetwork] = []
  /// Whether a peer at a Unix-domain socket, which has no address, is believed.
  package var trustsUnixSockets = false
  package var field = Field.xForwardedFor

  package init() {}

  /// Where a request came from: the last address of the chain that is not one of our own proxies'.
  ///
  /// - Parameters:
  ///   - peer: The address at the other end of the connection; nil for a Unix-domain socket.
  ///   - request: Nil if there is none that could be read.
  /// - Returns: An address, or a name that a trusted proxy gave it (RFC 7239, section 6.3); `unix` if nothing is known
  ///   beyond that.
  package func client(peer: String?, request: Request?) -> String {
    let nearest = peer ?? "unix"
    let isTrusted = peer.map(trusts) ?? trustsUnixSockets
    guard isTrusted, let value = request?.fieldText(field.rawValue) else { return nearest }
    var client = nearest
    for hop in hops(value).reversed() {
      // What cannot be read ends the chain: nobody vouches for what stands before it.
      guard let hop else { return client }
      client = hop
      guard trusts(hop) else { return client }
    }
    return client
  }

  private func trusts(_ text: String) -> Bool {
    guard let address = IPAddress(parsing: text) else { return false }
    return networks.contains { $0.contains(address) }
  }

  /// The chain in the order of the hops; nil where an element tells no address or name.
  private func hops(_ value: String) -> [String?] {
    // Empty elements, such as those of an empty line, mean nothing (RFC 9110, section 5.6.1.2).
    let elements = value.split(separator: ",").map(\.trimmed).filter { !$0.isEmpty }
    switch field {
    case .xForwardedFor:
      return elements.map { Self.node($0) }
    case .forwarded:
      // A comma or semicolon may stand in quotes only where an address never has one.
      return elements.map { element in
        for pair in element.split(separator: ";") {
          let parts = pair.split(separator: "=", maxSplits: 1)
          guard parts.count == 2, parts[0].trimmed.lowercased() == "for" else { continue }
          var node = parts[1].trimmed
          if node.count >= 2, node.hasPrefix("\""), node.hasSuffix("\"") {
            node = node.dropFirst().dropLast()
          }
          return Self.node(node)
        }
        return nil
      }
    }
  }

  /// `node = nodename [ ":" node-port ]` (RFC 7239, section 6), without the port.
  private static func node(_ text: Substring) -> String? {
    if text.hasPrefix("[") {
      guard let end = text.firstIndex(of: "]") else { return nil }
      let inner = text[text.index(after: text.startIndex)..<end]
      return IPAddress(parsing: inner) == nil ? nil : String(inner)
    }
    if IPAddress(parsing: text) != nil { return String(text) }
    let name = text.prefix { $0 != ":" }
    if IPAddress(parsing: name) != nil { return String(name) }
    let isName =
      name == "unknown"
      || name.hasPrefix("_") && name.count <= 64
        && name.utf8.allSatisfy { ByteClass.isToken($0) }
    return isName ? String(name) : nil
  }
}

extension Substring {
  fileprivate var trimmed: Substring {
    var text = self
    while let first = text.utf8.first, ByteClass.isSpaceOrTab(first) { text.removeFirst() }
    while let last = text.utf8.last, ByteClass.isSpaceOrTab(last) { text.removeLast() }
    return text
  }
}
