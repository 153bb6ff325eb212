internal import Logging
internal import TransomEventLoop
internal import TransomHTTP

extension ServiceConfiguration {
  /// What a request may take. Sizes are in bytes.
  package struct Limits: Sendable {
    package var body = 8 << 20
    package var requestLine = 8 << 10
    package var headers = 32 << 10
    package var headerCount = 100
    package var response = 64 << 20
    package var timeout: Duration = .seconds(30)
    /// Client connections at a time.
    package var connections = 10_000
    /// Requests on one connection.
    package var requests = Int.max
    /// What is read ahead of the request that is being answered.
    package var pipelined = 64 << 10

    package init() {}
  }

  /// How long a connection waits for its client.
  package struct Timeouts: Sendable {
    /// For the first byte of a new connection.
    package var firstByte: Duration = .seconds(15)
    /// For a whole header section.
    package var head: Duration = .seconds(15)
    /// For any part of a body, and for all of it beside what `minimumRate` allows.
    package var body: Duration = .seconds(20)
    /// For the first byte of another request.
    package var idle: Duration = .seconds(75)
    /// For the client to take any part of an answer, and all of it beside what `minimumRate` allows.
    package var write: Duration = .seconds(30)
    /// Bytes a second of a body or an answer, on the average.
    package var minimumRate = 500

    package init() {}
  }

  /// A socket that the process was started with, such as by systemd (sd_listen_fds(3)).
  package struct InheritedSocket: Sendable {
    /// Where it listens.
    package let address: String
    let descriptor: Int32

    /// Takes the socket, which programs that are started later do not get.
    ///
    /// - Throws: if the descriptor is none of a stream socket that listens.
    package init(descriptor: Int32) throws {
      self.descriptor = descriptor
      address = try ListeningSocket.prepareInherited(descriptor).description
    }
  }

  /// Believes proxies about where requests come from.
  ///
  /// - Parameter networks: In CIDR notation; `unix` is whoever uses a Unix-domain socket.
  /// - Throws: `Flaw` for another text.
  package mutating func trust(networks: [String]) throws(Flaw) {
    proxies.networks = []
    for text in networks where text != "unix" {
      guard let network = IPNetwork(parsing: text) else {
        throw Flaw("\"\(text)\" is neither an address, a network such as 10.0.0.0/8, nor unix")
      }
      proxies.networks.append(network)
    }
    proxies.trustsUnixSockets = networks.contains("unix")
    trustedNetworks = networks
  }

  /// Takes the field in which those proxies tell it.
  ///
  /// - Throws: `Flaw` for another one.
  package mutating func trust(field: String) throws(Flaw) {
    guard let known = TrustedProxies.Field(rawValue: field) else {
      throw Flaw("the field is x-forwarded-for or forwarded")
    }
    proxies.field = known
  }

  /// That field.
  package var forwardedField: String { proxies.field.rawValue }

  /// A setting that cannot be used, in words.
  package struct Flaw: Error, CustomStringConvertible {
    package let description: String

    package init(_ description: String) { self.description = description }
  }

  /// The addresses that programs on other machines may reach.
  ///
  /// - Throws: if an address is malformed or its host is unknown.
  package func publicAddresses() throws -> [String] {
    try (listen + inherited.map(\.address)).filter { try !SocketAddress(parsing: $0).isLocal }
  }

  /// Checks where metrics are to be served.
  ///
  /// - Throws: if an address is malformed or its host is unknown.
  package func checkMetricsAddresses() throws {
    for address in metricsListen { _ = try SocketAddress(parsing: address) }
  }

  func http(logger: Logger) -> HTTPServer.Configuration {
    var http = HTTPServer.Configuration()
    http.limits.requestLine = limits.requestLine
    http.limits.headerSection = limits.headers
    http.limits.fieldCount = limits.headerCount
    http.limits.body = limits.body
    http.limits.pipelined = limits.pipelined
    http.limits.requests = limits.requests
    http.maximumConnections = limits.connections
    http.timeouts.firstByte = timeouts.firstByte
    http.timeouts.head = timeouts.head
    http.timeouts.body = timeouts.body
    http.timeouts.idle = timeouts.idle
    http.timeouts.write = timeouts.write
    http.timeouts.minimumRate = timeouts.minimumRate
    http.compressedFrom = compressedFrom
    if logsAccess {
      http.accessLog = AccessLog(logger: logger, interval: accessLogInterval, proxies: proxies)
    }
    return http
  }
}
