extension HTTPServer {
  /// The limits of a server and of each of its connections.
  package struct Configuration: Sendable {
    /// How large a request may be.
    package var limits = RequestLimits()
    /// How many connections may be open; one more is answered with 503 and closed.
    package var maximumConnections = 10_000
    package var timeouts = Timeouts()

    package init() {}
  }

  /// How long a connection waits for its client before it is closed.
  package struct Timeouts: Sendable {
    /// For the first byte of another request on an open connection.
    package var idle = Duration.seconds(75)
    /// For a whole header section, from its first byte, and for the first byte of a new connection.
    package var head = Duration.seconds(15)
    /// For a whole body, from the end of its head.
    package var body = Duration.seconds(60)
    /// For the client to take any part of an answer.
    package var write = Duration.seconds(30)
    /// For the client to close, after an answer that ends the connection.
    package var linger = Duration.seconds(2)

    package init() {}
  }
}
