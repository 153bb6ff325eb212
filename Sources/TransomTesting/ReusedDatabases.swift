internal import TransomPostgres

/// Databases that tests use one after the other, and empty when they are done.
actor ReusedDatabases {
  private var free: [String] = []

  /// Runs the body with a database that nobody else has.
  nonisolated func withDatabases(
    _ prepare: @Sendable (Database) async throws -> Void, _ body: (Databases) async throws -> Void
  ) async throws {
    let (databases, name) = try await borrow(prepare)
    let result: Result<Void, any Error>
    do {
      result = .success(try await body(databases))
    } catch {
      result = .failure(error)
    }
    try await giveBack(databases, name)
    try result.get()
  }

  /// A database that nobody else has, made and prepared if none is free.
  nonisolated func borrow(
    _ prepare: @Sendable (Database) async throws -> Void
  ) async throws -> (databases: Databases, name: String) {
    let known = await take()
    let name = if let known { known } else { try await make(prepare) }
    return (try await TestServer.open(name), name)
  }

  /// Closes the connections, empties the database, and gives it back.
  nonisolated func giveBack(_ databases: Databases, _ name: String) async throws {
    await TestServer.close(databases, of: name)
    try await Self.empty(name)
    await put(name)
  }

  private func take() -> String? { free.popLast() }

  private func put(_ name: String) { free.append(name) }

  private nonisolated func make(
    _ prepare: @Sendable (Database) async throws -> Void
  ) async throws -> String {
    let (databases, name) = try await TestServer.makeDatabase()
    do {
      try await prepare(databases.default)
    } catch {
      try? await TestServer.remove(databases, name)
      throw error
    }
    await databases.shutdown()
    try await Self.empty(name)
    return name
  }

  /// Removes the rows of all tables, and sets their sequences back.
  private static func empty(_ name: String) async throws {
    let databases = try await TestServer.open(name)
    do {
      // Whoever still holds a lock, such as a server process that has not noticed yet that its client is gone, ends.
      try await databases.default.execute(
        """
        select pg_terminate_backend(pid) from pg_stat_activity
        where datname = current_database() and pid <> pg_backend_pid()
        """)
      let tables = try await databases.default.query(
        """
        select format('%I.%I', schemaname, tablename) from pg_tables
        where schemaname <> 'information_schema' and schemaname not like 'pg\\_%'
        """
      ).decode(String.self)
      if !tables.isEmpty {
        let list = tables.joined(separator: ", ")
        try await databases.default.execute(
          Statement(sql: "truncate \(list) restart identity cascade"))
      }
      // Those that no column owns, too.
      let sequences = try await databases.default.query(
        """
        select format('alter sequence %I.%I restart', schemaname, sequencename) from pg_sequences
        where schemaname <> 'information_schema' and schemaname not like 'pg\\_%'
        """
      ).decode(String.self)
      for command in sequences { try await databases.default.execute(Statement(sql: command)) }
    } catch {
      await databases.shutdown()
      throw error
    }
    await databases.shutdown()
  }
}
