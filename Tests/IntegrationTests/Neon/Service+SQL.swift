import TestSupport

extension Service {
  /// What the driver sends with each request.
  static let driverFields: [(name: String, value: String)] = [
    ("Neon-Connection-String", "postgresql://web:secret@db.example/default"),
    ("Neon-Raw-Text-Output", "true"), ("Neon-Array-Mode", "true"),
  ]

  /// Posts a body to /sql as `fetch` does with a string.
  func sql(
    _ body: String, _ fields: [(name: String, value: String)] = Service.driverFields
  ) async throws -> Answer {
    let type = (name: "Content-Type", value: "text/plain;charset=UTF-8")
    return try await request("POST", "/sql", headers: [type] + fields, body: body)
  }
}

/// Serves a database of the test's own.
func withSQL(
  _ schema: String = "select", _ arguments: [String] = [],
  _ body: (TestDatabase, Service) async throws -> Void
) async throws {
  try await withDatabase { db in
    try await db.query(schema)
    try await withService(for: db.connectionString, arguments) { service in
      try await body(db, service)
    }
  }
}
