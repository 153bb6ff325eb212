package import Logging
internal import TransomEventLoop
internal import TransomHTTP
internal import TransomPostgres

/// Everything that a running service was told, decoded and checked.
package struct ServiceConfiguration: Sendable {
  /// One database, under its alias.
  package struct Database: Sendable {
    /// A libpq connection string or URL.
    package var url: String
    /// Connections at most, over all event loops.
    package var poolSize = 16
    /// How long a transaction waits for a connection when all are busy.
    package var poolWait: Duration = .seconds(2)
    /// Off behind PgBouncer in transaction mode.
    package var preparesStatements = true

    package init(url: String) { self.url = url }

    /// Checks the URL without connecting.
    ///
    /// - Throws: libpq's words for what is wrong.
    package func validate() throws { try connection.validate() }
  }

  /// What a request may take. Sizes are in bytes.
  package struct Limits: Sendable {
    package var body = 8 << 20
    package var headers = 32 << 10
    package var response = 64 << 20
    package var timeout: Duration = .seconds(30)
    /// Client connections at a time.
    package var connections = 10_000

    package init() {}
  }

  /// `HOST:PORT`, `[IPV6]:PORT` or `unix:/PATH`; port 0 is any free one.
  package var listen: [String] = ["127.0.0.1:8080"]
  /// The databases by alias; `default` is what a request without an alias means.
  package var databases: [String: Database]
  /// The number of event loops: one a core is best.
  package var loops: Int
  package var limits = Limits()
  /// Whether the service installs and updates the schema `transom` by itself.
  package var migrates = true
  /// How long requests in flight may take once the service is told to stop.
  package var shutdownLimit: Duration = .seconds(30)

  package init(databases: [String: Database], loops: Int) {
    self.databases = databases
    self.loops = loops
  }

  /// The addresses that programs on other machines may reach.
  ///
  /// - Throws: if an address is malformed or its host is unknown.
  package func publicAddresses() throws -> [String] {
    try listen.filter { try !SocketAddress(parsing: $0).isLocal }
  }
}

extension ServiceConfiguration.Database {
  var connection: ConnectionConfiguration {
    var connection = ConnectionConfiguration(conninfo: url)
    connection.preparesStatements = preparesStatements
    return connection
  }

  /// For what the service does beside transactions: one connection for the deliveries, and one for who asks for them.
  var outbox: DatabaseConfiguration {
    var configuration = DatabaseConfiguration(url: url)
    configuration.connection = connection
    configuration.pool.size = 2
    configuration.pool.waitLimit = poolWait
    configuration.resolvesCommitInDoubt = false
    return configuration
  }

  /// Installs or updates the schema `transom`, and returns the versions that were missing.
  ///
  /// - Throws: `Schema.Missing` if the role may not do that, `PostgresError` for everything else.
  package func migrate(logger: Logger) async throws -> [Int] {
    let databases = try Databases(["default": outbox], logger: logger)
    do {
      let versions = try await Schema(in: databases.default).migrate()
      try await Schema(in: databases.default).check()
      await databases.shutdown()
      return versions
    } catch {
      await databases.shutdown()
      throw error
    }
  }

  var pool: PoolConfiguration {
    var pool = PoolConfiguration()
    pool.size = poolSize
    pool.waitLimit = poolWait
    return pool
  }
}

extension ServiceConfiguration {
  var execution: ExecutionLimits {
    var execution = ExecutionLimits()
    execution.response = limits.response
    execution.timeout = limits.timeout
    return execution
  }

  var http: HTTPServer.Configuration {
    var http = HTTPServer.Configuration()
    http.limits.body = limits.body
    http.limits.headerSection = limits.headers
    http.maximumConnections = limits.connections
    return http
  }
}
