/// Hides secrets in what is shown.
enum Mask {
  static let secret = "***"

  /// A PostgreSQL URL or connection string without its passwords (manual, 34.1.1 "Connection Strings").
  static func connection(_ text: String) -> String {
    var text = text
    let start = text.lowercased()
    let isURL = start.hasPrefix("postgres://") || start.hasPrefix("postgresql://")
    if isURL, let authority = text.firstRange(of: "://") {
      let rest = text[authority.upperBound...]
      // Up to the path: an @ in there belongs to no password.
      let end = rest.firstIndex { $0 == "/" || $0 == "?" } ?? text.endIndex
      if let at = rest[..<end].lastIndex(of: "@"), let colon = rest[..<at].firstIndex(of: ":") {
        text.replaceSubrange(text.index(after: colon)..<at, with: secret)
      }
      return text.replacing(#/((?:^|[?&])(?:ssl)?password=)[^&]*/#) { $0.output.1 + secret }
    }
    return text.replacing(#/((?:ssl)?password\s*=\s*)(?:'(?:[^'\\]|\\.)*'?|(?:[^\s\\]|\\.)*)/#) {
      $0.output.1 + secret
    }
  }
}
