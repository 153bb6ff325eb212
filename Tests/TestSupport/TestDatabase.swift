import Synchronization
package import TransomCluster

/// A database of one test's own.
///
///     try await withDatabase { db in
///       try await db.query("create table t (id int)")
///       #expect(try await db.query("select count(*) from t") == [["0"]])
///     }
package struct TestDatabase: Sendable {
  package let name: String
  package let cluster: PrivateCluster

  /// A URL for libpq.
  package var connectionString: String { cluster.connectionString(database: name) }

  /// Runs SQL with psql, so independently of our own code, and returns the rows of the last command
  /// that has any; nil is NULL. Several commands in one text are one transaction.
  @discardableResult
  package func query(_ sql: String) async throws -> [[String?]] {
    try await Psql(cluster: cluster).query(sql, in: name)
  }

  /// The first value of the first row.
  package func value(_ sql: String) async throws -> String? {
    try await query(sql).first?.first ?? nil
  }
}

private let databaseNumber = Atomic(0)

/// Makes an empty database, runs the body with it, and drops it with all its connections.
package func withDatabase<Result>(
  in cluster: PrivateCluster? = nil, _ body: (TestDatabase) async throws -> Result
) async throws -> Result {
  let cluster =
    if let cluster { cluster } else { try await TestCluster.shared }
  let number = databaseNumber.add(1, ordering: .relaxed).newValue
  let database = TestDatabase(name: "test_\(number)", cluster: cluster)
  let psql = Psql(cluster: cluster)
  try await psql.query("create database \(database.name)", in: "postgres")
  do {
    let result = try await body(database)
    try await psql.query("drop database \(database.name) with (force)", in: "postgres")
    return result
  } catch {
    // The test's own error is the one to tell. The server may be down on purpose, too.
    _ = try? await psql.query("drop database \(database.name) with (force)", in: "postgres")
    throw error
  }
}
