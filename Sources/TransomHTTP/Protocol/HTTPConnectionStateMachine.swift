internal import HTTPTypes

/// Decides what a client's connection does next: whose turn it is, whether it stays open, when it closes.
///
/// It holds the received bytes. Read into `buffer` when it says `.read`, and tell it what happened;
/// perform its actions one after the other:
///
///     while true {
///       switch machine.next() {
///       case .read(let wait): … socket.read(into: &machine.buffer, atMost: machine.readSize)
///       case .respond(let request): … machine.responseBegan() … machine.responseEnded()
///       …
///
/// Rules of this file:
/// 1. Requests are answered one at a time, in order; nothing is read while one is being answered.
/// 2. After a refusal no byte is ever taken for a request.
/// 3. `buffer` changes only inside `next()` and by reading: never while a `Request` shares it.
package struct HTTPConnectionStateMachine {
  /// What a read waits for, which decides about its deadline.
  package enum Wait: Equatable, Sendable {
    /// The first byte of a request: the connection is idle.
    case request
    /// The rest of a head.
    case head
    /// The rest of a body.
    case body
  }

  package enum Action: Sendable {
    /// Wait for bytes and read them into `buffer`.
    case read(Wait)
    /// Write `ResponseSerializer.continueResponse`.
    case sendContinue
    /// Most of this request's body is still to come: call `answerWithoutBody` if it is answered without.
    case consider(Request)
    /// Have this request answered; call `responseBegan` before its answer is written.
    case respond(Request)
    /// Write this refusal with `Connection: close`; it is the last thing that is written.
    case refuse(Refusal)
    /// Close. If it lingers, say that nothing more comes, and drop what the client still sends for a
    /// while: to close at once would take the answer away from it (RFC 9112, section 9.6).
    case close(lingering: Bool)
  }

  private enum State: Equatable {
    /// The request is to be answered although its body has not come.
    case unread
    /// Collecting a head, of which perhaps nothing has come.
    case head
    /// Collecting a body of known length, which ends at this offset.
    case fixedBody(end: Int)
    case chunkedBody
    /// The request in the buffer ends at this offset.
    case responding(end: Int, mustClose: Bool)
    /// The answer was written; the next request begins at this offset.
    case responded(end: Int)
    case refusing(Refusal)
    case closing(lingering: Bool)
  }

  /// Buffers larger than this are not kept from one request to the next.
  package static let keptCapacity = 64 * 1024
  private static let smallestRead = 4 * 1024
  /// Of what is known to belong to one body.
  private static let largestRead = 256 * 1024

  /// What was received and is not done with.
  package var buffer: [UInt8] = []
  /// How many bytes to ask the socket for.
  package private(set) var readSize = smallestRead

  private var state = State.head
  private var parser: RequestParser
  private var decoder: BodyDecoder
  /// Where the current request begins in `buffer`.
  private var start = 0
  /// How much of the current request is no longer in `buffer`.
  private var dropped = 0
  private var owesContinue = false
  /// Whether it was asked if the body is needed, and it is not.
  private var wasConsidered = false
  private var isUnread = false
  private var inputHasEnded = false
  private var isDraining = false
  private var saysGoodbye = false
  private var answered = 0
  /// How many bytes of the current body were waited for, which decides whether it comes fast enough.
  package private(set) var bodyBytes = 0

  /// - Parameters:
  ///   - limits: How much of a request is accepted.
  ///   - refusal: What to answer at once, without reading a request.
  package init(limits: RequestLimits = RequestLimits(), refusing refusal: Refusal? = nil) {
    readSize = min(readSize, limits.pipelined)
    if let refusal { state = .refusing(refusal) }
    parser = RequestParser(limits: limits)
    decoder = BodyDecoder(limits: limits)
  }

  /// The parser's: a connection that is idle should cost little.
  private var limits: RequestLimits { parser.limits }

  // MARK: Events

  /// So many bytes were read into `buffer`.
  package mutating func bytesReceived(_ count: Int) {
    // A read that fills the buffer tells that more is there: ask for more the next time.
    if count >= readSize { readSize = max(readSize, min(readSize * 4, limits.pipelined)) }
    if state != .head { bodyBytes += count }
  }

  /// The client has closed its side; it may still read.
  package mutating func endOfStreamReceived() { inputHasEnded = true }

  /// What a read waited for did not come in time.
  package mutating func timedOut(_ wait: Wait) {
    switch wait {
    case .request: state = .closing(lingering: false)
    case .head: state = .refusing(.headTimedOut)
    case .body: state = .refusing(.bodyTimedOut)
    }
  }

  /// The server is going to end: the next answer says `Connection: close`, and a connection that is idle stays open until
  /// `drain`, so that a request that is on its way is answered.
  package mutating func announceEnd() { saysGoodbye = true }

  /// The server wants to end: the current request is answered, no other.
  package mutating func drain() { isDraining = true }

  /// Whether nothing of a request has come, so that closing loses nothing.
  package var isIdle: Bool { state == .head && !parser.hasBegun(count: buffer.count - start) }

  /// Whether what is refused is a HEAD, as far as is known: its answer has no body.
  package var refusesHead: Bool { parser.head.method == .head }

  /// As much as was understood of what is refused; nil if that is not even its first line. On `.refuse` only.
  package var refusedRequest: Request? {
    guard parser.head.path.end > 0, buffer.count - start >= Int(parser.head.path.end) else {
      return nil
    }
    return Request(head: parser.head, in: buffer, from: start, body: [], at: 0..<0)
  }

  /// The request that was to be considered is answered without its body, and the connection ends then.
  package mutating func answerWithoutBody() { state = .unread }

  /// The answer is there and about to be written; tells what it has to say about the connection.
  package mutating func responseBegan() -> Persistence {
    guard case .responding(let end, _) = state else { return .closed }
    answered += 1
    let keepsAlive =
      parser.head.keepsAlive && !isUnread && !isDraining && !saysGoodbye
      && answered < limits.requests
    state = .responding(end: end, mustClose: !keepsAlive)
    guard keepsAlive else { return .closed }
    return parser.head.version == .http10 ? .keptAlive : .open
  }

  /// The answer is about to begin, and its length is not known; tells what it has to say about the connection, and how its
  /// end is found.
  package mutating func streamBegan() -> (Persistence, ResponseFraming) {
    guard parser.head.version == .http10, case .responding(let end, _) = state else {
      return (responseBegan(), .chunked)
    }
    answered += 1
    state = .responding(end: end, mustClose: true)
    return (.closed, .untilClose)
  }

  /// The answer was written.
  package mutating func responseEnded() {
    guard case .responding(let end, let mustClose) = state else { return }
    // A client that asked for the end sends nothing more; another may be sending its next request.
    state =
      mustClose
      ? .closing(lingering: parser.head.keepsAlive || isUnread) : .responded(end: end)
  }

  // MARK: What to do

  package mutating func next() -> Action {
    do throws(ParseError) {
      while true {
        switch state {
        case .head:
          if let action = try collectHead() { return action }
        case .fixedBody(let end):
          guard buffer.count >= end else { return awaitBody() }
          return respond(body: end - bodyLength..<end, of: buffer, end: end)
        case .chunkedBody:
          if let action = try collectChunks() { return action }
        case .unread:
          isUnread = true
          return respond(body: 0..<0, of: [], end: buffer.count)
        case .responding:
          // The shell forgot the answer: that must not become a second answer to one request.
          state = .closing(lingering: false)
        case .responded(let end):
          beginRequest(at: end)
        case .refusing(let refusal):
          return refuse(refusal)
        case .closing(let lingering):
          return .close(lingering: lingering)
        }
      }
    } catch {
      return refuse(.malformed(error))
    }
  }

  private mutating func refuse(_ refusal: Refusal) -> Action {
    state = .closing(lingering: !inputHasEnded)
    return .refuse(refusal)
  }

  private mutating func beginRequest(at end: Int) {
    state = .head
    parser.reset()
    decoder.reset(keepingAtMost: Self.keptCapacity)
    owesContinue = false
    wasConsidered = false
    bodyBytes = 0
    dropped = 0
    if readSize > limits.pipelined { readSize = min(Self.smallestRead, limits.pipelined) }
    start = end
    guard start >= buffer.count else { return }
    buffer.clear(keepingAtMost: Self.keptCapacity)
    start = 0
  }

  /// Nil: the state has changed.
  private mutating func collectHead() throws(ParseError) -> Action? {
    switch try parser.parse(buffer, from: start) {
    case .needMore:
      guard !isIdle else {
        guard !isDraining, !inputHasEnded else {
          state = .closing(lingering: !inputHasEnded)
          return nil
        }
        return .read(.request)
      }
      guard !inputHasEnded else { return refuse(.incomplete) }
      dropAnswered()
      return .read(.head)
    case .complete:
      owesContinue = parser.head.expectsContinue
      let bodyStart = start + parser.head.length
      switch parser.head.body {
      case .none: return respond(body: bodyStart..<bodyStart, of: buffer, end: bodyStart)
      case .length(let length): state = .fixedBody(end: bodyStart + length)
      case .chunked: state = .chunkedBody
      }
      return nil
    }
  }

  /// Nil: the state has changed.
  private mutating func collectChunks() throws(ParseError) -> Action? {
    let bodyStart = start + parser.head.length
    let end: Int
    do throws(ParseError) {
      end = try decoder.decode(buffer, from: bodyStart)
    } catch {
      throw ParseError(error.reason, at: error.offset - start + dropped)
    }
    guard !decoder.isComplete else {
      let body = decoder.body
      return respond(body: body.indices, of: body, end: end)
    }
    // What is decoded goes, so that the two buffers together hold the body once.
    if end > bodyStart {
      owesContinue = false
      buffer.removeLast(end - bodyStart)
      dropped += end - bodyStart
    }
    return awaitBody()
  }

  private var bodyLength: Int {
    if case .length(let length) = parser.head.body { length } else { 0 }
  }

  private mutating func awaitBody() -> Action {
    guard !inputHasEnded else { return refuse(.incomplete) }
    dropAnswered()
    if !wasConsidered, hasMuchToCome {
      wasConsidered = true
      return .consider(Request(head: parser.head, in: buffer, from: start, body: [], at: 0..<0))
    }
    // Who has begun to send the body does not wait for a 100 (RFC 9110, section 10.1.1).
    if owesContinue, buffer.count == start + parser.head.length {
      owesContinue = false
      return .sendContinue
    }
    if case .fixedBody(let end) = state {
      let missing = end - buffer.count
      readSize = max(min(missing, Self.largestRead), min(readSize, limits.pipelined))
    }
    return .read(.body)
  }

  /// Whether it is worth asking if the body is needed: it is large, or the client waits to be told so.
  private var hasMuchToCome: Bool {
    owesContinue || bodyBytes > Self.keptCapacity
      || bodyLength - (buffer.count - start - parser.head.length) > Self.keptCapacity
  }

  private mutating func respond(
    body range: Range<Int>, of bodyBuffer: [UInt8], end: Int
  ) -> Action {
    state = .responding(end: end, mustClose: false)
    return .respond(
      Request(head: parser.head, in: buffer, from: start, body: bodyBuffer, at: range))
  }

  /// Moves an incomplete request to the front, so that the buffer holds one request at most.
  private mutating func dropAnswered() {
    guard start > 0 else { return }
    buffer.removeSubrange(0..<start)
    if case .fixedBody(let end) = state { state = .fixedBody(end: end - start) }
    start = 0
  }
}
