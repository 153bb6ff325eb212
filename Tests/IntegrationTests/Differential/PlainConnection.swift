import TransomEventLoop
import TransomPostgres

/// A connection that runs one command, waits for its end, and only then runs the next one.
struct PlainConnection: Sendable {
  struct Reply: Sendable {
    var command = ""
    var rowCount = 0
    /// Nil if the command returns no rows.
    var columns: [(name: String, type: UInt32)]?
    var rows: [[String?]] = []
  }

  private let connection: PostgresConnection

  init(to conninfo: String, on loop: EventLoop) async throws {
    connection = try await PostgresConnection.connect(
      ConnectionConfiguration(conninfo: conninfo), on: loop)
  }

  func close() async { await connection.close() }

  /// Runs one command.
  /// - Throws: the server's error.
  @discardableResult
  func run(_ sql: String, _ parameters: [String?] = []) async throws -> Reply {
    var list = ParameterList()
    for parameter in parameters {
      if let parameter { list.append(parameter.utf8) } else { list.appendNull() }
    }
    return try await Self.run(sql, list, on: connection)
  }

  private static func run(
    _ sql: String, _ parameters: ParameterList, on connection: isolated PostgresConnection
  ) async throws -> Reply {
    connection.limitReceiving(to: .max)
    try connection.enqueue(StatementText(sql), parameters, 0..<parameters.count, isPrepared: false)
    try connection.sync()
    var reply = Reply()
    var failure: ServerError?
    while true {
      switch try await connection.next() {
      case .result(let result): reply = Self.reply(result)
      case .failed(let error): failure = failure ?? error
      case .skipped: continue
      case .synced:
        if let failure { throw failure }
        return reply
      }
    }
  }

  private static func reply(_ result: borrowing PGResultHandle) -> Reply {
    var reply = Reply()
    reply.command = text(result.command)
    reply.rowCount = result.returnsRows ? result.rowCount : result.affectedRows
    guard result.returnsRows else { return reply }
    let columns = 0..<result.columnCount
    reply.columns = columns.map { column in
      (text(result.columnName(column)), result.columnType(column).rawValue)
    }
    for row in 0..<result.rowCount {
      reply.rows.append(columns.map { result.text(row: row, column: $0) })
    }
    return reply
  }

  private static func text(_ octets: Span<UInt8>) -> String {
    String(decoding: octets.indices.map { octets[$0] }, as: UTF8.self)
  }
}
