package import TransomEventLoop

/// An answer that is sent while it is made: in chunks (RFC 9112, section 7.1), or to a client of HTTP/1.0 until the
/// connection is closed. Whoever makes it waits for the client, so that it takes no more memory than one part.
///
/// ```swift
/// let stream = exchange.makeStream()
/// await stream.begin(response)          // until then, any other answer can be given instead
/// await stream.send(part)               // false: stop, the client is gone, or `stop()` was called
/// await stream.end(with: lastPart)
/// ```
///
/// An answer that is not ended is one that the client can tell from a whole one: the connection is closed instead.
package actor ResponseStream: EventLoopActor {
  package nonisolated let loop: EventLoop
  package nonisolated var unownedExecutor: UnownedSerialExecutor { loop.executor }

  private nonisolated let connection: HTTPConnection
  private var socket: Socket?
  private var timeouts = HTTPServer.Timeouts()
  private var framing = ResponseFraming.chunked
  /// Whether the head is on its way: from now on the answer is this one.
  package private(set) var hasBegun = false
  /// Whether everything was sent, the end included.
  package private(set) var isComplete = false
  /// How many octets the socket has taken, the head included.
  package private(set) var sent = 0

  /// What stands before the part: the head, and what frames it.
  private var head: [UInt8] = []
  private var part: [UInt8] = []
  /// How much of both has been sent.
  private var position = 0
  private var isFirstPart = true
  private var isStopped = false
  /// The time that was spent waiting for the client.
  private var waited = Duration.zero

  init(on connection: HTTPConnection) {
    loop = connection.loop
    self.connection = connection
  }

  /// Begins the answer: its head goes out with the first part. Its body and Content-Length are not sent.
  package func begin(_ response: Response) {
    guard !hasBegun else { return }
    hasBegun = true
    guard let beginning = connection.onLoop({ $0.beginStream(response) }) else { return }
    head = beginning.head
    socket = beginning.socket
    framing = beginning.framing
    timeouts = beginning.timeouts
  }

  /// Sends the next part of the body, and returns when the socket has taken all of it. False: it has not, because the
  /// client is gone or takes nothing, or because of `stop()`; then nothing can be sent any more but the end.
  package func send(_ next: consuming [UInt8]) async -> Bool {
    guard !isStopped, !next.isEmpty else { return !isStopped }
    put(next)
    let isSent = await flush(isStoppable: true)
    // Each part is a turn: other connections of the loop get theirs.
    await loop.nextTurn()
    return isSent
  }

  /// Sends what is left, the last part, and the end. That can be stopped by nothing but the client.
  package func end(with last: consuming [UInt8]) async {
    guard await flush(isStoppable: false) else { return }
    put(last)
    if framing == .chunked {
      guard await flush(isStoppable: false) else { return }
      ResponseSerializer.appendChunkHead(length: 0, isFirst: isFirstPart, to: &head)
    }
    isComplete = await flush(isStoppable: false)
  }

  /// Ends a wait for the client: there is something more urgent. What has been given is sent by `end`. From any thread.
  package nonisolated func stop() {
    loop.execute { [self] in
      onLoop { stream in
        stream.isStopped = true
        stream.socket?.stopWaitingToWrite()
      }
    }
  }

  private func put(_ next: consuming [UInt8]) {
    guard !next.isEmpty else { return }
    if framing == .chunked {
      ResponseSerializer.appendChunkHead(length: next.count, isFirst: isFirstPart, to: &head)
    }
    isFirstPart = false
    part = next
  }

  /// Sends what was put, waiting for the client where it has to.
  private func flush(isStoppable: Bool) async -> Bool {
    guard let socket else { return false }
    while position < head.count + part.count {
      guard let count = try? socket.write(head, from: position, then: part) else { return fail() }
      position += count
      sent += count
      guard position < head.count + part.count else { break }
      guard !(isStoppable && isStopped) else { return false }
      // Only what the client takes to take it counts, not what it takes us to make it.
      let began = loop.now
      let deadline = timeouts.writeDeadline(
        start: began.advanced(by: .zero - waited), bytes: sent, now: began)
      let wake = began < deadline ? await socket.writable(until: deadline) : .timedOut
      waited += loop.now - began
      switch wake {
      case .ready: continue
      case .cancelled where isStoppable && isStopped: return false
      case .cancelled where isStopped && !Task.isCancelled: continue
      case .cancelled, .timedOut, .closed: return fail()
      }
    }
    head.removeAll(keepingCapacity: true)
    part = []
    position = 0
    return true
  }

  /// The client is gone, or does not take what it is sent.
  private func fail() -> Bool {
    socket = nil
    isStopped = true
    return false
  }
}
