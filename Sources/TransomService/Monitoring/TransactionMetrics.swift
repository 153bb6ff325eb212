internal import Synchronization
internal import TransomEventLoop
internal import TransomMetrics
internal import TransomPostgres

/// What one event loop counts of its transactions in one database; a table as that of `RequestMetrics`.
final class TransactionMetrics: Sendable {
  private let registry: MetricsRegistry
  private let database: MetricsRegistry.Label
  private let counts = Mutex<[CounterCell?]>(
    Array(repeating: nil, count: Outcome.allCases.count * places))
  private let queue: HistogramCell
  private let execution: HistogramCell
  private let retries: CounterCell
  private let poolTimeouts: CounterCell
  /// Whether requests may have spans, which are told, too.
  private let isTraced: Bool

  init(in registry: MetricsRegistry, database alias: String, isTraced: Bool) {
    self.registry = registry
    self.isTraced = isTraced
    let database = MetricsRegistry.Label("database", alias)
    self.database = database
    queue = registry.histogram(
      "transom_transaction_queue_seconds", "Time that a transaction waited for a connection.",
      [database])
    execution = registry.histogram(
      "transom_transaction_execution_seconds",
      "Time that a transaction was on its connection, all its attempts.", [database])
    retries = registry.counter(
      "transom_transaction_retries",
      "Times that a transaction was run again, after a conflict or for stale statements.",
      [database])
    poolTimeouts = registry.counter(
      "transom_pool_timeouts", "Transactions that got no connection, as all were busy.",
      [database])
    for outcome in Outcome.allCases { _ = count(outcome, Self.noClass) }
  }

  /// A transaction has ended, after so many attempts.
  func ended(
    _ outcome: Outcome, _ error: ServiceError?, _ timing: TransactionAnswer.Timing, attempts: Int
  ) {
    count(outcome, error.map(Self.sqlStateClass) ?? Self.noClass).increment()
    queue.observe(UInt64(max(0, timing.queue.nanoseconds)))
    if attempts > 0 { execution.observe(UInt64(max(0, timing.execute.nanoseconds))) }
    if attempts > 1 { retries.increment(by: UInt64(attempts - 1)) }
    if case .poolTimedOut = error { poolTimeouts.increment() }
    if isTraced {
      RequestSpan.current?.transactionEnded(in: database.value, error, timing, attempts: attempts)
    }
  }

  private func count(_ outcome: Outcome, _ sqlStateClass: Int) -> CounterCell {
    let place = outcome.index * Self.places + sqlStateClass
    return counts.withLock { counts in
      if let cell = counts[place] { return cell }
      let cell = registry.counter(
        "transom_transactions",
        "Transactions by what is stored of them, and the class of PostgreSQL's error.",
        [
          database, .init("outcome", outcome.rawValue),
          .init("sqlstate_class", Self.classes[sqlStateClass]),
        ])
      counts[place] = cell
      return cell
    }
  }

  // MARK: Classes of SQLSTATE

  /// How many classes there may be at most.
  private static let places = 64
  private static let noClass = 0
  private static let otherClass = 1

  /// All that PostgreSQL has (manual, appendix A). Whatever else a client's own RAISE says is `other`.
  private static let classes =
    ["", "other"]
    + [
      "00", "01", "02", "03", "08", "09", "0A", "0B", "0F", "0L", "0P", "0Z", "10", "20", "21",
      "22",
      "23", "24", "25", "26", "27", "28", "2B", "2D", "2F", "34", "38", "39", "3B", "3D", "3F",
      "40",
      "42", "44", "53", "54", "55", "57", "58", "72", "F0", "HV", "P0", "XX",
    ]

  private static func sqlStateClass(of error: ServiceError) -> Int {
    switch error {
    case .statementFailed(_, let error), .commitFailed(let error):
      classes.firstIndex { $0 == error.sqlState.classCode } ?? otherClass
    default: noClass
    }
  }
}

extension Outcome {
  fileprivate var index: Int {
    switch self {
    case .committed: 0
    case .rolledBack: 1
    case .notStarted: 2
    case .unknown: 3
    }
  }
}
