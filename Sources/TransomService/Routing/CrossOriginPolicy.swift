internal import HTTPTypes
package import TransomHTTP

/// Which web pages may use the service out of a browser (Fetch standard, section "HTTP extensions", CORS protocol).
///
/// Credentials in the sense of that standard, cookies, are not used; keys come in `Authorization`, which a page must set
/// itself.
package struct CrossOriginPolicy: Sendable, Equatable {
  private enum Origins: Equatable {
    case any
    case these([String])
  }

  /// What a page may send beyond what every page may.
  private static let requestHeaders =
    "Accept, Authorization, Content-Type, Idempotency-Key, Traceparent, Tracestate, X-Request-Id, "
    + "Neon-Array-Mode, Neon-Batch-Deferrable, Neon-Batch-Isolation-Level, Neon-Batch-Read-Only, "
    + "Neon-Connection-String, Neon-Pool-Opt-In, Neon-Raw-Text-Output"
  /// What a page may read beyond what every page may.
  private static let responseHeaders =
    "Allow, Idempotency-Replayed, Retry-After, Server-Timing, WWW-Authenticate, X-Request-Id"
  /// How long a browser may remember a preflight's answer, in seconds; browsers cap it themselves.
  private static let maximumAge = 7200

  private let origins: Origins

  /// - Parameter origins: `SCHEME://HOST[:PORT]` as browsers write it, or `*` alone for every page.
  /// - Throws: `MalformedOrigin` for another text.
  package init(origins: [String]) throws(MalformedOrigin) {
    guard origins != ["*"] else {
      self.origins = .any
      return
    }
    for origin in origins where !Self.isOrigin(origin) { throw MalformedOrigin(text: origin) }
    self.origins = .these(origins)
  }

  /// The origins as they are written.
  package var texts: [String] {
    switch origins {
    case .any: ["*"]
    case .these(let origins): origins
    }
  }

  /// Adds what a browser needs to let the page that asked read the answer.
  ///
  /// What depends on the page that asks says so in `Vary`, also where there is none, so that no cache gives one page's
  /// answer to another.
  package func append(for request: Request, to fields: inout ResponseFields) {
    switch origins {
    case .any:
      guard request.field("origin") != nil else { return }
      fields.append(.accessControlAllowOrigin, "*")
    case .these(let origins):
      fields.append(.vary, "Origin")
      guard let origin = request.fieldText("origin"), origins.contains(origin) else { return }
      fields.append(.accessControlAllowOrigin, origin)
    }
    fields.append(.accessControlExposeHeaders, Self.responseHeaders)
  }

  /// Adds what a browser asks before it sends a request that a page could not send by itself, to the answer that
  /// `append` has been called for. `methods` are those of the path.
  package func appendPreflight(
    for request: Request, methods: String, to fields: inout ResponseFields
  ) {
    guard request.field("access-control-request-method") != nil, allows(request) else { return }
    fields.append(.accessControlAllowMethods, methods)
    fields.append(.accessControlAllowHeaders, Self.requestHeaders)
    fields.append(.accessControlMaxAge, Self.maximumAge)
  }

  private func allows(_ request: Request) -> Bool {
    guard let origin = request.fieldText("origin") else { return false }
    return switch origins {
    case .any: true
    // Browsers write an origin in one way only.
    case .these(let origins): origins.contains(origin)
    }
  }

  /// `scheme "://" host [ ":" port ]` in lower case (Fetch standard, section "Origin header").
  private static func isOrigin(_ text: String) -> Bool {
    text.wholeMatch(
      of: #/[a-z][a-z0-9+.-]*://(?:[a-z0-9_.-]+|\[[0-9a-f:.]+\])(?::[0-9]{1,5})?/#) != nil
  }
}

/// An origin that no browser would send.
package struct MalformedOrigin: Error, Equatable, CustomStringConvertible {
  package let text: String

  package var description: String {
    "\"\(text)\" is no origin: expected SCHEME://HOST or SCHEME://HOST:PORT in lower case without a path, or * alone"
  }
}
