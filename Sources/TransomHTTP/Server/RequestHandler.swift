package import TransomEventLoop

/// Answers requests. What is wrong with a request as HTTP the server answers by itself.
package protocol RequestHandler: Sendable {
  /// Answers one request. It is called, and goes on after each wait, on the connection's event loop.
  ///
  /// The answer is sent when this returns. It is not cancelled when the client goes away: register with
  /// `exchange.onDisconnect` what is to be cancelled then.
  func respond(to request: Request, in exchange: Exchange) async -> Response

  /// Whether a request is refused whatever its body is, most of which is still to come: then it is answered at once, with an
  /// empty body, and the connection ends.
  func answersWithoutBody(_ request: Request) -> Bool

  /// What answers the requests of one event loop's connections; the same for all unless you choose another.
  ///
  /// What all loops share costs each request something, as their cores take the counts of its references from one
  /// another.
  func onLoop(_ loop: EventLoop) -> any RequestHandler

  /// The answer to what could not become a request; a problem document unless you choose another.
  ///
  /// `request` is what was understood before it was refused: its method, its target, and the fields up to where it is
  /// wrong, but no body. It is nil if that is not even its first line.
  func response(to refusal: Refusal, request: Request?) -> Response
}

extension RequestHandler {
  package func onLoop(_ loop: EventLoop) -> any RequestHandler { self }

  package func response(to refusal: Refusal, request: Request?) -> Response { refusal.response }

  package func answersWithoutBody(_ request: Request) -> Bool { false }
}
