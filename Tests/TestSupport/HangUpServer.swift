import Dispatch
import Synchronization

/// A server that closes each connection as soon as it is made, often before the client has sent anything.
package final class HangUpServer: Sendable {
  private let state = Mutex((isStopped: false, accepted: 0))

  /// How many connections clients have made so far.
  package var acceptedConnections: Int { state.withLock { $0.accepted } }

  /// Starts one at an address, until `stop`.
  package static func start(at address: SocketAddress) throws -> HangUpServer {
    let server = HangUpServer()
    let listener = try Socket.listen(on: address)
    // It does not wait: who wakes up is later than a client that has something to send.
    DispatchQueue(label: "HangUpServer").async {
      while !server.state.withLock(\.isStopped) {
        guard listener.accept() != nil else { continue }
        server.state.withLock { $0.accepted += 1 }
      }
    }
    return server
  }

  package func stop() { state.withLock { $0.isStopped = true } }
}
