import TestSupport
import TransomEventLoop
import TransomPostgres

/// What became of each command, as text: the tag, and the first column of its rows; nil values as "null".
func outcomes(
  _ commands: [String], _ parameters: ParameterList = ParameterList(),
  on connection: isolated PostgresConnection
) async throws -> [String] {
  for command in commands {
    try connection.enqueue(StatementText(command), parameters, 0..<parameters.count)
  }
  try connection.sync()
  return try await answers(on: connection)
}

/// What became of the commands up to the next sync.
func answers(on connection: isolated PostgresConnection) async throws -> [String] {
  var outcomes: [String] = []
  while true {
    switch try await connection.next() {
    case .result(let result):
      var text = string(result.command)
      if result.returnsRows { text += " " + firstColumn(result) }
      outcomes.append(text)
    case .failed(let error): outcomes.append("failed \(error.sqlState)")
    case .skipped: outcomes.append("skipped")
    case .synced: return outcomes
    }
  }
}

private func firstColumn(_ result: borrowing PGResultHandle) -> String {
  var values: [String] = []
  for row in 0..<result.rowCount {
    let value = string(result.value(row: row, column: 0))
    values.append(result.isNull(row: row, column: 0) ? "null" : value)
  }
  return values.joined(separator: ",")
}

/// A copy of bytes as text.
func string(_ bytes: Span<UInt8>) -> String {
  var copy: [UInt8] = []
  copy.reserveCapacity(bytes.count)
  for index in bytes.indices { copy.append(bytes[index]) }
  return String(decoding: copy, as: UTF8.self)
}

/// Connects on a loop of its own, and closes everything afterwards.
func withConnection(
  _ configuration: ConnectionConfiguration, _ body: (PostgresConnection) async throws -> Void
) async throws {
  let group = try EventLoopGroup(count: 1)
  let connection = try await PostgresConnection.connect(configuration, on: group.loops[0])
  let result = await Result { () async throws in try await body(connection) }
  await connection.close()
  await group.shutdown()
  try result.get()
}

/// A connection to a database of the test's own.
func withConnection(
  _ change: (inout ConnectionConfiguration) -> Void = { _ in },
  _ body: (PostgresConnection, TestDatabase) async throws -> Void
) async throws {
  try await withDatabase { database in
    var configuration = ConnectionConfiguration(conninfo: database.connectionString)
    change(&configuration)
    try await withConnection(configuration) { try await body($0, database) }
  }
}

/// A connection through a proxy.
func withProxiedConnection(
  _ body: (PostgresConnection, FaultProxy, TestDatabase) async throws -> Void
) async throws {
  try await withDatabase { database in
    let proxy = try FaultProxy.start(before: database.cluster)
    defer { proxy.stop() }
    let conninfo = proxy.connectionString(database: database.name)
    try await withConnection(ConnectionConfiguration(conninfo: conninfo)) {
      try await body($0, proxy, database)
    }
  }
}

/// Waits until the server process runs a statement that contains the text.
func eventuallyRuns(
  _ text: String, _ connection: PostgresConnection, _ database: TestDatabase
) async throws {
  try await eventually("the statement runs") {
    try await database.value(
      """
      select count(*) from pg_stat_activity
      where pid = \(connection.processID) and state = 'active' and query like '%\(text)%'
      """) == "1"
  }
}

extension Result where Failure == any Error {
  /// What an asynchronous body returns or throws.
  init(_ body: () async throws -> Success) async {
    do {
      self = .success(try await body())
    } catch {
      self = .failure(error)
    }
  }
}
