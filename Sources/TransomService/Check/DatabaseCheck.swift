internal import Logging
internal import TransomEventLoop
internal import TransomPostgres

/// Tries one database: whether it can be used, and what would not work in it.
struct DatabaseCheck: Sendable {
  private let alias: String
  private let configuration: ServiceConfiguration.Database
  /// Whether the service installs the schema `transom` by itself.
  private let installs: Bool
  private let logger: Logger

  init(
    alias: String, _ configuration: ServiceConfiguration.Database, installs: Bool, logger: Logger
  ) {
    self.alias = alias
    self.configuration = configuration
    self.installs = installs
    self.logger = logger
  }

  /// What the server says of itself and of our role.
  private struct Server {
    var version: String
    var database: String
    var user: String
    var isStandby: Bool
    var isSuperuser: Bool
    var mayCreate: Bool
    var maximum: Int
  }

  func run() async -> CheckReport.Section {
    var section = CheckReport.Section("Database \(alias)")
    do {
      // Without patience: a server that takes longer than this would keep clients waiting as well.
      var connection = configuration.outbox
      connection.pool.waitLimit = max(connection.pool.waitLimit, .seconds(10))
      let databases = try Databases([alias: connection], logger: logger)
      do {
        try await look(at: databases[alias], &section)
      } catch {
        section.add(
          configuration.isRequired ? .problem : .warning, "it cannot be used: \(error)")
      }
      await databases.shutdown()
    } catch {
      section.add(.problem, "\(error)")
    }
    return section
  }

  private func look(at database: Database, _ section: inout CheckReport.Section) async throws {
    let began = MonotonicInstant.now
    let server = try await ask(database)
    let took = (MonotonicInstant.now - began).milliseconds
    section.add(
      .fine,
      "PostgreSQL \(server.version), \(server.isStandby ? "a standby" : "a primary"), answers in \(took) ms: database \(server.database), user \(server.user)"
    )
    if server.isSuperuser {
      section.add(
        .warning,
        "\(server.user) is a superuser: whoever may send SQL may read and write the server's files, and run programs there"
      )
    }
    let others = alias == "default" ? configuration.outbox.pool.size : 0
    let connections = configuration.poolSize + others
    section.add(
      connections > server.maximum - 3 ? .warning : .fine,
      "\(connections) connections at most, of the \(server.maximum) that the server takes from all its clients"
    )
    if alias == "default" { try await checkSchema(database, server, &section) }
  }

  private func ask(_ database: Database) async throws -> Server {
    let row = try await database.query(
      """
      select current_setting('server_version'), current_database()::text, current_user::text, pg_is_in_recovery(),
        coalesce((select rolsuper from pg_roles where rolname = current_user), false),
        has_database_privilege(current_database(), 'CREATE'), current_setting('max_connections')::int
      """
    ).only((String, String, String, Bool, Bool, Bool, Int).self)
    return Server(
      version: row.0, database: row.1, user: row.2, isStandby: row.3, isSuperuser: row.4,
      mayCreate: row.5, maximum: row.6)
  }

  /// Webhooks and idempotency keys are in the default database.
  private func checkSchema(
    _ database: Database, _ server: Server, _ section: inout CheckReport.Section
  ) async throws {
    let without = "without it there are no webhooks and no Idempotency-Keys"
    let needed = Migration.newest
    switch try await Schema(in: database).installedVersion() {
    case let version? where version >= needed:
      section.add(.fine, "the schema transom has version \(version); \(needed) is needed")
    case let version?:
      let text = "the schema transom has version \(version); \(needed) is needed"
      section.add(
        installs ? .fine : .problem,
        text + (installs ? ", and will be installed at the start" : ": run \"transom migrate\""))
    case nil:
      if try await exists(database) {
        section.add(
          .warning,
          "the schema transom belongs to another role; \(without). Its owner can run \"transom migrate\", and make \(server.user) a member"
        )
      } else if server.isStandby {
        section.add(.warning, "a standby without the schema transom; \(without)")
      } else if installs, server.mayCreate {
        section.add(.fine, "the schema transom will be installed at the start")
      } else {
        let reason =
          installs ? "\(server.user) may not create the schema transom" : "no schema transom"
        section.add(.warning, "\(reason); \(without): run \"transom migrate\" as a role that may")
      }
    }
  }

  private func exists(_ database: Database) async throws -> Bool {
    try await database.query("select exists (select from pg_namespace where nspname = 'transom')")
      .only(Bool.self)
  }
}
