package import Logging
internal import Synchronization
internal import TransomEventLoop
package import TransomPostgres

/// What one database's schema `transom` holds for the service: events that were committed, and their deliveries.
///
/// It has connections of its own, so that deliveries and transactions do not wait for each other.
package final class Outbox: Sendable {
  /// Whether there is anything to work with.
  let schema = SchemaInstallation()
  /// The alias of its database.
  let alias: String
  let database: Database
  private let migrates: Bool
  /// Which hooks a request may have once the schema is installed.
  let possibleRules: HookRules
  let logger: Logger
  private let commitIsTaken = Atomic(false)
  private let waker = Mutex<Waker?>(nil)
  private let counted = Mutex<Backlog?>(nil)

  package init(
    in database: Database, migrates: Bool, allowsAddresses: Bool = false,
    logger: Logger = Logger(label: "transom.outbox")
  ) {
    alias = database.alias
    self.database = database
    self.migrates = migrates
    self.logger = logger
    possibleRules = HookRules(databases: [database.alias], allowsAddresses: allowsAddresses)
  }

  /// Finds the schema; ends when it has been found, or when its task is cancelled.
  package func findSchema() async {
    await schema.find(in: database, migrates: migrates, logger: logger)
  }

  /// Removes idempotency keys that have expired, until its task is cancelled.
  func removeExpiredKeys() async {
    let keys = ExpiredKeys(in: database, logger: logger)
    await keys.removeNowAndThen()
  }

  /// Closes its connections.
  package func shutdown() async { await database.shutdown() }

  /// Whether a hook may have an address of its own.
  package var allowsAddresses: Bool { possibleRules.allowsAddresses }

  /// What was pending when it was counted last; nil: it has not been counted.
  var lastBacklog: Backlog? { counted.withLock { $0 } }

  /// What is pending at one moment.
  struct Backlog: Sendable {
    var count: Int
    /// For how long the oldest has been due.
    var age: Duration
    var countedAt: MonotonicInstant
  }

  /// Counts what is pending, which takes the longer the more that is.
  func countBacklog() async throws -> Backlog {
    let (count, age) = try await backlog()
    let backlog = Backlog(count: count, age: .milliseconds(age), countedAt: .now)
    counted.withLock { $0 = backlog }
    return backlog
  }

  // MARK: For transactions

  /// Which hooks a request may have now.
  var hookRules: HookRules { schema.isInstalled ? possibleRules : .none }

  /// Whether some webhook takes the event `transaction.committed`, as far as is known: it is looked up now and then,
  /// so that a transaction does not have to.
  var commitIsWanted: Bool { commitIsTaken.load(ordering: .relaxed) }

  /// Looks up whether somebody takes `transaction.committed`.
  package func refresh() async throws {
    let isTaken = try await database.query(
      """
      select exists (
        select from transom.subscriptions s join transom.webhooks w on w.id = s.webhook_id
        where s.pattern in ('transaction.*', 'transaction.committed')
          and w.disabled_at is null)
      """
    ).only(Bool.self)
    commitIsTaken.store(isTaken, ordering: .relaxed)
  }

  /// A transaction that emitted events is committed: they need not wait until somebody looks.
  func committed() {
    let waker = waker.withLock { $0 }
    waker?.wake()
  }

  /// `wake` is called, from any thread, when there may be something to deliver.
  func onCommit(_ wake: (@Sendable () -> Void)?) {
    waker.withLock { $0 = wake.map(Waker.init) }
  }

  /// A closure on its own must not stand in a `Mutex`: each `withLock` takes it out and puts it back, in another
  /// form than the one before, so that it would be a call deeper each time, until the stack is full.
  private struct Waker {
    let wake: @Sendable () -> Void
  }
}
