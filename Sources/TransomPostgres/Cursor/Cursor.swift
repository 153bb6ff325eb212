/// Executes statements and hands out their rows one after the other, in bounded memory.
///
///     try await connection.cursor { cursor in
///       try await cursor.execute("select id, name from account")
///       for try await row in cursor {
///         let (id, name) = try row.decode((Int, String).self)
///       }
///     }
///
/// Rows are fetched in batches of up to 128 while they are read; a row that is kept keeps its batch in memory. What is
/// left unread when another statement is executed on the same connection is fetched to the end first, and kept in memory
/// for the cursor. A cursor that is left before its end has the rest thrown away: outside of an atomic block by
/// cancelling the statement, inside by fetching it. To read just some rows of many, use ``Connection/serverCursor(_:scroll:hold:_:)``.
public final class Cursor {
  private let connection: Connection
  private var stream: RowStream?
  /// The result whose rows are handed out, those that follow it, and which row of it is next.
  private var rows: ResultStorage?
  private var following: ArraySlice<ResultStorage> = []
  private var next = 0
  private var count = 0
  private var changedRows = 0
  private var shape: ResultStorage?
  var isExpired = false

  init(_ connection: Connection) { self.connection = connection }

  // MARK: Executing

  /// Executes a statement. Its rows replace those of the statement before.
  public func execute(_ statement: Statement) async throws {
    try await close()
    if let flaw = statement.flaw { throw flaw }
    let scope = connection.scope
    stream = try await scope.wrapped(statement.sql) { try await scope.stream(statement) }
    shape = stream?.ending
    try take()
  }

  /// Executes a statement for each element of a sequence, as ``Connection/executeMany(_:_:)``; ``rowCount`` is their
  /// sum.
  public func executeMany<Elements: Sequence>(
    _ elements: Elements, _ statement: (Elements.Element) throws -> Statement
  ) async throws {
    try await close()
    changedRows = try await connection.executeMany(elements, statement)
  }

  // MARK: Rows

  /// The next row; nil after the last one.
  public func fetchOne() async throws -> Row? {
    if let row = try fetched() { return row }
    return try await hasNext() ? fetched() : nil
  }

  /// The next row if it is here already, as most are: without a call of an asynchronous function.
  private func fetched() throws(PostgresError) -> Row? {
    try checkNotExpired()
    guard next < count, let rows else { return nil }
    defer { next += 1 }
    return Row(rows, next)
  }

  /// The next rows, up to a number of them.
  public func fetchMany(_ count: Int) async throws -> [Row] {
    var result: [Row] = []
    while result.count < count, let row = try await fetchOne() { result.append(row) }
    return result
  }

  /// All rows that are left.
  public func fetchAll() async throws -> [Row] { try await fetchMany(.max) }

  /// The number of rows that the statement changed, or that it returned if all have been fetched; nil before.
  public var rowCount: Int? {
    guard let stream else { return changedRows }
    return stream.ending?.handle.affectedRows
  }

  /// The columns of the rows; none if the statement returns no rows.
  public var columns: [Column] { shape.map(Column.all) ?? [] }

  private func hasNext() async throws -> Bool {
    try checkNotExpired()
    while next == count {
      guard following.isEmpty else {
        hand(out: following.removeFirst())
        continue
      }
      guard let stream else { return false }
      guard !stream.isComplete else {
        try take()
        return count > 0
      }
      try await connection.scope.fetch(stream)
      try take()
    }
    return true
  }

  private func take() throws {
    hand(out: nil)
    following = try stream?.take()[...] ?? []
    shape = following.first ?? shape ?? stream?.ending
    if !following.isEmpty { hand(out: following.removeFirst()) }
  }

  private func hand(out result: ResultStorage?) {
    rows = result
    next = 0
    count = result?.handle.rowCount ?? 0
  }

  // MARK: Closing

  /// Throws away the rows that are left. The cursor can execute the next statement.
  public func close() async throws {
    try checkNotExpired()
    if let stream, !stream.isComplete { try await connection.scope.abandonStream(stream) }
    stream = nil
    shape = nil
    following = []
    hand(out: nil)
    changedRows = 0
  }

  private func checkNotExpired() throws(PostgresError) {
    if isExpired { throw .expired("a cursor") }
    try connection.checkNotExpired()
  }
}

@available(*, unavailable)
extension Cursor: Sendable {}

extension Cursor: AsyncSequence {
  /// The rows that are left. There is but one iteration: a second one goes on where the first one stopped.
  public struct AsyncIterator: AsyncIteratorProtocol {
    let cursor: Cursor

    /// The next row; nil after the last one.
    public func next() async throws -> Row? {
      if let row = try cursor.fetched() { return row }
      return try await cursor.fetchOne()
    }

    /// The next row, on the caller's actor; nil after the last one.
    public func next(isolation actor: isolated (any Actor)?) async throws(any Error) -> Row? {
      if let row = try cursor.fetched() { return row }
      return try await cursor.fetchOne()
    }
  }

  /// Begins, or goes on with, reading the rows.
  public func makeAsyncIterator() -> AsyncIterator { AsyncIterator(cursor: self) }
}

extension Connection {
  /// Runs the body with a cursor, and closes it afterwards.
  @discardableResult
  public func cursor<Result>(_ body: (Cursor) async throws -> Result) async throws -> Result {
    try checkNotExpired()
    let cursor = Cursor(self)
    let result: Result
    do {
      result = try await body(cursor)
    } catch {
      try? await cursor.close()
      cursor.isExpired = true
      throw error
    }
    try await cursor.close()
    cursor.isExpired = true
    return result
  }
}
