import Dispatch
import Glibc
import Synchronization
package import TransomCluster

/// A proxy in front of PostgreSQL that passes everything on until it is told to misbehave.
///
///     let proxy = try FaultProxy.start(before: cluster)
///     let url = proxy.connectionString(database: db.name)
///     proxy.stall(.toClient)          // answers are held back
///     proxy.cut(after: 100, .toServer) // and after 100 more bytes the line is dead
///     proxy.pass()
///
/// One thread moves the bytes; orders take effect at once.
package final class FaultProxy: Sendable {
  package enum Direction: Sendable, CaseIterable {
    case toServer
    case toClient
  }

  /// How a connection ends.
  package enum Ending: Sendable {
    /// Both sides see the end of the stream.
    case close
    /// The client sees a TCP reset.
    case reset
  }

  /// The port on 127.0.0.1 that clients connect to.
  package let port: Int
  private let upstream: SocketAddress
  private let listener: Socket
  private let state = Mutex(State())
  /// A byte into `alarm` ends the thread's wait on `bell`.
  private let alarm: Socket
  private let bell: Socket

  private struct State {
    var links: [ProxyLink] = []
    var stalled: Set<Direction> = []
    var cut: Cut?
    var refusesConnections = false
    var isStopped = false
    var accepted = 0
    var passed: [Direction: Int] = [:]
  }

  struct Cut {
    let count: Int
    let direction: Direction
    let ending: Ending
  }

  private init(listener: Socket, upstream: SocketAddress) throws {
    self.listener = listener
    self.upstream = upstream
    port = listener.localPort
    (alarm, bell) = try Socket.pair()
  }

  /// Starts a proxy on a free port.
  package static func start(before cluster: PrivateCluster) throws -> FaultProxy {
    let path = "\(cluster.socketDirectory)/.s.PGSQL.\(cluster.port)"
    return try start(before: .unix(path: path))
  }

  package static func start(
    before upstream: SocketAddress, at address: SocketAddress = .tcp(port: 0)
  ) throws -> FaultProxy {
    let proxy = try FaultProxy(listener: Socket.listen(on: address), upstream: upstream)
    DispatchQueue(label: "FaultProxy").async { proxy.run() }
    return proxy
  }

  /// A URL for libpq, through the proxy.
  package func connectionString(database: String) -> String {
    "postgresql://postgres@127.0.0.1:\(port)/\(database)?sslmode=disable&gssencmode=disable"
  }

  // MARK: Orders

  /// Undoes every order: bytes go both ways, and new connections are accepted.
  package func pass() {
    order { state in
      state.stalled = []
      state.cut = nil
      state.refusesConnections = false
      for index in state.links.indices { state.links[index].cut = nil }
    }
  }

  /// Holds bytes back; without a direction, both ways. Connections stay open.
  package func stall(_ directions: Direction...) {
    let stalled = Set(directions.isEmpty ? Direction.allCases : directions)
    order { $0.stalled = stalled }
  }

  /// Ends each connection, open now or later, once that many more bytes have passed.
  package func cut(after count: Int, _ direction: Direction, by ending: Ending = .close) {
    let cut = Cut(count: count, direction: direction, ending: ending)
    order { state in
      state.cut = cut
      for index in state.links.indices { state.links[index].arm(cut) }
    }
  }

  /// Ends each connection that is open now once that many more bytes have passed; new ones are left alone.
  package func cutOpen(after count: Int, _ direction: Direction, by ending: Ending = .close) {
    let cut = Cut(count: count, direction: direction, ending: ending)
    order { state in
      for index in state.links.indices { state.links[index].arm(cut) }
    }
  }

  /// Ends all connections now; new ones are accepted.
  ///
  /// What the server has said by now is passed on first, as much of it as one read and one write take, unless it is held
  /// back: the thread may be late, and who waits until the server has done something may take it for said.
  package func cutAll(by ending: Ending = .close) {
    order { state in
      for index in state.links.indices {
        if !state.stalled.contains(.toClient) {
          state.passed[.toClient, default: 0] += state.links[index].move(.toClient)
        }
        state.links[index].end(ending)
      }
      state.links = []
    }
  }

  /// New connections are reset at once.
  package func refuseConnections() {
    order { $0.refusesConnections = true }
  }

  /// Ends all connections and the proxy.
  package func stop() {
    order { state in
      state.isStopped = true
      state.links = []
    }
  }

  // MARK: Counters

  /// How many connections clients have made so far.
  package var acceptedConnections: Int { state.withLock { $0.accepted } }

  package var openConnections: Int { state.withLock { $0.links.count } }

  /// How many bytes have passed so far.
  package func bytesPassed(_ direction: Direction) -> Int {
    state.withLock { $0.passed[direction, default: 0] }
  }

  // MARK: The thread

  private func order(_ change: (inout State) -> Void) {
    state.withLock { change(&$0) }
    _ = try? alarm.write([1])
  }

  private func run() {
    while true {
      let waits = state.withLock { state -> [(socket: Socket, events: Int32)]? in
        guard !state.isStopped else { return nil }
        acceptAll(&state)
        for index in state.links.indices {
          for direction in Direction.allCases where !state.stalled.contains(direction) {
            let count = state.links[index].move(direction)
            state.passed[direction, default: 0] += count
          }
        }
        state.links.removeAll(where: \.isEnded)
        return state.links.flatMap { $0.waits(stalled: state.stalled) }
      }
      guard let waits else { return }
      Socket.waitForAny(of: waits + [(listener, POLLIN), (bell, POLLIN)])
      while let rung = try? bell.read(upTo: 64), !rung.isEmpty {}
    }
  }

  private func acceptAll(_ state: inout State) {
    while let client = listener.accept() {
      state.accepted += 1
      guard !state.refusesConnections,
        let server = try? Socket.connect(to: upstream, within: .seconds(60))
      else {
        client.resetWhenClosed()
        continue
      }
      var link = ProxyLink(client: client, server: server)
      if let cut = state.cut { link.arm(cut) }
      state.links.append(link)
    }
  }
}
