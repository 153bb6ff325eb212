package import Logging
internal import Synchronization
internal import TransomEventLoop
package import TransomPostgres

/// Whether the schema `transom` can be used, found out when the service starts, and later if it is not there yet.
package final class SchemaInstallation: Sendable {
  private let isThere = Atomic(false)
  private let firstLook = Mutex<(isOver: Bool, waiters: [CheckedContinuation<Void, Never>])>(
    (false, []))
  /// How often somebody who may install the schema is waited for.
  private static let interval = Duration.seconds(30)

  package init() {}

  /// Whether events and idempotency keys can be stored.
  package var isInstalled: Bool { isThere.load(ordering: .relaxed) }

  /// Installs the schema if `migrates`, or looks for it, until it is there or the task is cancelled.
  ///
  /// If the role may not install it, the service goes on without: it says so in the log, and looks again now and then.
  package func find(in database: Database, migrates: Bool, logger: Logger) async {
    let schema = Schema(in: database)
    var pause = Duration.milliseconds(100)
    var reported: String?
    defer { firstLookIsOver() }
    while !Task.isCancelled {
      do {
        if migrates, reported == nil {
          let versions = try await schema.migrate()
          if let version = versions.last {
            logger.info("the schema transom is installed", metadata: ["version": "\(version)"])
          }
        }
        try await schema.check()
        return isThere.store(true, ordering: .relaxed)
      } catch let missing as Schema.Missing {
        firstLookIsOver()
        if reported == nil {
          logger.warning(
            "there are no webhooks and no idempotency keys", metadata: ["reason": "\(missing)"])
        }
        reported = missing.description
        pause = Self.interval
      } catch {
        firstLookIsOver()
        let level: Logger.Level = Self.isOutage(error) ? .debug : .warning
        logger.log(
          level: level, "the schema transom cannot be looked for",
          metadata: ["reason": "\(error)"])
        pause = min(pause * 2, .seconds(5))
      }
      try? await Task.sleep(for: pause)
    }
  }

  /// How long the start of the service waits for a database that does not answer.
  private static let patience = Duration.seconds(5)

  /// Waits until it has been looked for once, whatever came of it, or until that takes too long.
  func waitForFirstLook(timer loop: EventLoop) async {
    loop.execute { _ = loop.schedule(at: loop.now + Self.patience) { self.firstLookIsOver() } }
    await withCheckedContinuation { continuation in
      let isOver = firstLook.withLock { look in
        if !look.isOver { look.waiters.append(continuation) }
        return look.isOver
      }
      if isOver { continuation.resume() }
    }
  }

  private func firstLookIsOver() {
    let waiters = firstLook.withLock { look in
      look.isOver = true
      return exchange(&look.waiters, with: [])
    }
    for waiter in waiters { waiter.resume() }
  }

  private static func isOutage(_ error: any Error) -> Bool {
    guard let error = error as? PostgresError else { return false }
    switch error.kind {
    case .unreachable, .connectionLost, .poolExhausted, .serverStopping, .shutDown: return true
    default: return false
    }
  }
}
