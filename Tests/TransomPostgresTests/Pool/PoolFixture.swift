import TestSupport
import Testing
import TransomEventLoop

@testable import TransomPostgres

/// A pool of a test's own, on loops of its own.
struct PoolFixture {
  let pool: DatabasePool
  let group: EventLoopGroup

  func lease(
    _ index: Int = 0, within limit: Duration = .seconds(30)
  ) async throws -> DatabasePool.Lease {
    try await pool.lease(onLoop: index, until: .now + limit)
  }

  /// Leases, runs a command, and releases; returns the server process and the answers.
  @discardableResult
  func run(_ command: String, _ index: Int = 0) async throws -> (processID: Int32, seen: [String]) {
    let lease = try await lease(index)
    let result = await Result { () async throws in
      try await outcomes([command], on: lease.connection)
    }
    await pool.release(lease)
    return (lease.connection.processID, try result.get())
  }

  func eventuallyCounts(
    _ what: String, _ holds: (DatabasePool.Counts) -> Bool
  ) async throws {
    try await eventually(what) { holds(await pool.counts) }
  }
}

/// Makes a pool, and shuts it down afterwards; every lease must be back by then. A body that throws may have kept
/// one, for which the shutdown would wait.
func withPool(
  _ conninfo: String, size: Int, loops: Int, waitLimit: Duration = .seconds(30),
  _ change: (inout PoolConfiguration) -> Void = { _ in },
  _ body: (PoolFixture) async throws -> Void
) async throws {
  let group = try EventLoopGroup(count: loops)
  var configuration = PoolConfiguration()
  configuration.size = size
  configuration.waitLimit = waitLimit
  change(&configuration)
  let pool = try DatabasePool(ConnectionConfiguration(conninfo: conninfo), configuration, on: group)
  try await body(PoolFixture(pool: pool, group: group))
  await pool.shutdown()
  await group.shutdown()
}

/// A pool for a database of the test's own.
func withPool(
  size: Int, loops: Int, waitLimit: Duration = .seconds(30),
  _ change: (inout PoolConfiguration) -> Void = { _ in },
  _ body: (PoolFixture, TestDatabase) async throws -> Void
) async throws {
  try await withDatabase { database in
    try await withPool(
      database.connectionString, size: size, loops: loops, waitLimit: waitLimit, change
    ) {
      try await body($0, database)
    }
  }
}
