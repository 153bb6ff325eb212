import TestSupport
import TransomEventLoop
import TransomPostgres

/// A connection beside those of the service, which holds advisory locks, so that a test decides
/// how far a transaction gets: `select pg_advisory_xact_lock(n)` waits until `n` is let go.
struct SideConnection {
  private let group: EventLoopGroup
  private let connection: PostgresConnection

  init(_ database: TestDatabase) async throws {
    group = try EventLoopGroup(count: 1)
    connection = try await PostgresConnection.connect(
      ConnectionConfiguration(conninfo: database.connectionString), on: group.loops[0])
  }

  func hold(_ locks: Int...) async throws {
    for lock in locks { try await Self.run("select pg_advisory_lock(\(lock))", on: connection) }
  }

  func letGo() async throws {
    try await Self.run("select pg_advisory_unlock_all()", on: connection)
  }

  /// Runs statements that return nothing, one after the other.
  func run(_ sql: String) async throws {
    for statement in sql.split(separator: ";") {
      try await Self.run(String(statement), on: connection)
    }
  }

  func close() async {
    await connection.close()
    await group.shutdown()
  }

  private static func run(_ sql: String, on connection: isolated PostgresConnection) async throws {
    try connection.enqueueUnnamed(sql)
    try connection.sync()
    while true {
      switch try await connection.next() {
      case .synced: return
      case .failed(let error): throw error
      case .result: continue
      case .skipped: continue
      }
    }
  }
}

/// Runs the body with a side connection, which is closed after it.
func withSideConnection(
  _ database: TestDatabase, _ body: (SideConnection) async throws -> Void
) async throws {
  let side = try await SideConnection(database)
  do {
    try await body(side)
  } catch {
    await side.close()
    throw error
  }
  await side.close()
}
