internal import HTTPTypes
internal import TransomEventLoop

/// One client's socket: performs what `HTTPConnectionStateMachine` decides, on one event loop.
///
/// A request costs one read and one write. Everything, the handler included, runs on the loop's thread.
actor HTTPConnection: EventLoopActor {
  /// Bodies of at most this many bytes are copied behind their head: cheaper than a second buffer.
  private static let joinedBody = 4 * 1024
  /// Requests answered before other connections of the loop get their turn, if none has to wait.
  private static let requestsPerTurn = 32
  /// The same for the parts of a body.
  private static let readsPerTurn = 8

  nonisolated let loop: EventLoop
  nonisolated var unownedExecutor: UnownedSerialExecutor { loop.executor }

  private let context: ConnectionContext
  private var machine: HTTPConnectionStateMachine
  /// The socket before it is registered, which only the loop can do.
  private var descriptor: FileDescriptor?
  private var socket: Socket?
  private var exchange: Exchange?
  private var output: [UInt8] = []
  /// How much of the last answer was sent.
  private var sent = 0
  private var dates = DateCache()
  private var deadline: (wait: HTTPConnectionStateMachine.Wait, at: MonotonicInstant)?
  /// When the request was begun that has not come to its end.
  private var incompleteSince: MonotonicInstant?
  private var answered = 0
  private var bodyReads = 0

  /// Takes a client's socket; with a refusal, that is all that the client gets.
  init(
    adopting descriptor: consuming FileDescriptor, in context: ConnectionContext,
    refusing refusal: Refusal? = nil
  ) {
    self.context = context
    loop = context.loop
    self.descriptor = consume descriptor
    machine = HTTPConnectionStateMachine(
      limits: context.configuration.limits, refusing: refusal)
  }

  private var timeouts: HTTPServer.Timeouts { context.configuration.timeouts }

  /// The address at the other end; nil for a Unix-domain socket, and when the socket is closed.
  var peerHost: String? { socket?.peerHost }

  /// Why `run` returned.
  enum Ending {
    /// One side has closed the connection.
    case closed
    /// The client is silent, and the context's `wake` is called when that changes: `run` is to be called again then.
    case parked
  }

  /// Serves the client until one side closes the connection, or for as long as the client is not silent.
  func run() async -> Ending {
    guard let (socket, exchange) = open() else { return .closed }
    takeBuffers(exchange)
    // One handler for the connection instead of one for each wait.
    let ending = await withTaskCancellationHandler {
      await serve(socket, exchange)
    } onCancel: {
      abort()
    }
    switch ending {
    case .closed:
      exchange.end()
      socket.close()
    case .parked:
      giveBuffersBack(exchange)
      socket.onReadable(until: deadline(for: .request)) { [self, context] in context.wake(self) }
    }
    return ending
  }

  /// What was opened before, or is opened now; nil if the socket cannot be used.
  private func open() -> (Socket, Exchange)? {
    if let socket, let exchange { return (socket, exchange) }
    guard let descriptor = Swift.exchange(&descriptor, with: nil),
      let socket = try? Socket(adopting: descriptor, on: loop)
    else { return nil }
    let exchange = Exchange(of: self)
    self.socket = socket
    self.exchange = exchange
    socket.onHangUp { [weak self] in
      self?.assumeIsolated { $0.exchange?.disconnected() }
    }
    return (socket, exchange)
  }

  /// Lets the current request be answered, and no other; closes the connection at once if it is idle.
  nonisolated func drain() {
    loop.execute { [self] in
      assumeIsolated {
        $0.machine.drain()
        if $0.machine.isIdle { $0.socket?.close() }
      }
    }
  }

  /// Lets requests be answered, with the word that the connection ends.
  nonisolated func announceEnd() {
    loop.execute { [self] in
      assumeIsolated { $0.machine.announceEnd() }
    }
  }

  /// Closes the connection, whatever it does; a handler that runs is told as if the client had gone.
  nonisolated func abort() {
    loop.execute { [self] in
      assumeIsolated {
        $0.exchange?.disconnected()
        $0.socket?.close()
        // If it has not begun, it never does.
        $0.descriptor = nil
      }
    }
  }

  /// The one loop of a connection. It calls as few asynchronous functions as it can: each costs a request something,
  /// whether it waits or not.
  private func serve(_ socket: Socket, _ exchange: Exchange) async -> Ending {
    while true {
      switch machine.next() {
      case .read(let wait):
        let deadline = deadline(for: wait)
        var end = deadline
        if wait == .request { end = min(deadline, loop.now + timeouts.parking) }
        let wake =
          loop.now < deadline ? await socket.readable(until: end, isShielded: true) : .timedOut
        if wake == .timedOut, loop.now < deadline { return .parked }
        guard read(wait, after: wake, from: socket) else { return .closed }
        if wait == .body {
          bodyReads += 1
          if bodyReads % Self.readsPerTurn == 0 { await loop.nextTurn() }
        }
      case .sendContinue:
        output = ResponseSerializer.continueResponse
        guard await write([], from: 0, to: socket) else { return .closed }
      case .consider(let request):
        if context.handler.answersWithoutBody(request) { machine.answerWithoutBody() }
      case .respond(let request):
        exchange.begin(at: loop.now)
        var response = await context.handler.respond(to: request, in: exchange)
        let stream = exchange.stream
        exchange.end()
        if let stream, stream.onLoop({ $0.hasBegun }) {
          guard end(stream, of: request, response, exchange, socket) else { return .closed }
          continue
        }
        if let threshold = context.configuration.compressedFrom,
          response.negotiateEncoding(for: request, from: threshold)
        {
          await response.encode(on: loop)
        }
        let isHead = request.method == .head
        let body = serialize(response, machine.responseBegan(), isHead: isHead)
        var isComplete = send(body, from: 0, to: socket)
        if isComplete == false { isComplete = await write(body, from: sent, to: socket) }
        if let accessLog = context.configuration.accessLog, accessLog.isDue {
          let duration = .now - exchange.receivedAt
          note(request, response, exchange.outcome, isComplete, duration, socket)
        }
        guard isComplete == true else { return .closed }
        machine.responseEnded()
        exchange.recycle(&response)
        deadline = nil
        incompleteSince = nil
        answered += 1
        // A client that never lets us wait must not keep the loop.
        if answered % Self.requestsPerTurn == 0 { await loop.nextTurn() }
      case .refuse(let refusal):
        let request = machine.refusedRequest
        let began = incompleteSince ?? loop.now
        let response = context.handler.response(to: refusal, request: request)
        let body = serialize(response, .closed, isHead: machine.refusesHead)
        let isComplete = await write(body, from: 0, to: socket)
        if let accessLog = context.configuration.accessLog, accessLog.isDue {
          note(request, response, "not_started", isComplete, .now - began, socket)
        }
        guard isComplete else { return .closed }
      case .close(let lingering):
        if lingering { await linger(socket) }
        return .closed
      }
    }
  }

  // MARK: Buffers

  /// A connection that is parked has none, so that many of them cost little.
  private func giveBuffersBack(_ exchange: Exchange) {
    var buffers = ConnectionBuffers()
    // An empty line may have come, which is not the beginning of a request.
    if machine.buffer.isEmpty { swap(&machine.buffer, &buffers.received) }
    swap(&output, &buffers.output)
    exchange.swapBuffers(&buffers)
    context.spares.onLoop { [buffers] in $0.keep(buffers) }
  }

  private func takeBuffers(_ exchange: Exchange) {
    var buffers = context.spares.onLoop { $0.take() }
    if machine.buffer.isEmpty { swap(&machine.buffer, &buffers.received) }
    swap(&output, &buffers.output)
    exchange.swapBuffers(&buffers)
  }

  // MARK: Reading

  /// Reads once after a wait; false if the connection has ended.
  private func read(
    _ wait: HTTPConnectionStateMachine.Wait, after wake: Wake, from socket: Socket
  ) -> Bool {
    switch wake {
    case .ready:
      break
    case .timedOut:
      machine.timedOut(wait)
      return true
    case .closed, .cancelled:
      return false
    }
    do {
      switch try socket.read(into: &machine.buffer, atMost: machine.readSize) {
      case .bytes(let count): machine.bytesReceived(count)
      case .wouldBlock: break
      case .endOfStream: machine.endOfStreamReceived()
      }
      return true
    } catch {
      return false
    }
  }

  /// One deadline for all reads of a head: a client that trickles gains nothing.
  private func deadline(
    for wait: HTTPConnectionStateMachine.Wait
  ) -> MonotonicInstant {
    if let deadline, deadline.wait == wait {
      guard wait == .body else { return deadline.at }
      return timeouts.bodyDeadline(
        first: deadline.at, bytes: machine.bodyBytes, now: loop.now)
    }
    let timeout =
      switch wait {
      case .request: answered > 0 ? timeouts.idle : timeouts.firstByte
      case .head: timeouts.head
      case .body: timeouts.body
      }
    let at = loop.now + timeout
    deadline = (wait, at)
    if wait != .request, incompleteSince == nil { incompleteSince = loop.now }
    return at
  }

  // MARK: Writing

  /// Puts a response into `output`; gives the body if that is to follow from its own buffer.
  private func serialize(
    _ response: Response, _ persistence: Persistence, isHead: Bool
  ) -> [UInt8] {
    output.removeAll(keepingCapacity: true)
    ResponseSerializer.appendHead(
      of: response, date: dates.date(at: loop.now), persistence: persistence, to: &output)
    guard ResponseSerializer.sendsBody(response.status, isHead: isHead) else { return [] }
    guard response.body.count <= Self.joinedBody else { return response.body }
    output += response.body
    return []
  }

  /// Sends what the socket takes now of `output` followed by `body`, from the octet `start` on; tells whether everything
  /// has been sent then, nil if the connection has ended.
  private func send(_ body: [UInt8], from start: Int, to socket: Socket) -> Bool? {
    do {
      sent =
        start
        + (body.isEmpty
          ? try socket.write(output, from: start)
          : try socket.write(output, from: start, then: body))
      return sent == output.count + body.count
    } catch {
      return nil
    }
  }

  /// Sends everything from the octet `start` on, waiting for the client where it has to; false if the connection has
  /// ended, or the client does not take what it is sent.
  private func write(_ body: [UInt8], from start: Int, to socket: Socket) async -> Bool {
    let began = loop.now
    sent = start
    while let isComplete = send(body, from: sent, to: socket) {
      guard !isComplete else { return true }
      let deadline = timeouts.writeDeadline(start: began, bytes: sent - start, now: loop.now)
      guard loop.now < deadline, await socket.writable(until: deadline) == .ready else {
        return false
      }
    }
    return false
  }

  /// What an answer begins with whose length is not known.
  struct StreamBeginning: Sendable {
    var socket: Socket
    var head: [UInt8]
    var framing: ResponseFraming
    var timeouts: HTTPServer.Timeouts
  }

  /// Begins an answer whose length is not known. Nil: there is no socket any more.
  func beginStream(_ response: Response) -> StreamBeginning? {
    guard let socket else { return nil }
    let (persistence, framing) = machine.streamBegan()
    var head: [UInt8] = []
    ResponseSerializer.appendHead(
      of: response, date: dates.date(at: loop.now), persistence: persistence, framing: framing,
      to: &head)
    return StreamBeginning(socket: socket, head: head, framing: framing, timeouts: timeouts)
  }

  /// An answer was sent while it was made; false if the client has not got all of it.
  private func end(
    _ stream: ResponseStream, of request: Request, _ response: Response, _ exchange: Exchange,
    _ socket: Socket
  ) -> Bool {
    let isComplete = stream.onLoop { $0.isComplete }
    sent = stream.onLoop { $0.sent }
    if let accessLog = context.configuration.accessLog, accessLog.isDue {
      let duration = .now - exchange.receivedAt
      note(request, response, exchange.outcome, isComplete, duration, socket)
    }
    guard isComplete else { return false }
    machine.responseEnded()
    deadline = nil
    incompleteSince = nil
    answered += 1
    return true
  }

  /// Tells the access log what became of a request.
  private func note(
    _ request: Request?, _ response: Response, _ outcome: String?, _ isComplete: Bool?,
    _ duration: Duration, _ socket: Socket
  ) {
    context.configuration.accessLog?.write(
      AccessLog.Entry(
        request: request, status: response.status, outcome: outcome,
        requestID: response.fields.value(of: "X-Request-Id"), bytes: sent,
        isComplete: isComplete == true, duration: duration),
      from: socket)
  }

  /// Says that nothing more comes, and drops what the client still sends, until it closes too.
  ///
  /// If we closed while it sends, the kernel would reset the connection, and the client might lose the
  /// answer that it has not read yet (RFC 9112, section 9.6).
  private func linger(_ socket: Socket) async {
    socket.shutdownWrite()
    let deadline = loop.now + timeouts.linger
    var dropped: [UInt8] = []
    machine.buffer = []
    while loop.now < deadline, await socket.readable(until: deadline) == .ready {
      dropped.removeAll(keepingCapacity: true)
      switch try? socket.read(into: &dropped, atMost: 16 * 1024) {
      case .bytes: await loop.nextTurn()
      case .wouldBlock: continue
      case .endOfStream, nil: return
      }
    }
  }
}
