internal import FoundationEssentials
internal import Logging
internal import TransomEventLoop
internal import TransomPostgres
internal import TransomWebhooks

/// Delivers what is in the outbox: claims, sends, records.
///
/// Any number of dispatchers share the work. One that dies leaves leases behind, which end; then others take over, and
/// a receiver may get such a message twice.
///
/// It makes deliveries of new events as soon as some are committed, and beside that it takes turns with what is due. Each
/// turn is one round trip to the database: it records what has ended, and claims what there is room for. Where it
/// takes long to find what others than the prompt webhooks have, that is done beside the turns.
actor Dispatcher: EventLoopActor {
  nonisolated let loop: EventLoop
  nonisolated var unownedExecutor: UnownedSerialExecutor { loop.executor }

  private let outbox: Outbox
  /// Where transactions of the same database get their connections, on this loop: it stands for the others, as clients are
  /// spread evenly.
  private let transactions: LoopPool?
  private let configuration: WebhookConfiguration
  private let logger: Logger
  /// A turn has something to do.
  private let signal: LoopSignal
  /// There are new events.
  private let news: LoopSignal
  /// Ends the rest between two turns.
  private let rested: LoopSignal
  /// Ends the pause between two fan-outs: only `stop` does so.
  private let paused: LoopSignal
  /// Whether the rest ends when half of what is on its way has ended.
  private var isResting = false
  private let metrics = DeliveryMetrics()
  /// Who claims: different for each process.
  private let owner = Int.random(in: 1...Int.max)
  private var lanes: DeliveryLanes
  private var records: [AttemptRecord] = []
  private var isStopping = false
  /// Whether the database could not be worked on in the last turn.
  private var isFailing = false
  private var stopped: [CheckedContinuation<Void, Never>] = []
  private var hasEnded = false
  /// Whether the last claim found as much as it was allowed to, so that there may be more.
  private var mayHaveMore = false
  /// When all webhooks are looked at again. That takes the longer the more of them have something pending, such as those
  /// that hang; it gets a tenth of the time, and what is due to the prompt ones is claimed meanwhile.
  private var nextLook: MonotonicInstant
  private var lastLook = Duration.zero
  /// Whether there may be what only a look finds.
  private var needsLook = false
  /// Whether all webhooks are being looked at, beside the turns.
  private var isLookingBeside = false
  private var look: Task<Void, Never>?
  private var nextSweep: MonotonicInstant
  /// The event that the sweep under way has come to.
  private var sweptTo: Int?
  private var nextPoll: MonotonicInstant
  private var nextCount: MonotonicInstant
  private var client: WebhookClient?

  private static let sweepInterval = Duration.seconds(60)
  /// How often the backlog is counted, which takes the longer the larger it is.
  private static let countInterval = Duration.seconds(10)
  /// How long the end of what is on its way may take to be recorded when it stops.
  private static let recordingLimit = Duration.seconds(2)
  /// How much longer than an attempt may take a claim holds.
  private static let leaseMargin = Duration.seconds(10)
  /// Of more prompt webhooks than that, to look at all webhooks costs no more than to look at each of them.
  private static let promptLimit = 500
  /// A turn that takes longer is followed by a pause.
  private static let shortTurn = Duration.milliseconds(2)
  private static let longestRest = Duration.milliseconds(10)
  /// What is done while transactions wait for connections is left alone for so many times as long as it took: turns and new
  /// events get a twentieth of the time each.
  private static let restFactorBesideTransactions = 19
  private static let longestRestBesideTransactions = Duration.milliseconds(100)
  /// A look that takes longer is made beside the turns.
  private static let shortLook = Duration.milliseconds(3)

  /// On the loop only.
  init(
    of outbox: Outbox, beside transactions: LoopPool?, on loop: EventLoop,
    _ configuration: WebhookConfiguration, logger: Logger
  ) {
    self.outbox = outbox
    self.transactions = transactions
    self.loop = loop
    self.configuration = configuration
    self.logger = logger
    signal = LoopSignal(on: loop)
    news = LoopSignal(on: loop)
    rested = LoopSignal(on: loop)
    paused = LoopSignal(on: loop)
    lanes = DeliveryLanes(
      maximum: configuration.concurrency, forEach: configuration.concurrencyForEach)
    nextSweep = .now + Self.sweepInterval
    nextPoll = .now
    nextLook = .now
    nextCount = .now
  }

  /// Delivers until `stop`, then finishes what is on its way; nothing more if its task is cancelled by then.
  func run() async {
    if let client = makeClient() { await deliver(with: client) }
    hasEnded = true
    resumeStopped()
  }

  private func makeClient() -> WebhookClient? {
    do {
      let policy = AddressPolicy(allowedNetworks: configuration.allowedNetworks)
      client = try WebhookClient(on: loop, policy, authorityFile: configuration.authorityFile)
    } catch {
      logger.error("webhooks cannot be delivered", metadata: ["reason": "\(error)"])
    }
    return client
  }

  private func deliver(with client: WebhookClient) async {
    let news = news
    outbox.onCommit { news.set() }
    // Each attempt has an end, its timeout or `close`, and all of them are waited for.
    let transfers = Task(executorPreference: loop) { await client.run() }
    // On a connection of its own: to count a long backlog takes a while, in which others are delivered.
    let house = Task(executorPreference: loop) { await self.keepHouse() }
    let fanOut = Task(executorPreference: loop) { await self.fanOut() }
    await withTaskCancellationHandler {
      await work(with: client)
    } onCancel: {
      // All at once: a server that hangs is given a while by each of them.
      for task in [house, fanOut] { task.cancel() }
      loop.execute { [weak self] in self?.onLoop { $0.giveUp() } }
    }
    outbox.onCommit(nil)
    for task in [house, fanOut] { task.cancel() }
    for task in [house, fanOut] { await task.value }
    client.close()
    await transfers.value
  }

  private func work(with client: WebhookClient) async {
    while !isStopping || isLookingBeside || lanes.count > 0 || !records.isEmpty {
      let begin = MonotonicInstant.now
      await turn(client)
      await rest(since: begin)
      if !mayHaveMore, records.isEmpty || isFailing {
        // What only a look at all webhooks finds must not wait for the next commit.
        let untilLook =
          needsLook && !isLookingBeside
          ? max(.milliseconds(1), nextLook - loop.now) : configuration.pollInterval
        let longest = Task.isCancelled ? .milliseconds(10) : configuration.pollInterval
        await signal.wait(for: min(untilLook, longest))
      }
    }
  }

  /// Claims nothing more, gives what is on its way a while, and hands the rest back. Returns when all is recorded, or cannot be:
  /// what a database that hangs is not told is sent again when its lease is over.
  func stop(within limit: Duration) async {
    beginStopping()
    guard !hasEnded else { return }
    let end = loop.schedule(at: loop.now + limit) { [weak self] in
      self?.onLoop { $0.client?.close() }
    }
    let lastEnd = loop.schedule(at: loop.now + limit + Self.recordingLimit) { [weak self] in
      self?.onLoop { $0.resumeStopped() }
    }
    await withCheckedContinuation { waiter in
      // Looked at once more, because the caller may be suspended before.
      guard !hasEnded else { return waiter.resume() }
      stopped.append(waiter)
    }
    for timer in [end, lastEnd] { loop.cancel(timer) }
  }

  private func beginStopping() {
    isStopping = true
    for signal in [signal, news, rested, paused] { signal.set() }
  }

  private func giveUp() {
    beginStopping()
    look?.cancel()
  }

  private func resumeStopped() {
    for waiter in Swift.exchange(&stopped, with: []) { waiter.resume() }
  }

  // MARK: New events

  /// Makes deliveries of new events until `stop`.
  ///
  /// The more often that is done, the more it costs for each event. So it is left alone for as long as it took, or longer
  /// beside transactions that wait: what is emitted meanwhile is done at once then.
  private func fanOut() async {
    var fitting = Outbox.fanOutLimit.events
    while !isStopping {
      let limit =
        transactionsWait ? min(fitting, Outbox.fanOutLimit.besideTransactions) : fitting
      let begin = MonotonicInstant.now
      var mayHaveMore = false
      do {
        let made = try await outbox.fanOut(limit)
        if made.deliveries > 0 { signal.set() }
        if made.dropped > 0 {
          logger.error(
            "events are dropped, because the address they are for is too long",
            metadata: ["events": "\(made.dropped)"])
        }
        mayHaveMore = made.events == limit
        fitting = Self.fittingLimit(after: made)
      } catch {
        report(error)
      }
      let took = MonotonicInstant.now - begin
      await paused.wait(
        for: transactionsWait
          ? Self.restBesideTransactions(after: took) : min(took, configuration.pollInterval))
      if !mayHaveMore { await news.wait(for: configuration.pollInterval) }
    }
  }

  /// How many new events are taken next, so that there are not too many deliveries of them at a time.
  private static func fittingLimit(
    after made: (events: Int, deliveries: Int, dropped: Int)
  ) -> Int {
    let limit = Outbox.fanOutLimit
    guard made.deliveries > 0 else { return limit.events }
    return max(1, min(limit.events, limit.deliveries * made.events / made.deliveries))
  }

  // MARK: A turn

  /// Each turn costs transactions some of the machine. While they wait for connections, deliveries get a small part of it,
  /// in fewer turns with more in each. And a turn that takes long shows that the machine has more to do than it can: then the
  /// next one waits for a while, until half of what is on its way to prompt webhooks has ended.
  private func rest(since begin: MonotonicInstant) async {
    let took = MonotonicInstant.now - begin
    guard !isStopping else { return }
    if transactionsWait {
      return await rested.wait(for: Self.restBesideTransactions(after: took))
    }
    guard took > Self.shortTurn, !hasHalfEnded else { return }
    isResting = true
    await rested.wait(for: min(took * 2, Self.longestRest))
    isResting = false
  }

  private var hasHalfEnded: Bool { records.count * 2 >= lanes.promptCount }

  private static func restBesideTransactions(after took: Duration) -> Duration {
    min(took * restFactorBesideTransactions, longestRestBesideTransactions)
  }

  /// Whether the machine, or at least the database, has more transactions to do than it can: they come first.
  private var transactionsWait: Bool { transactions?.hasWaiters == true }

  /// Records what has ended, and begins with what it has claimed.
  private func turn(_ client: WebhookClient) async {
    let ended = records
    records = []
    mayHaveMore = false
    do {
      begin(try await exchange(ended, client), client)
      isFailing = false
    } catch {
      // Nothing is lost: what was not recorded is recorded later, or sent again when its lease is over.
      records = ended + records
      // A database that is not in UTF-8 may not hold what a receiver has said.
      if (error as? PostgresError)?.kind == .data { records = records.map(\.inASCII) }
      report(error)
      // A change of webhooks at the same time is over soon.
      let isPassing = [.deadlock, .serialization].contains((error as? PostgresError)?.kind)
      if isStopping, lanes.count == 0, !isPassing || Task.isCancelled { records = [] }
      isFailing = true
    }
  }

  /// One round trip: records, and claims what there is room for.
  private func exchange(
    _ ended: [AttemptRecord], _ client: WebhookClient
  ) async throws -> [Delivery] {
    var statements: [Statement] = []
    if !ended.isEmpty {
      statements = Outbox.record(ended, owner: owner, disableAfter: configuration.disableAfter)
    }
    lanes.advance(to: loop.now)
    let room = isStopping ? DeliveryLanes.Room() : lanes.room(at: loop.now)
    let looks = looks(room, client)
    if !room.isEmpty {
      let claim = looks ? Outbox.claim : Outbox.claimOfPrompt
      statements.append(claim(room, owner, lease))
    }
    guard !statements.isEmpty else { return [] }
    let begin = MonotonicInstant.now
    let results = try await outbox.database.pipeline(statements)
    guard !room.isEmpty, let last = results.last else { return [] }
    if looks { looked(since: begin) }
    let claimed = try Outbox.deliveries(last)
    let prompt = claimed.count { lanes.isPrompt($0.id.webhook) }
    mayHaveMore =
      prompt > 0 && prompt >= room.prompt
      || prompt < claimed.count && claimed.count - prompt >= room.doubtful
    return claimed
  }

  private var lease: Duration { configuration.timeout + Self.leaseMargin }

  private func begin(_ claimed: [Delivery], _ client: WebhookClient) {
    for delivery in claimed {
      let place = lanes.began(
        delivery.id.webhook, isFailing: delivery.webhookIsFailing, at: loop.now)
      Task(executorPreference: loop) { await self.attempt(delivery, place, client) }
    }
  }

  private func report(_ error: any Error) {
    logger.warning("the outbox cannot be worked on", metadata: ["reason": "\(error)"])
  }

  // MARK: Looks

  /// Whether this turn looks at all webhooks; begins to do so beside it if that is due and takes long.
  private func looks(_ room: DeliveryLanes.Room, _ client: WebhookClient) -> Bool {
    let isDue = MonotonicInstant.now >= nextLook && !isLookingBeside
    let looks =
      isDue && lastLook <= Self.shortLook
      || room.known.count { $0.isPrompt } > Self.promptLimit
    needsLook = !looks && !isDue
    if isDue, !looks, !room.isEmpty {
      isLookingBeside = true
      look = Task(executorPreference: loop) { await self.lookBeside(client) }
    }
    return looks
  }

  /// Claims what others than the prompt webhooks have.
  private func lookBeside(_ client: WebhookClient) async {
    var room = lanes.room(at: loop.now)
    room.prompt = 0
    lanes.reserved = room.doubtful
    let begin = MonotonicInstant.now
    do {
      let result = try await outbox.database.query(Outbox.claim(room, owner: owner, lease: lease))
      self.begin(try Outbox.deliveries(result), client)
    } catch {
      report(error)
    }
    lanes.reserved = 0
    looked(since: begin)
    isLookingBeside = false
    if needsLook || isStopping { signal.set() }
  }

  private func looked(since begin: MonotonicInstant) {
    let end = MonotonicInstant.now
    lastLook = end - begin
    nextLook = end + min(lastLook * 9, configuration.pollInterval)
  }

  /// What is to be done now and then.
  private func keepHouse() async {
    while !Task.isCancelled {
      do {
        try await lookAround()
      } catch {
        logger.debug("the outbox cannot be looked at", metadata: ["reason": "\(error)"])
      }
      try? await Task.sleep(for: configuration.pollInterval)
    }
  }

  private func lookAround() async throws {
    let now = loop.now
    if now >= nextPoll {
      nextPoll = now + configuration.pollInterval
      try await outbox.refresh()
    }
    if now >= nextCount {
      nextCount = now + Self.countInterval
      let backlog = try await outbox.countBacklog()
      metrics.backlog(backlog.count, age: backlog.age)
    }
    if now >= nextSweep {
      sweptTo = try await outbox.sweep(olderThan: configuration.retention, behind: sweptTo ?? 0)
      nextSweep = loop.now + (sweptTo == nil ? Self.sweepInterval : configuration.pollInterval)
    }
  }

  // MARK: An attempt

  private func attempt(
    _ delivery: Delivery, _ place: DeliveryLanes.Place, _ client: WebhookClient
  ) async {
    let answer =
      switch delivery.request(configuration) {
      case .success(let request): await client.send(request)
      case .failure(let error): WebhookAnswer(failure: error.description)
      }
    ended(delivery, place, answer)
  }

  private func ended(
    _ delivery: Delivery, _ place: DeliveryLanes.Place, _ answer: WebhookAnswer
  ) {
    var record = AttemptRecord(id: delivery.id, verdict: nil, attempt: answer.json)
    let wasCutOff = isStopping && answer.status == nil && client?.isClosed == true
    if !wasCutOff {
      let now = Int(Date().timeIntervalSince1970)
      record.verdict = AttemptVerdict(
        status: answer.status,
        retryAfter: answer.retryAfter.flatMap { RetryAfter.parse($0, now: now) },
        failures: delivery.failures, schedule: configuration.schedule,
        jitter: .random(in: 0...1))
    }
    lanes.ended(
      place, succeeded: wasCutOff ? nil : record.verdict == .delivered, at: loop.now)
    metrics.attempt(record.verdict, answer.duration)
    records.append(record)
    if isResting, hasHalfEnded { rested.set() }
    signal.set()
  }
}
