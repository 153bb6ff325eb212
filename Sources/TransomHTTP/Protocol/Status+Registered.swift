package import HTTPTypes

extension HTTPResponse.Status {
  /// The status of a code, with the phrase that it is registered with (RFC 9110, section 15): it tells whoever reads an answer
  /// what the number means. A code that is not listed here has none, which is allowed (RFC 9112, section 4).
  package init(registered code: Int) {
    self = Self.registered.first { $0.code == code } ?? Self(integerLiteral: code)
  }

  private static let registered: [HTTPResponse.Status] = [
    .ok, .created, .accepted, .noContent,
    .badRequest, .unauthorized, .forbidden, .notFound, .methodNotAllowed, .notAcceptable,
    .requestTimeout, .conflict, .gone, .contentTooLarge, .uriTooLong, .unsupportedMediaType,
    .misdirectedRequest, .unprocessableContent, .tooManyRequests,
    .internalServerError, .notImplemented, .badGateway, .serviceUnavailable, .gatewayTimeout,
  ]
}
