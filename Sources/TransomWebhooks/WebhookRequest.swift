/// One POST to a webhook.
package struct WebhookRequest: Sendable {
  package var url: WebhookURL
  package var headers: [(name: String, value: String)]
  package var body: [UInt8]
  /// For all of it: name look-up, connection, answer.
  package var timeout: Duration

  package init(
    url: WebhookURL, headers: [(name: String, value: String)], body: [UInt8], timeout: Duration
  ) {
    self.url = url
    self.headers = headers
    self.body = body
    self.timeout = timeout
  }
}

/// What came of it.
package struct WebhookAnswer: Sendable {
  /// nil: there was no answer, and `failure` says why.
  package var status: Int?
  package var failure: String?
  /// The beginning of the answer's body.
  package var excerpt: [UInt8]
  /// The field `Retry-After`, as it came.
  package var retryAfter: String?
  package var duration: Duration

  package init(failure: String?, excerpt: [UInt8] = [], duration: Duration = .zero) {
    self.failure = failure
    self.excerpt = excerpt
    self.duration = duration
  }

  /// How much of an answer's body is kept.
  package static let excerptLimit = 1024
  /// How much of it is received at all: what is longer is cut off, and the connection closed.
  package static let bodyLimit = 64 << 10
}
