internal import Synchronization
internal import TransomCluster
internal import TransomPostgres

/// The private PostgreSQL server of a test run. It starts with the first test that wants it, and its watchdog removes it
/// with its files when the test process has ended, even if that was killed.
enum TestServer {
  private static let started = Task {
    try await PrivateCluster.start(.temporary(settings: ["timezone": "UTC"]))
  }
  private static let number = Atomic(0)

  /// Runs the body with an empty database of its own, as the alias `default`, and removes it afterwards.
  static func withDatabase<Result>(
    _ body: (Databases) async throws -> Result
  ) async throws -> Result {
    let (databases, name) = try await makeDatabase()
    let result: Result
    do {
      result = try await body(databases)
    } catch {
      try? await remove(databases, name)
      throw error
    }
    try await remove(databases, name)
    return result
  }

  /// A new, empty database.
  static func makeDatabase() async throws -> (databases: Databases, name: String) {
    let name = "test_\(number.add(1, ordering: .relaxed).newValue)"
    try await administer(Statement(sql: "CREATE DATABASE \(name)"))
    return (try await open(name), name)
  }

  /// A database that is there already.
  static func open(_ name: String) async throws -> Databases {
    let url = try await started.value.connectionString(database: name)
    var configuration = DatabaseConfiguration(url: url)
    // All tests of a suite may run at once, each with a connection until its end: those that find none wait for others, not
    // for a limit.
    configuration.pool.size = 64
    configuration.pool.waitLimit = .seconds(120)
    return try Databases(["default": configuration])
  }

  /// How long a test that is over may have a connection.
  private static let patience = Duration.seconds(1)

  /// Closes the connections. A task of the test that still executes something on one of them is not waited for.
  static func close(_ databases: Databases, of name: String) async {
    let end = Task {
      try await Task.sleep(for: patience)
      let sessions: Statement =
        "select pg_terminate_backend(pid) from pg_stat_activity where datname = \(name)"
      try await administer(sessions)
    }
    await databases.shutdown()
    end.cancel()
    // Or it would end sessions of the next one who uses the database.
    _ = await end.result
  }

  static func remove(_ databases: Databases, _ name: String) async throws {
    await close(databases, of: name)
    try await administer(Statement(sql: "DROP DATABASE \(name) WITH (FORCE)"))
  }

  private static func administer(_ statement: Statement) async throws {
    let databases = try await open("postgres")
    do {
      try await databases.default.execute(statement)
    } catch {
      await databases.shutdown()
      throw error
    }
    await databases.shutdown()
  }
}
