internal import TransomPostgres

/// A database that several tests share, made by the first one.
actor SharedDatabase {
  private var made: Task<Databases, any Error>?

  func databases(
    _ prepare: @escaping @Sendable (Database) async throws -> Void
  ) async throws -> Databases {
    if let made { return try await made.value }
    // No child of the test's task: it is nobody's connection that prepares it.
    let task = Task.detached {
      let databases = try await TestServer.makeDatabase().databases
      try await prepare(databases.default)
      return databases
    }
    made = task
    return try await task.value
  }
}
