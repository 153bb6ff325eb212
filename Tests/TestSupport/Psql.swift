package import TransomCluster

/// Runs SQL by PostgreSQL's own client.
package struct Psql: Sendable {
  package let cluster: PrivateCluster

  package init(cluster: PrivateCluster) {
    self.cluster = cluster
  }

  /// What psql complained of.
  package struct Failure: Error, CustomStringConvertible {
    package let description: String
  }

  /// Runs SQL in one transaction and returns the last command's rows; nil is NULL.
  @discardableResult
  package func query(_ sql: String, in database: String) async throws -> [[String?]] {
    // Bytes that no test's data hold: unit separator, record separator, and a mark for NULL.
    var command = Command(
      cluster.installation.tool("psql") ?? "/usr/bin/psql",
      [
        "--no-psqlrc", "--no-align", "--tuples-only", "--quiet", "--set=ON_ERROR_STOP=1",
        "--field-separator=\u{1F}", "--record-separator=\u{1E}", "--pset=null=\u{1D}",
        "--dbname=\(cluster.connectionString(database: database))", "--command=\(sql)",
      ])
    command.environment = [
      "PGCLIENTENCODING": "UTF8", "PGOPTIONS": "--client-min-messages=warning",
    ]
    command.maximumOutput = 64 << 20
    let outcome = try await command.run()
    guard outcome.succeeded else { throw Failure(description: outcome.text) }
    var output = Substring(outcome.output)
    guard !output.isEmpty else { return [] }
    if output.hasSuffix("\n") { output.removeLast() }
    return output.split(separator: "\u{1E}", omittingEmptySubsequences: false).map { record in
      record.split(separator: "\u{1F}", omittingEmptySubsequences: false).map { field in
        field == "\u{1D}" ? nil : String(field)
      }
    }
  }
}
