import FoundationEssentials
import Logging

/// A PostgreSQL server of our own, made from the binaries that the machine has.
///
///     let cluster = try await PrivateCluster.start(.temporary())
///     let url = cluster.connectionString(database: "postgres")
///     …
///     try await cluster.stop()
///
/// It listens on a Unix socket in a directory that only its account can enter, and on no network
/// address unless asked. Whatever becomes of our process, the server does not outlive it by more
/// than a moment: a `Watchdog` sees to it. Nothing here is interrupted by cancellation, so that a
/// cancelled task leaves no half-started server behind.
package actor PrivateCluster {
  package nonisolated let configuration: Configuration
  package nonisolated let installation: ServerInstallation
  /// Where the socket is.
  package nonisolated let socketDirectory: String
  /// The number in the socket's name, and the TCP port if the server listens on one.
  package nonisolated let port: Int
  /// The server's log file.
  package nonisolated let logFile: String
  let account: Account?
  let data: DataDirectory
  let watchdog: Watchdog
  /// Given back by `stop`.
  private var lock: DirectoryLock?
  /// Removed by `stop`.
  private let ownDirectories: [String]
  let log: Logger

  private var isStopped = false
  /// The last of the operations, which wait for one another.
  private var operation: Task<Void, any Error>?

  init(_ place: Place, port: Int, watchdog: Watchdog, log: Logger) {
    configuration = place.configuration
    installation = place.installation
    socketDirectory = place.socketDirectory
    logFile = place.logFile
    account = place.account
    data = place.data
    lock = place.lock
    ownDirectories = place.ownDirectories
    self.port = port
    self.watchdog = watchdog
    self.log = log
  }

  /// How a server is asked to stop (PostgreSQL manual, 19.5 "Shutting Down the Server").
  package enum ShutdownMode: String, Sendable {
    /// Transactions are aborted, connections closed, everything is written.
    case fast
    /// As a crash: the next start recovers from the write-ahead log.
    case immediate
  }

  /// The running server's process; nil while there is none.
  package nonisolated var processID: Int32? { data.serverProcessID }

  /// Stops the server, and removes it if it is temporary. A stopped cluster stays stopped.
  package func stop(mode: ShutdownMode = .fast) async throws {
    try await inOrder { cluster in
      guard await !cluster.isStopped else { return }
      try await cluster.halt(mode)
      await cluster.finish()
    }
  }

  /// Stops the server, and starts it again where it was, with the same addresses.
  package func restart(mode: ShutdownMode = .fast) async throws {
    try await inOrder { cluster in
      guard await !cluster.isStopped else { throw ClusterError.stopped }
      try await cluster.halt(mode)
      try await cluster.launch()
    }
  }

  /// Runs operations one after the other, whether their callers are cancelled or not.
  private func inOrder(
    _ body: @Sendable @escaping (PrivateCluster) async throws -> Void
  ) async throws {
    let previous = operation
    let task = Task {
      _ = await previous?.result
      try await body(self)
    }
    operation = task
    try await task.value
  }

  private func finish() {
    isStopped = true
    watchdog.dismiss()
    lock = nil
    for directory in ownDirectories {
      try? FileManager.default.removeItem(atPath: directory)
    }
  }
}

// MARK: - Addresses

extension PrivateCluster {
  /// A URL that libpq understands (PostgreSQL manual, 34.1.1.2 "Connection URIs"), over the socket.
  ///
  /// An address of the environment (PGHOSTADDR) would count more than our host, and lead to another server: the empty one
  /// keeps it out.
  package nonisolated func connectionString(database: String = "postgres") -> String {
    let host = Self.escaped(socketDirectory)
    return
      "postgresql:///\(Self.escaped(database))?host=\(host)&hostaddr=&port=\(port)&user=postgres"
  }

  /// The same over TCP; nil unless the configuration asks for TCP.
  package nonisolated func tcpConnectionString(database: String = "postgres") -> String? {
    guard configuration.listensOnTCP else { return nil }
    return "postgresql://postgres@127.0.0.1:\(port)/\(Self.escaped(database))?hostaddr="
  }

  /// Percent-encodes all but letters, digits and a few harmless signs (RFC 3986, section 2).
  private static func escaped(_ text: String) -> String {
    var escaped: [UInt8] = []
    for byte in text.utf8 {
      switch byte {
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
        UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"),
        UInt8(ascii: "."), UInt8(ascii: "/"):
        escaped.append(byte)
      default:
        escaped.append(UInt8(ascii: "%"))
        escaped += Array(String(Int(byte) + 0x100, radix: 16).utf8.dropFirst())
      }
    }
    return String(decoding: escaped, as: UTF8.self)
  }
}
