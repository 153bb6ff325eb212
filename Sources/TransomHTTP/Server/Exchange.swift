package import HTTPTypes
package import TransomEventLoop

/// One request and its answer, as the handler sees them: the loop, the client's presence, and buffers
/// that are used again.
///
/// Each connection has one, for all its requests. It belongs to the connection's event loop and is not
/// to be kept when the answer is given.
package final class Exchange {
  /// The event loop on which the connection lives.
  package let loop: EventLoop
  /// When the request was complete.
  package private(set) var receivedAt: MonotonicInstant
  /// Whether the client has closed its side or the connection is broken.
  ///
  /// One that only says that nothing more comes (shutdown(2)) cannot be told from one that is gone. It
  /// gets its answer all the same.
  package private(set) var isDisconnected = false
  /// What the access log says that is stored once the request was answered; nil if the request is not about that.
  package var outcome: String?

  /// The answer of the current request, if it is sent while it is made.
  private(set) var stream: ResponseStream?
  /// The one that it belongs to, which outlives it.
  private unowned let connection: HTTPConnection

  private var disconnectHandler: (@Sendable () -> Void)?
  private var body: [UInt8] = []
  private var fields: [UInt8] = []

  init(of connection: HTTPConnection) {
    self.connection = connection
    loop = connection.loop
    receivedAt = loop.now
  }

  /// The address at the other end of the connection: the client's, or that of a proxy; nil for a Unix-domain socket.
  package var peerHost: String? { connection.onLoop { $0.peerHost } }

  /// Calls `handler` on the loop, once, if the client goes away before the answer is given.
  ///
  /// It is called soon if the client has gone already, and never from within this call. Nil takes the
  /// handler back.
  package func onDisconnect(_ handler: (@Sendable () -> Void)?) {
    disconnectHandler = handler
    if isDisconnected { callDisconnectHandler() }
  }

  /// An empty response that uses the memory of the last one.
  package func makeResponse(
    _ status: HTTPResponse.Status, contentType: ContentType? = nil
  ) -> Response {
    var response = Response(status, contentType: contentType)
    swap(&response.body, &body)
    swap(&response.fields.bytes, &fields)
    return response
  }

  /// An answer whose end is not known when it begins. Until it has begun, another one can be returned in its place; when
  /// it has, the response that the handler returns is only noted in the access log.
  package func makeStream() -> ResponseStream {
    let stream = ResponseStream(on: connection)
    self.stream = stream
    return stream
  }

  // MARK: For the connection

  func begin(at now: MonotonicInstant) {
    receivedAt = now
    outcome = nil
  }

  func end() {
    disconnectHandler = nil
    stream = nil
  }

  func disconnected() {
    isDisconnected = true
    callDisconnectHandler()
  }

  /// Takes the buffers of a response that was written.
  func recycle(_ response: inout Response) {
    // Nobody else may hold the buffers, or to empty them would mean to make new ones.
    swap(&body, &response.body)
    swap(&fields, &response.fields.bytes)
    body.clear(keepingAtMost: HTTPConnectionStateMachine.keptCapacity)
    fields.clear(keepingAtMost: HTTPConnectionStateMachine.keptCapacity)
  }

  /// Exchanges the buffers of the next response.
  func swapBuffers(_ buffers: inout ConnectionBuffers) {
    swap(&body, &buffers.body)
    swap(&fields, &buffers.fields)
  }

  private func callDisconnectHandler() {
    guard let handler = exchange(&disconnectHandler, with: nil) else { return }
    loop.execute(handler)
  }
}
