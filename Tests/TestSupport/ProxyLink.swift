import Glibc

/// One client's connection through a `FaultProxy`, and what is on its way.
struct ProxyLink {
  private let client: Socket
  private let server: Socket
  private var toServer = Stream()
  private var toClient = Stream()
  /// Bytes left until the end, in one direction.
  var cut: FaultProxy.Cut?
  private(set) var isEnded = false

  fileprivate struct Stream {
    var buffer: [UInt8] = []
    /// The source has said all.
    var sourceEnded = false
    /// The target knows that.
    var targetEnded = false

    var wantsInput: Bool { !sourceEnded && buffer.count < 65_536 }
  }

  init(client: Socket, server: Socket) {
    self.client = client
    self.server = server
  }

  mutating func arm(_ cut: FaultProxy.Cut) {
    self.cut = cut
  }

  func end(_ ending: FaultProxy.Ending) {
    if ending == .reset { client.resetWhenClosed() }
  }

  /// What to wait for; a stalled direction waits for nothing.
  func waits(stalled: Set<FaultProxy.Direction>) -> [(socket: Socket, events: Int32)] {
    var events = (client: Int32(0), server: Int32(0))
    if !stalled.contains(.toServer) {
      if toServer.wantsInput { events.client |= POLLIN }
      if !toServer.buffer.isEmpty { events.server |= POLLOUT }
    }
    if !stalled.contains(.toClient) {
      if toClient.wantsInput { events.server |= POLLIN }
      if !toClient.buffer.isEmpty { events.client |= POLLOUT }
    }
    // A socket without events is left out: `poll` would report its end for ever.
    return [(client, events.client), (server, events.server)].filter { $0.1 != 0 }
  }

  /// Reads and writes what can be read and written now; returns how many bytes went through.
  mutating func move(_ direction: FaultProxy.Direction) -> Int {
    let allowed = cut?.direction == direction ? cut?.count ?? 0 : Int.max
    do {
      let count =
        switch direction {
        case .toServer: try toServer.move(from: client, to: server, atMost: allowed)
        case .toClient: try toClient.move(from: server, to: client, atMost: allowed)
        }
      spend(count, direction)
      if toServer.targetEnded, toClient.targetEnded { isEnded = true }
      return count
    } catch {
      isEnded = true
      return 0
    }
  }

  private mutating func spend(_ count: Int, _ direction: FaultProxy.Direction) {
    guard let cut, cut.direction == direction else { return }
    let left = cut.count - count
    self.cut = FaultProxy.Cut(count: left, direction: direction, ending: cut.ending)
    guard left <= 0 else { return }
    end(cut.ending)
    isEnded = true
  }
}

extension ProxyLink.Stream {
  fileprivate mutating func move(
    from source: Socket, to target: Socket, atMost allowed: Int
  ) throws -> Int {
    if wantsInput, let bytes = try source.read(upTo: 65_536) {
      buffer += bytes
      sourceEnded = bytes.isEmpty
    }
    let count = buffer.isEmpty ? 0 : try target.write(buffer.prefix(allowed))
    buffer.removeFirst(count)
    if sourceEnded, buffer.isEmpty, !targetEnded {
      targetEnded = true
      target.shutDownWriting()
    }
    return count
  }
}
