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
    try await administer("CREATE DATABASE \(name)")
    return (try await open(name), name)
  }

  /// A database that is there already.
  static func open(_ name: String) async throws -> Databases {
    let url = try await started.value.connectionString(database: name)
    return try Databases(["default": DatabaseConfiguration(url: url)])
  }

  static func remove(_ databases: Databases, _ name: String) async throws {
    await databases.shutdown()
    try await administer("DROP DATABASE \(name) WITH (FORCE)")
  }

  private static func administer(_ sql: String) async throws {
    let databases = try await open("postgres")
    do {
      try await databases.default.execute(Statement(sql: sql))
    } catch {
      await databases.shutdown()
      throw error
    }
    await databases.shutdown()
  }
}
