internal import TransomEventLoop

/// What the connections of one event loop have in common: not in each of them, as most are idle and should cost little.
final class ConnectionContext: Sendable {
  let loop: EventLoop
  let handler: any RequestHandler
  let spares: SpareBuffers
  let configuration: HTTPServer.Configuration
  /// Called on the loop when a connection that was parked is to be run again.
  let wake: @Sendable (HTTPConnection) -> Void

  init(
    on loop: EventLoop, handler: any RequestHandler, spares: SpareBuffers,
    configuration: HTTPServer.Configuration, wake: @escaping @Sendable (HTTPConnection) -> Void
  ) {
    self.loop = loop
    self.handler = handler.onLoop(loop)
    self.spares = spares
    self.configuration = configuration
    self.wake = wake
  }

  /// The same for connections that are served otherwise.
  func with(_ configuration: HTTPServer.Configuration) -> ConnectionContext {
    ConnectionContext(
      on: loop, handler: handler, spares: spares, configuration: configuration, wake: wake)
  }
}
