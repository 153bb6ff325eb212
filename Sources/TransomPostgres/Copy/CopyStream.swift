/// What a COPY TO STDOUT sends: parts of some rows each, never a part of a row.
///
/// A part is fetched when it is asked for: a server that is faster than its reader waits, and memory stays bounded.
/// It is what ``Connection/copy(_:to:)`` hands its body, and it is of no use after it.
public final class CopyStream {
  private let scope: ConnectionScope
  private let connection: PostgresConnection
  private let sql: String
  private var isComplete = false
  private var failure: (any Error)?
  fileprivate var isExpired = false
  /// The number of rows; nil before their end.
  public private(set) var rowCount: Int?

  fileprivate init(_ scope: ConnectionScope, _ connection: PostgresConnection, _ sql: String) {
    self.scope = scope
    self.connection = connection
    self.sql = sql
  }

  fileprivate func fetch() async throws -> [UInt8]? {
    if isExpired { throw PostgresError.expired("a COPY") }
    while !isComplete {
      let (batch, wasCancelled) = await StatementCanceller.cancelling(connection) {
        await connection.fetchCopy()
      }
      if let end = batch.end { complete(end, wasCancelled) }
      if !batch.bytes.isEmpty { return batch.bytes }
    }
    if let failure = exchange(&failure, with: nil) { throw failure }
    return nil
  }

  private func complete(_ reply: CopyReply, _ wasCancelled: Bool) {
    isComplete = true
    do {
      rowCount = try scope.finishCopy(reply, wasCancelled, sql).handle.affectedRows
    } catch {
      failure = error
    }
  }

  /// Throws away what is left: inside a transaction it must end by itself, as cancelling it would be an error of the
  /// transaction; else it is cancelled.
  fileprivate func abandon() async {
    isExpired = true
    guard !isComplete else { return }
    if !scope.with({ $0.machine.isInBlock }) { await connection.cancelRunning() }
    let (batch, _) = await StatementCanceller.cancelling(connection) {
      await connection.fetchCopy(keepsRows: false)
    }
    await connection.waitForCancels()
    complete(batch.end ?? CopyReply(failure: .outOfStep), false)
  }
}

@available(*, unavailable)
extension CopyStream: Sendable {}

extension CopyStream: AsyncSequence {
  /// The parts that are left. There is but one iteration: a second one goes on where the first one stopped.
  public struct AsyncIterator: AsyncIteratorProtocol {
    let stream: CopyStream

    /// The next part; nil after the last one.
    public func next() async throws -> [UInt8]? { try await stream.fetch() }

    /// The next part, on the caller's actor; nil after the last one.
    public func next(isolation actor: isolated (any Actor)?) async throws(any Error) -> [UInt8]? {
      try await stream.fetch()
    }
  }

  /// Begins, or goes on with, reading the parts.
  public func makeAsyncIterator() -> AsyncIterator { AsyncIterator(stream: self) }
}

extension Connection {
  /// Executes `COPY … TO STDOUT`, and runs the body with what it sends, in the format that the statement chooses.
  ///
  ///     try await connection.copy("copy account to stdout (format csv)") { parts in
  ///       for try await part in parts { try file.write(contentsOf: part) }
  ///     }
  ///
  /// While the body runs, nothing else can be executed on the connection. If it returns before the end, the rest is
  /// thrown away: outside of an atomic block by cancelling the statement, inside by fetching it.
  ///
  /// - Throws: what the body throws; `PostgresError`, of kind `.copy` if the statement is no such COPY. An error in the
  ///   middle is thrown to whoever reads, behind what came before it.
  @discardableResult
  public func copy<Result>(
    _ statement: Statement, to body: (CopyStream) async throws -> Result
  ) async throws -> Result {
    try checkNotExpired()
    let scope = scope
    let connection = try await scope.wrapped(statement.sql) {
      try await scope.beginCopy(statement, .toClient)
    }
    let stream = CopyStream(scope, connection, statement.sql)
    let result: Result
    do {
      result = try await body(stream)
    } catch {
      await stream.abandon()
      throw error
    }
    await stream.abandon()
    return result
  }
}
