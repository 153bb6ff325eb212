import Synchronization
import TestSupport
import TransomPostgres

/// Makes `Databases` with the aliases `default` and `other` on a database of the test's own, and shuts them down.
func withDatabases<Result>(
  size: Int = 8, _ body: (Databases, TestDatabase) async throws -> Result
) async throws -> Result {
  try await withDatabase { server in
    var configuration = DatabaseConfiguration(url: server.connectionString)
    configuration.pool.size = size
    configuration.pool.waitLimit = .seconds(30)
    let databases = try Databases(["default": configuration, "other": configuration])
    let result = await Swift.Result { () async throws in try await body(databases, server) }
    await databases.shutdown()
    return try result.get()
  }
}

/// An error of a test's own.
struct Boom: Error, Equatable {}

/// What happened, in order.
final class Log: Sendable {
  private let storage = Mutex<[String]>([])
  var entries: [String] { storage.withLock { $0 } }
  func append(_ entry: String) { storage.withLock { $0.append(entry) } }
}

extension Database {
  /// A table with one column, and what is in it.
  func makeTable() async throws { try await execute("create table t (id int primary key)") }
  func insert(_ id: Int) async throws { try await execute("insert into t values (\(id))") }
  var ids: [Int] {
    get async throws { try await query("select id from t order by id").decode(Int.self) }
  }
}
