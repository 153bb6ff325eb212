internal import TransomEventLoop

/// What NOTIFY sent (PostgreSQL manual, "NOTIFY").
public struct DatabaseNotification: Equatable, Sendable {
  /// The channel.
  public let channel: String
  /// The text that was sent along; empty if none was.
  public let payload: String
  /// The server process that sent it.
  public let processID: Int32
}

/// The notifications that come on a connection of their own, in order, from the begin of ``Database/listen(to:_:)``.
///
/// It ends by an error only: `CancellationError` when the task is cancelled, `PostgresError` of kind `.connectionLost`.
/// What is sent until one listens again is not delivered: PostgreSQL keeps it for nobody.
public final class Notifications {
  private let connection: PostgresConnection
  private var waiting: [DatabaseNotification] = []
  private var next = 0
  var isExpired = false

  init(_ connection: PostgresConnection) { self.connection = connection }

  fileprivate func fetch() async throws -> DatabaseNotification {
    if isExpired { throw PostgresError.expired("a sequence of notifications") }
    if next == waiting.count {
      waiting = try await connection.waitForNotifications()
      next = 0
    }
    defer { next += 1 }
    return waiting[next]
  }
}

@available(*, unavailable)
extension Notifications: Sendable {}

extension Notifications: AsyncSequence {
  /// Waits for one notification after the other.
  public struct AsyncIterator: AsyncIteratorProtocol {
    let notifications: Notifications

    /// The next notification; waits for it.
    public func next() async throws -> DatabaseNotification? { try await notifications.fetch() }

    /// The next notification, on the caller's actor; waits for it.
    public func next(
      isolation actor: isolated (any Actor)?
    ) async throws(any Error) -> DatabaseNotification? {
      try await notifications.fetch()
    }
  }

  /// Begins, or goes on with, waiting.
  public func makeAsyncIterator() -> AsyncIterator { AsyncIterator(notifications: self) }
}

extension Database {
  /// Listens on channels while the body runs, on a connection of its own.
  ///
  ///     try await database.listen(to: ["jobs"]) { notifications in
  ///       for try await notification in notifications { … }
  ///     }
  ///
  /// When the body begins, the server listens already.
  @discardableResult
  public func listen<Result>(
    to channels: [String], _ body: (Notifications) async throws -> Result
  ) async throws -> Result {
    let lease = try await core.lease(onLoop: core.nextLoop)
    var exchange = Exchange()
    exchange.suffix = channels.map { "LISTEN \(Statement.quoted($0))" }
    let (reply, wasCancelled) = await StatementCanceller.cancelling(lease.connection) {
      [exchange] in await lease.connection.exchange(exchange)
    }
    let notifications = Notifications(lease.connection)
    let result: Swift.Result<Result, any Error>
    do {
      if wasCancelled { throw CancellationError() }
      if let (_, error) = reply.firstError { throw PostgresError(error) }
      if let failure = reply.failure { throw PostgresError(failure) }
      result = .success(try await body(notifications))
    } catch {
      result = .failure(error)
    }
    notifications.isExpired = true
    // It would go on listening.
    await lease.connection.close()
    core.pool.releaseSoon(lease)
    return try result.get()
  }
}

extension PostgresConnection {
  /// Waits for notifications while nothing else is going on.
  func waitForNotifications() async throws -> [DatabaseNotification] {
    while true {
      try Task.checkCancellation()
      do {
        // Before each look at the socket: those that came before the connection's end are told before it.
        let found = notificationsThere()
        if !found.isEmpty { return found }
        try checkUsable()
        if try receive() { continue }
        if handle.isBroken { throw fail(.lost(handle.message)) }
        let wake = await wait(for: awaited, isShielded: false)
        if wake != .cancelled { try woke(wake) }
      } catch let error as ConnectionError {
        // The last ones came together with the end.
        let found = notificationsThere()
        if !found.isEmpty { return found }
        throw PostgresError(error)
      }
    }
  }

  private func notificationsThere() -> [DatabaseNotification] {
    var found: [DatabaseNotification] = []
    while let notification = handle.nextNotification() { found.append(notification) }
    return found
  }
}
