import TestSupport
import TransomCluster

/// A running `transom serve`, and how tests talk to it.
struct Service: Sendable {
  let process: TransomProcess
  let port: Int

  func connect() async throws -> RawHTTPClient {
    try await RawHTTPClient.connect(toPort: port)
  }

  /// Sends one request on a connection of its own.
  func request(
    _ method: String, _ target: String, headers: [(name: String, value: String)] = [],
    body: String? = nil
  ) async throws -> Answer {
    let client = try await connect()
    let response = try await client.request(method, target, headers: headers, body: body)
    await client.close()
    return try Answer(response)
  }

  /// Posts one transaction on a connection of its own, to be answered in lines.
  func stream(_ transaction: String) async throws -> Answer {
    try await request(
      "POST", "/transactions", headers: [("Accept", "application/x-ndjson")], body: transaction)
  }

  /// Posts one transaction on a connection of its own.
  func post(_ transaction: String) async throws -> Answer {
    try await request("POST", "/transactions", body: transaction)
  }
}

/// A response, with its body read if that is JSON.
struct Answer: Sendable {
  let response: RawHTTPResponse
  let body: JSON

  init(_ response: RawHTTPResponse) throws {
    self.response = response
    let isJSON = ["application/json", "application/problem+json"].contains(response["Content-Type"])
    body = isJSON && !response.body.isEmpty ? try JSON(parsing: response.body) : .absent
  }

  var status: Int { response.status }

  struct NotInLines: Error {
    var text: String
  }

  /// The lines of a streamed answer, each of which ends.
  var lines: [JSON] {
    get throws {
      guard response["Content-Type"] == "application/x-ndjson", response.body.last == 10 else {
        throw NotInLines(text: String(response.text.suffix(500)))
      }
      return try response.body.dropLast().split(separator: 10, omittingEmptySubsequences: false)
        .map { try JSON(parsing: Array($0)) }
    }
  }

  /// The last line of a streamed answer.
  var lastLine: JSON {
    get throws {
      let last = response.body.dropLast().lastIndex(of: 10).map { $0 + 1 } ?? 0
      return try JSON(parsing: Array(response.body[last...]))
    }
  }

  /// The last part of a problem's type.
  var code: String? { body["type"].text.map { String($0.dropFirst("/problems/".count)) } }

  /// What is stored: said by a problem; by a 200, that everything is.
  var outcome: String? { status == 200 ? body["status"].text : body["outcome"].text }
}

extension RawHTTPClient {
  /// Posts a transaction, and another one later on the same connection.
  func post(_ transaction: String) async throws -> Answer {
    try Answer(try await request("POST", "/transactions", body: transaction))
  }
}

/// Serves a database on a free port while the body runs, and ends the service in order.
func withService<Result>(
  for connectionString: String, _ arguments: [String] = [], environment: [String: String] = [:],
  _ body: (Service) async throws -> Result
) async throws -> Result {
  let all = ["serve", "--listen", "127.0.0.1:0", "--database-url", connectionString] + arguments
  return try await withTransom(all, environment: environment) { process, port in
    try await body(Service(process: process, port: port))
  }
}

/// A server that the test may stop and break, because it is the test's own.
func withCluster<Result>(_ body: (PrivateCluster) async throws -> Result) async throws -> Result {
  let cluster = try await PrivateCluster.start(.temporary(settings: TestCluster.settings))
  do {
    let result = try await body(cluster)
    try await cluster.stop()
    return result
  } catch {
    try? await cluster.stop(mode: .immediate)
    throw error
  }
}

extension TestDatabase {
  /// How many statements that hold the text run now, of others than the one that asks.
  func running(_ text: String) async throws -> Int {
    let count = try await value(
      """
      select count(*) from pg_stat_activity where datname = current_database()
      and pid <> pg_backend_pid() and state = 'active' and query like '%\(text)%'
      """)
    return count.flatMap { Int($0) } ?? 0
  }
}
