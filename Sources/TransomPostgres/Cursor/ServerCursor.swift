/// A query whose rows stay on the server until they are fetched (PostgreSQL manual, "DECLARE").
///
/// It lives in the atomic block in which it was declared, and other statements can run between its fetches.
public final class ServerCursor {
  private let connection: Connection
  let name: String
  /// The columns of the rows; none before the first fetch.
  public private(set) var columns: [Column] = []
  var isExpired = false

  init(_ connection: Connection, name: String) {
    self.connection = connection
    self.name = name
  }

  /// Where to move.
  public enum Position: Sendable {
    /// By so many rows from where it is; back if negative, for which it must be a `scroll` cursor.
    case relative(Int)
    /// To the row of that number, counted from 1; 0 is before the first one, and negative numbers count from the end.
    case absolute(Int)

    fileprivate var sql: String {
      switch self {
      case .relative(let count): "RELATIVE \(count)"
      case .absolute(let number): "ABSOLUTE \(number)"
      }
    }
  }

  /// The next row; nil after the last one.
  public func fetchOne() async throws -> Row? { try await fetch("NEXT").first }

  /// The next rows, up to a number of them.
  public func fetchMany(_ count: Int) async throws -> QueryResult {
    try await fetch("FORWARD \(max(0, count))")
  }

  /// All rows that are left.
  public func fetchAll() async throws -> QueryResult { try await fetch("ALL") }

  /// The rows before the one where it is, the nearest first, up to a number of them.
  public func fetchBackward(_ count: Int) async throws -> QueryResult {
    try await fetch("BACKWARD \(max(0, count))")
  }

  /// Moves without fetching. The next row that is fetched is the one behind.
  public func scroll(to position: Position) async throws {
    _ = try await run("MOVE \(position.sql)")
  }

  private func fetch(_ what: String) async throws -> QueryResult {
    let result = QueryResult(try await run("FETCH \(what)"))
    if columns.isEmpty { columns = result.columns }
    return result
  }

  private func run(_ command: String) async throws -> ResultStorage {
    if isExpired { throw PostgresError.expired("a cursor") }
    try connection.checkNotExpired()
    return try await connection.unprepared(Statement(sql: "\(command) FROM \(name)"))
  }
}

@available(*, unavailable)
extension ServerCursor: Sendable {}

extension Connection {
  /// Declares a server-side cursor for a query, runs the body with it, and closes it afterwards.
  ///
  /// - Parameters:
  ///   - query: the query; a SELECT or VALUES.
  ///   - scroll: whether it can go back.
  ///   - hold: whether it outlives the transaction that declares it: then it works outside of an atomic block, too,
  ///     and the server makes a copy of the rows at the end of the transaction.
  ///   - body: what is done with it.
  /// - Returns: what the body returns.
  /// - Throws: `PostgresError` of kind `.notInAtomic` outside of an atomic block without `hold`.
  @discardableResult
  public func serverCursor<Result>(
    _ query: Statement, scroll: Bool = false, hold: Bool = false,
    _ body: (ServerCursor) async throws -> Result
  ) async throws -> Result {
    try checkNotExpired()
    if let flaw = query.flaw { throw flaw }
    guard hold || isInAtomic else {
      throw PostgresError(
        .notInAtomic, "a server-side cursor lives in an atomic block, unless it is to hold its rows"
      )
    }
    // The smallest free number, so that names, and with them SQL, are the same again and again.
    let number = scope.with { state in
      var number = 1
      while state.cursors.contains(number) { number += 1 }
      state.cursors.insert(number)
      return number
    }
    defer { scope.with { _ = $0.cursors.remove(number) } }
    let cursor = ServerCursor(self, name: "transom_cursor_\(number)")
    let scrolls = scroll ? "SCROLL" : "NO SCROLL"
    let holds = hold ? " WITH HOLD" : ""
    let declaration: Statement =
      "DECLARE \(unescaped: cursor.name) \(unescaped: scrolls) CURSOR\(unescaped: holds) FOR \(query)"
    _ = try await unprepared(declaration)
    let result: Result
    do {
      result = try await body(cursor)
    } catch {
      cursor.isExpired = true
      // In a failed transaction it is gone, or will be with it.
      if !scope.hasFailed { _ = try? await unprepared(Statement(sql: "CLOSE \(cursor.name)")) }
      throw error
    }
    cursor.isExpired = true
    if !scope.hasFailed { _ = try await unprepared(Statement(sql: "CLOSE \(cursor.name)")) }
    return result
  }

  /// Executes a statement that means another thing each time it is executed.
  func unprepared(_ statement: Statement) async throws -> ResultStorage {
    var exchange = Exchange(statement)
    exchange.isPrepared = false
    let request = exchange
    let results = try await scope.wrapped(statement.sql) { try await scope.run(request) }
    guard let result = results.first else {
      throw PostgresError(.connectionLost, "the server sent no result")
    }
    return result
  }
}
