internal import TransomHTTP

/// What a program gives to Neon's driver, `postgres://USER:PASSWORD@HOST/DATABASE?…`: who calls, and which database is meant.
///
/// Its host, port and options mean nothing here: it never chooses where Transom connects to.
package struct NeonConnectionString: Equatable, Sendable {
  package let user: String
  package let password: String
  package let database: String

  /// Reads one as the driver takes it (`neon()`): a URL with a user and a path (RFC 3986). Nil for anything else.
  package init?(_ text: String) {
    let schemes = ["postgres://", "postgresql://"]
    guard let scheme = schemes.first(where: text.hasPrefix) else { return nil }
    let rest = text.dropFirst(scheme.count).prefix { $0 != "?" && $0 != "#" }
    guard let slash = rest.firstIndex(of: "/"),
      let at = rest[..<slash].lastIndex(of: "@")
    else { return nil }
    let credentials = rest[..<at].split(
      separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
    guard let user = Self.decode(credentials[0]), !user.isEmpty,
      let password = Self.decode(credentials.count > 1 ? credentials[1] : ""),
      let database = Self.decode(rest[rest.index(after: slash)...]), !database.isEmpty
    else { return nil }
    self.user = user
    self.password = password
    self.database = database
  }

  private static func decode(_ part: Substring) -> String? {
    PercentEncoding.decode(Array(part.utf8).span, plusIsSpace: false)
  }
}
