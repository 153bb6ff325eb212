package import TransomEventLoop
internal import TransomHTTP
package import TransomMetrics
package import TransomPostgres

/// What bounds a transaction.
package struct ExecutionLimits: Sendable {
  /// The size of an answer's body, in bytes; of a streamed one, what must be in memory as a whole.
  package var response = 64 << 20
  /// The time for a request, waiting for a connection included; a request may ask for less.
  package var timeout: Duration = .seconds(30)
  /// How often a transaction may run, unless the request says otherwise, and at most.
  package var attempts = 3
  package var maximumAttempts = 20
  /// How long the answer to a request with an Idempotency-Key is kept.
  package var idempotencyLifetime: Duration = .seconds(24 * 3600)
  /// Transactions that take so long are noted with their statements; nil: none.
  package var slowFrom: Duration? {
    didSet { shortestStep = slowFrom.map { $0 / 20 } ?? .seconds(86_400) }
  }
  /// What of such a transaction is told apart.
  private(set) var shortestStep = Duration.seconds(86_400)

  package init() {}
}

/// Executes the transactions of one event loop's clients: decodes, leases, runs, and maps what came of it.
///
/// Its asynchronous functions run in their caller's isolation, a connection's of the same loop, and use what the
/// transactions share by plain calls (`onLoop`): to enter an actor and to leave it would cost each request more.
package actor TransactionExecutor: EventLoopActor {
  package nonisolated let loop: EventLoop
  package nonisolated var unownedExecutor: UnownedSerialExecutor { loop.executor }

  /// They are few: to compare their aliases takes less than to hash one.
  private let databases: [Target]
  private let schemas: [String: SchemaInstallation]
  /// Those of the requests that come from now on.
  private var limits: ExecutionLimits
  /// What is known of the types of each database.
  private var types: [String: KnownTypes] = [:]
  private let outbox: Outbox?
  var hookRules: HookRules { outbox?.hookRules ?? .none }
  var reader = JSONReader()
  let knownStatements = KnownStatements()
  /// Writers that no transaction uses now: their buffers are kept.
  private var idleWriters: [ResultWriter] = []
  private static let keptWriters = 64

  package init(
    on loop: EventLoop, index: Int, databases: [String: DatabasePool],
    schemas: [String: SchemaInstallation], _ limits: ExecutionLimits, outbox: Outbox? = nil,
    metrics: MetricsRegistry = MetricsRegistry(), isTraced: Bool = false
  ) {
    self.loop = loop
    self.schemas = schemas
    self.databases = databases.map { alias, pool in
      Target(
        alias: alias, pool: pool.onLoop(index),
        metrics: TransactionMetrics(in: metrics, database: alias, isTraced: isTraced))
    }
    self.limits = limits
    self.outbox = outbox
  }

  /// Bounds transactions otherwise from now on.
  func limit(to limits: ExecutionLimits) { self.limits = limits }

  /// A database as this loop uses it.
  private struct Target {
    var alias: String
    var pool: LoopPool
    var metrics: TransactionMetrics
  }

  /// Whether somebody wants to know of every commit, by the request's name.
  nonisolated var reportsCommits: Bool { outbox?.commitIsWanted ?? false }

  /// Executes the transaction that a request's body asks for, or gives the parameters of, and returns the answer. On the
  /// loop only.
  ///
  /// `name` is the request's, if its commit is to be reported. `caller` is nil where everybody may do everything.
  nonisolated func execute(
    _ request: Request, of named: NamedTransaction? = nil, key: IdempotencyKey?,
    into buffer: consuming [UInt8], interruption: Interruption, name: [UInt8]? = nil,
    as caller: Caller? = nil, stream: AnswerStream? = nil, slow: inout SlowTransaction?
  ) async throws(ServiceError) -> TransactionAnswer {
    var transaction = try onLoop { executor in
      if let named { executor.decode(request, named) } else { executor.decode(request) }
    }.get()
    if let caller { try caller.constrain(&transaction, isNamed: named != nil) }
    if let name, transaction.database == outbox?.alias { transaction.reportCommit(as: name) }
    return try await execute(
      consume transaction, key: key, into: buffer, interruption: interruption, stream: stream,
      slow: &slow)
  }

  /// The same for a transaction that is decoded, and of which nobody wants to know whether it was slow.
  package nonisolated func execute(
    _ request: TransactionRequest, key: IdempotencyKey? = nil, into buffer: consuming [UInt8],
    interruption: Interruption
  ) async throws(ServiceError) -> TransactionAnswer {
    var slow: SlowTransaction?
    return try await execute(
      request, key: key, into: buffer, interruption: interruption, slow: &slow)
  }

  private func decode(_ request: Request) -> Result<TransactionRequest, ServiceError> {
    do {
      return .success(
        try RequestDecoder.decode(
          request.body, with: &reader, hooks: hookRules, known: knownStatements))
    } catch {
      return .failure(ServiceError(error))
    }
  }

  /// Executes a transaction and returns its 200 answer, written into `buffer`. On the loop only.
  ///
  /// With a stream, the answer is in lines, and is what has not been passed on of them: if the stream has begun, its end. An
  /// error is the stream's last line then. There is no key to be kept with a stream.
  ///
  /// `slow` tells of one that took long, whatever came of it.
  nonisolated func execute(
    _ request: consuming TransactionRequest, key: IdempotencyKey? = nil,
    into buffer: consuming [UInt8],
    interruption: Interruption, stream: AnswerStream? = nil, slow: inout SlowTransaction?
  ) async throws(ServiceError) -> TransactionAnswer {
    let limits = onLoop { $0.limits }
    request.identifyEvents()
    guard let database = databases.first(where: { $0.alias == request.database }) else {
      throw .unknownDatabase(alias: request.database)
    }
    let isBounded = limits.response < TransactionRun.smallLimit
    let plan = TransactionPlan(
      request, key: key, lifetime: limits.idempotencyLifetime,
      endsApart: stream != nil || isBounded && request.mayStore)
    guard !plan.isIdempotent || schemas[request.database]?.isInstalled == true else {
      throw .idempotencyNotInstalled(database: request.database)
    }
    let timeout = min(
      request.timeoutMilliseconds.map { .milliseconds($0) } ?? limits.timeout, limits.timeout)
    let deadline = loop.now + timeout
    let timer = loop.schedule(at: deadline) { interruption.interrupt(.timedOut) }
    defer { loop.cancel(timer) }
    var job = Job(
      plan: plan, key: key, rowFormat: request.rowFormat, alias: request.database,
      database: database.pool, deadline: deadline, timeout: timeout,
      maxAttempts: min(request.maxAttempts ?? limits.attempts, limits.maximumAttempts),
      interruption: interruption, limits: limits, stream: stream, buffer: buffer)
    do throws(ServiceError) {
      while true {
        if let body = try await attemptUnlessDown(&job) {
          let outcome: Outcome = job.plan.isDryRun ? .rolledBack : .committed
          database.metrics.ended(outcome, nil, job.timing, attempts: job.attempts)
          if job.isSlow { slow = SlowTransaction(job, outcome: outcome, error: nil) }
          return TransactionAnswer(
            body: body, outcome: outcome, timing: job.timing, isReplay: job.isReplay)
        }
        if job.shouldEndApart {
          job.plan = TransactionPlan(request, endsApart: true)
          job.ownAttempts += 1
        } else {
          await pause(before: job.attempts + 1)
        }
      }
    } catch {
      let outcome = error.problem.outcome
      database.metrics.ended(outcome, error, job.timing, attempts: job.attempts)
      if job.isSlow { slow = SlowTransaction(job, outcome: outcome, error: error) }
      throw error
    }
  }

  /// The same; but after a connection was lost at COMMIT, an error that does not tell what became of that is no answer.
  private nonisolated func attemptUnlessDown(
    _ job: inout Job
  ) async throws(ServiceError) -> [UInt8]? {
    do {
      return try await attempt(&job)
    } catch {
      if case .idempotencyKeyReused = error, !job.isInDoubt { throw error }
      guard job.isInDoubt || job.isKeyTaken else { throw error }
      guard case .databaseUnavailable = error, job.interruption.reason == nil else {
        throw .commitInDoubt(transactionID: nil, hasKey: true)
      }
      return nil
    }
  }

  /// Runs the transaction on a connection. Nil: it was rolled back and is to be run again.
  private nonisolated func attempt(_ job: inout Job) async throws(ServiceError) -> [UInt8]? {
    guard job.interruption.reason == nil else { throw timedOut(job) }
    let began = MonotonicInstant.now
    // By plain calls where nothing has to be waited for: see `HTTPConnection.serve`.
    var leased = began
    let lease: DatabasePool.Lease
    if let idle = job.database.leaseIdle() {
      lease = idle
    } else {
      lease = try await self.lease(&job)
      leased = .now
    }
    job.timing.queue += leased - began
    let connection = lease.connection
    var writer = onLoop { $0.idleWriters.popLast() } ?? ResultWriter()
    defer { onLoop { $0.keep(&writer) } }
    var run = begin(&job, on: connection, at: leased)
    var ending = await run.attempt(&writer, into: job.takeBuffer(), on: connection)
    end(&job, run, ending)
    if hasStaleStatement(ending, job) {
      job.hasRenewedStatements = true
      job.ownAttempts += 1
      await connection.forgetStatements()
      // On the same connection: the next one's statements may be out of date, too.
      job.buffer = writer.discard()
      run = begin(&job, on: connection, at: leased)
      ending = await run.attempt(&writer, into: job.takeBuffer(), on: connection)
      end(&job, run, ending)
    }
    job.endedAt = .now
    job.timing.execute += job.endedAt - leased
    if !lease.releaseAtOnce() { await lease.release() }

    if case .inDoubt(let id?) = ending {
      ending = await resolve(id, job, since: began)
    }

    switch ending {
    case .finished(.committed), .finished(.dryRunRolledBack):
      guard !run.isIncomplete else {
        _ = writer.discard()
        throw incomplete(ending, job, differing: run.differingBatch)
      }
      if job.plan.emits, ending.isCommitted { outbox?.committed() }
      let isStored = ending.isCommitted && job.plan.mayStore
      let limit = isStored ? TransactionRun.lateLimit(of: job.limits.response) : job.limits.response
      guard writer.finishedByteCount <= limit else {
        _ = writer.discard()
        // What only reads, as far as its words tell, may write all the same: a view can call a function that does.
        throw tooLarge(at: nil, job, isCommitted: ending.isCommitted && !job.plan.isReadOnly)
      }
      return run.finishStreaming(&writer) ?? writer.finish()
    case .finished where job.shouldEndApart, .lost where job.shouldEndApart:
      job.buffer = writer.discard()
      return nil
    case .finished(let outcome) where shouldReplay(outcome, job):
      job.buffer = writer.discard()
      return nil
    case .finished(.rolledBack(let failure)) where failure.isUsedKey:
      job.isKeyTaken = true
      job.buffer = writer.discard()
      return try await keptAnswer(&job)
    case .inDoubt where job.plan.isIdempotent:
      job.isInDoubt = true
      job.buffer = writer.discard()
      return nil
    case .finished, .lost, .inDoubt, .notBegun:
      _ = writer.discard()
      throw error(for: ending, job)
    }
  }

  /// Takes a writer back, and leaves an empty one in its place.
  private func keep(_ writer: inout ResultWriter) {
    guard idleWriters.count < Self.keptWriters else { return }
    idleWriters.append(exchange(&writer, with: ResultWriter()))
  }

  private nonisolated func begin(
    _ job: inout Job, on connection: PostgresConnection, at now: MonotonicInstant
  ) -> TransactionRun {
    job.attempts += 1
    job.interruption.attach(connection)
    return TransactionRun(
      plan: job.plan, number: job.attempts,
      types: onLoop { $0.types[job.alias] } ?? .none, rowFormat: job.rowFormat,
      responseLimit: job.limits.response, interruption: job.interruption,
      replaysConflicts: job.mayReplay, renewsStatements: !job.hasRenewedStatements,
      times: AnswerTimes(from: now, shortest: job.limits.shortestStep),
      streamed: job.stream.map {
        [
          StreamedAnswer(
            to: $0, of: job.plan, rows: job.rowFormat == .objects ? .objects : .arrays,
            limit: job.limits.response, queued: job.timing.queue)
        ]
      } ?? [])
  }

  private nonisolated func end(
    _ job: inout Job, _ run: borrowing TransactionRun, _ ending: TransactionRun.Ending
  ) {
    job.interruption.attach(nil)
    job.receivedTooMuch = run.receivedTooMuch
    job.overflowing = run.overflowing.flatMap { job.plan.pointer(of: .statement($0)) }
    job.hasBegunStream = run.hasBegunStream
    // Who has the key knows that no other attempt has stored anything.
    if run.hasClaimed { (job.isInDoubt, job.isKeyTaken) = (false, false) }
    if case .finished(.rolledBack(let failure)) = ending, failure.hasWaitedForKey {
      job.isKeyTaken = true
    }
    job.timing.encode += run.encoding
    job.times = run.times
    if case .notBegun = ending { job.attempts -= 1 }
    if let types = run.learnedTypes {
      onLoop { [alias = job.alias] in $0.types[alias] = types }
    }
  }

  private nonisolated func lease(
    _ job: inout Job
  ) async throws(ServiceError) -> DatabasePool.Lease {
    let began = loop.now
    do {
      return try await job.database.lease(until: job.deadline, isCancellable: false)
    } catch {
      job.timing.queue += loop.now - began
      if job.interruption.reason == .timedOut || loop.now >= job.deadline { throw timedOut(job) }
      let alias = job.alias
      switch error {
      case .poolExhausted:
        throw .poolTimedOut(
          database: alias, milliseconds: job.database.waitLimit.milliseconds)
      case .unreachable(let detail): throw .databaseUnavailable(database: alias, detail: detail)
      case .shuttingDown, .cancelled: throw .draining
      }
    }
  }

  /// The answer that was kept under the key. Nil: the key is free again.
  private nonisolated func keptAnswer(_ job: inout Job) async throws(ServiceError) -> [UInt8]? {
    guard let key = job.key else { return nil }
    switch await KeptAnswer(in: job.database).find(key, by: job.deadline) {
    case .answer(let body):
      job.isReplay = !job.isInDoubt
      return job.takeBuffer() + body
    case .reused: throw .idempotencyKeyReused
    case .gone: return nil
    case .refused(let error): throw .statementFailed(pointer: nil, error)
    }
  }

  /// Finds out what became of a transaction whose connection was lost at its end. That may take longer than the request
  /// has time: a late answer is worth more than none.
  private nonisolated func resolve(
    _ id: UInt64, _ job: Job, since begin: MonotonicInstant
  ) async -> TransactionRun.Ending {
    switch await CommitResolver(job.database, loop).fate(of: id, since: begin) {
    case .committed: .finished(.committed)
    case .aborted: .lost(.lost("it was lost at COMMIT, which was not carried out"), nil)
    case nil: .inDoubt(transactionID: id)
    }
  }

  nonisolated func timedOut(_ job: Job) -> ServiceError {
    .timedOut(pointer: nil, milliseconds: job.timeout.milliseconds, started: job.attempts > 0)
  }

  // MARK: Replays

  private nonisolated func shouldReplay(_ outcome: PlanStateMachine.Outcome, _ job: Job) -> Bool {
    switch outcome {
    case .rolledBack(let failure): job.mayReplay && failure.error?.isConflict == true
    case .commitRefused(let error): job.mayReplay && error.isConflict
    case .committed, .dryRunRolledBack, .rolledBackSilently: false
    }
  }

  /// Whether the statements are to be prepared anew, and everything is to be run again.
  private nonisolated func hasStaleStatement(_ ending: TransactionRun.Ending, _ job: Job) -> Bool {
    guard case .finished(.rolledBack(let failure)) = ending else { return false }
    return failure.error?.isStaleStatement == true && !job.hasRenewedStatements
      && job.interruption.reason == nil && !job.hasBegunStream
  }

  /// Lets the other transaction of a conflict go first: some milliseconds, more each time, with jitter.
  private nonisolated func pause(before attempt: Int) async {
    let limit = min(4 << min(attempt, 6), 100)
    let delay = Duration.microseconds(Int.random(in: 0...(limit * 1000)))
    await withCheckedContinuation { continuation in
      _ = loop.schedule(at: loop.now + delay) { continuation.resume() }
    }
  }
}

extension PlanStateMachine.Failure {
  /// Whether the Idempotency-Key has been used.
  fileprivate var isUsedKey: Bool { step == .claim && error?.sqlState == .uniqueViolation }

  /// Whether it was ended while it waited for another request with the Idempotency-Key.
  fileprivate var hasWaitedForKey: Bool {
    guard step == .claim, let state = error?.sqlState else { return false }
    // By a limit of the request, or one that the database has for locks.
    return state == .queryCanceled || state == "55P03"
  }
}
