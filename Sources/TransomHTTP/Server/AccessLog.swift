internal import HTTPTypes
package import Logging
internal import Synchronization
internal import TransomEventLoop

/// Writes one structured event for each request, or for one of so many.
///
/// An event tells `request_id`, `method`, `path`, `status`, `bytes` (head included), `duration_ms`, `client`,
/// `outcome` where the handler set one, and `trace_id` and `parent_id` of its `traceparent`. The duration is that from a request's last byte to its answer's; of what is
/// refused, from its first byte, which shows how long a client that was too slow kept the connection. Neither queries, nor fields, nor bodies are ever written: they hold parameters.
package final class AccessLog: Sendable {
  /// What is written of a path at most, in bytes.
  private static let pathLimit = 1024

  private let logger: Logger
  private let interval: UInt64
  private let proxies: TrustedProxies
  private let count = Atomic<UInt64>(0)

  /// - Parameters:
  ///   - logger: Where events go, as `info`.
  ///   - interval: Of so many requests one is written; 1: each.
  ///   - proxies: Who is believed about clients' addresses.
  package init(logger: Logger, interval: Int = 1, proxies: TrustedProxies = TrustedProxies()) {
    self.logger = logger
    self.interval = UInt64(max(1, interval))
    self.proxies = proxies
  }

  /// What became of one request.
  struct Entry {
    /// Nil if it could not be read.
    var request: Request?
    var status: HTTPResponse.Status
    var outcome: String?
    var requestID: String?
    /// Sent to the client, the head included.
    var bytes: Int
    /// Whether the client has got the whole answer, as far as the kernel tells.
    var isComplete: Bool
    /// Since the request was complete; of one that was refused, since its first part was there.
    var duration: Duration
  }

  /// Whether the request that ends now is one to be written. To be asked once for each.
  var isDue: Bool {
    count.wrappingAdd(1, ordering: .relaxed).oldValue % interval == 0
  }

  func write(_ entry: Entry, from socket: Socket) {
    var metadata: Logger.Metadata = [
      "status": .stringConvertible(entry.status.code), "bytes": .stringConvertible(entry.bytes),
      "client": "\(proxies.client(peer: socket.peerHost, request: entry.request))",
      "duration_ms": .stringConvertible(Double(entry.duration.microseconds) / 1000),
    ]
    metadata["request_id"] = entry.requestID.map { "\($0)" }
    metadata["outcome"] = entry.outcome.map { "\($0)" }
    if let request = entry.request {
      metadata["method"] = "\(request.method.rawValue)"
      metadata["path"] = "\(request.path.prefix(Self.pathLimit))"
    }
    if let trace = entry.request.flatMap({ TraceContext($0) }) {
      metadata["trace_id"] = "\(trace.traceIDText)"
      metadata["parent_id"] = "\(trace.parentIDText)"
    }
    if !entry.isComplete { metadata["aborted"] = .stringConvertible(true) }
    logger.info("request", metadata: metadata)
  }
}

extension ResponseFields {
  /// The value of the first line with this name.
  package func value(of name: String) -> String? {
    let start = Array("\(name): ".utf8)
    for line in bytes.split(separator: ByteClass.lineFeed) where line.starts(with: start) {
      return String(decoding: line.dropFirst(start.count).dropLast(), as: UTF8.self)
    }
    return nil
  }
}
