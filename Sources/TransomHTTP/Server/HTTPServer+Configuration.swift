internal import TransomEventLoop

extension HTTPServer {
  /// The limits of a server and of each of its connections.
  package struct Configuration: Sendable {
    /// How large a request may be.
    package var limits = RequestLimits()
    /// How many connections may be open; one more is answered with 503 and closed.
    package var maximumConnections = 10_000
    package var timeouts = Timeouts()
    /// Answers of at least so many bytes are compressed for clients that accept it; nil: none.
    package var compressedFrom: Int? = 1024

    /// Where each request is noted; nil: nowhere, which costs nothing.
    package var accessLog: AccessLog?

    package init() {}
  }

  /// How long a connection waits for its client before it is closed.
  package struct Timeouts: Sendable {
    /// For the first byte of another request on an open connection.
    package var idle = Duration.seconds(75)
    /// Of that, how long a connection has a task, which costs more memory than all the rest of it.
    package var parking = Duration.milliseconds(100)
    /// For the first byte of a new connection.
    package var firstByte = Duration.seconds(15)
    /// For a whole header section, from its first byte.
    package var head = Duration.seconds(15)
    /// For any part of a body, and for all of it beside what `minimumRate` allows.
    package var body = Duration.seconds(20)
    /// For the client to take any part of an answer, and all of it beside what `minimumRate` allows.
    package var write = Duration.seconds(30)
    /// Bytes a second that a client has to send of a body and to take of an answer, on the average: one that
    /// trickles does not keep a connection for ever.
    package var minimumRate = 500
    /// For the client to close, after an answer that ends the connection.
    package var linger = Duration.seconds(2)

    package init() {}

    /// When a body must have gone on that was begun `timeouts.body` before `first`, and of which so many bytes have come.
    ///
    /// The more has come, the later; but never far from now: who sent much in the beginning must not stop for long.
    func bodyDeadline(
      first: MonotonicInstant, bytes: Int, now: MonotonicInstant
    ) -> MonotonicInstant {
      min(first + allowance(for: bytes), now + body)
    }

    /// When an answer must have gone on that was begun at `start`, and of which so many bytes were sent: as for a body.
    func writeDeadline(
      start: MonotonicInstant, bytes: Int, now: MonotonicInstant
    ) -> MonotonicInstant {
      min(start + write + allowance(for: bytes), now + write)
    }

    /// How long so many bytes may take.
    private func allowance(for bytes: Int) -> Duration {
      .milliseconds(Int64(bytes) * 1000 / Int64(max(1, minimumRate)))
    }
  }
}
