/// Answers requests. What is wrong with a request as HTTP the server answers by itself.
package protocol RequestHandler: Sendable {
  /// Answers one request. It is called, and goes on after each wait, on the connection's event loop.
  ///
  /// The answer is sent when this returns. It is not cancelled when the client goes away: register with
  /// `exchange.onDisconnect` what is to be cancelled then.
  func respond(to request: Request, in exchange: Exchange) async -> Response

  /// The answer to what could not become a request; a problem document unless you choose another.
  func response(to refusal: Refusal) -> Response
}

extension RequestHandler {
  package func response(to refusal: Refusal) -> Response { refusal.response }
}
