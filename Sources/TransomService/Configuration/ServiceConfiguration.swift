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
    /// Whether the service is ready only if this database answers.
    package var isRequired = true

    package init(url: String) { self.url = url }

    /// Checks the URL without connecting.
    ///
    /// - Throws: libpq's words for what is wrong.
    package func validate() throws { try connection.validate() }
  }

  /// `HOST:PORT`, `[IPV6]:PORT` or `unix:/PATH`; port 0 is any free one.
  package var listen = defaultListen
  package static let defaultListen = ["127.0.0.1:8080"]
  /// Where `/metrics` and all of `/health` are served to whoever reaches it, beside `/livez` and `/readyz`; then the other
  /// addresses do not have `/metrics`. None: they have, with a key that may monitor if there are keys.
  package var metricsListen: [String] = []
  /// Sockets that listen already, which the process was started with.
  package var inherited: [InheritedSocket] = []
  /// Who may connect to Unix-domain sockets that are made, as chmod(2) takes it.
  package var socketMode: UInt32 = 0o660
  /// The databases by alias; `default` is what a request without an alias means.
  package var databases: [String: Database]
  /// The transactions that clients may run by their names.
  package var transactions: [NamedTransaction] = []
  /// Who may use the service; none, and no tokens: everybody.
  package var keys: [Key] = []
  /// The tokens that let somebody in besides the keys.
  package var tokens: TokenConfiguration?
  /// Who is believed about clients' addresses in the log.
  var proxies = TrustedProxies()
  /// Their networks, as they were written.
  package internal(set) var trustedNetworks: [String] = []
  /// The number of event loops: one a core is best.
  package var loops: Int
  package var webhooks = WebhookConfiguration()
  package var tracing = TracingConfiguration()
  /// Whether the service installs and updates the schema `transom` by itself.
  package var migrates = true
  /// How long the answer to a request with an Idempotency-Key is kept.
  package var idempotencyLifetime: Duration = .seconds(24 * 3600)
  package var limits = Limits()
  package var timeouts = Timeouts()
  /// Answers of so many bytes and more are compressed for clients that take that; nil: none.
  package var compressedFrom: Int? = 1024
  /// Which web pages may use the service; nil: those of its own origin only.
  package var crossOrigin: CrossOriginPolicy?
  /// Whether requests are noted in the log.
  package var logsAccess = false
  /// Transactions that take so long are noted with their statements; nil: none.
  package var slowFrom: Duration? = .seconds(1)
  /// Of so many requests one is noted.
  package var accessLogInterval = 1
  /// Under which names the service may be addressed.
  package var hosts = Hosts.automatic
  /// How long the service goes on accepting clients once it is told to stop, while `/readyz` answers 503 and every
  /// answer ends its connection: the time that load balancers need to look elsewhere.
  package var shutdownDelay: Duration = .zero
  /// How long requests in flight may take after that.
  package var shutdownLimit: Duration = .seconds(30)

  package init(databases: [String: Database], loops: Int) {
    self.databases = databases
    self.loops = loops
  }
}

extension ServiceConfiguration.Database {
  var connection: ConnectionConfiguration {
    var connection = ConnectionConfiguration(conninfo: url)
    connection.preparesStatements = preparesStatements
    return connection
  }

  /// For what the service does beside transactions.
  var outbox: DatabaseConfiguration {
    var configuration = DatabaseConfiguration(url: url)
    configuration.connection = connection
    // Plans are made when the tables are still empty, and kept: everything is to be found by an index nevertheless. What has
    // to hash or merge, a full join, seems to cost so much then that PostgreSQL would compile it each time: a second. And
    // as it can count the elements of a parameter, it would take a plan for just these to be worth it, and spend as much on
    // planning as on the rest.
    configuration.connection.sessionSettings = [
      "enable_seqscan=off", "enable_hashjoin=off", "enable_mergejoin=off", "jit=off",
      "plan_cache_mode=force_generic_plan",
      // Who has waited for a lock is to see what was committed under it.
      #"default_transaction_isolation=read\ committed"#,
    ]
    // For what is recorded and claimed, for looking at all webhooks, for new events, and for the household.
    configuration.pool.size = 4
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
    execution.idempotencyLifetime = idempotencyLifetime
    execution.slowFrom = slowFrom
    return execution
  }
}
