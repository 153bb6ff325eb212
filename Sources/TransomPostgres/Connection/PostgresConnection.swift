package import TransomEventLoop

/// One connection to a PostgreSQL server, always in pipeline mode, living on one event loop.
///
/// Commands are enqueued, then a sync; `next` hands out what became of each, in order. Nothing is sent before a
/// sync but what does not fit libpq's buffer, so that a whole transaction goes out in one write.
package actor PostgresConnection {
  package nonisolated let loop: EventLoop
  package nonisolated var unownedExecutor: UnownedSerialExecutor { loop.executor }

  /// The server process, as `pg_stat_activity` names it.
  package nonisolated let processID: Int32
  package nonisolated let openedAt: ContinuousClock.Instant

  private let handle: PGConnectionHandle
  private let watch: DescriptorWatch
  private let preparesStatements: Bool
  private var pipeline = PipelineStateMachine()
  private var statements: StatementCache
  /// The last read may have left something in the socket: what the kernel reported is used up.
  private var mayHaveMore = false
  private var hasUnsent = false
  /// Whether the answer to what was sent last has begun to come.
  private var hasRead = false
  private var isClosed = false
  private var failure: ConnectionError?
  /// How many bytes more may be received in this transaction.
  private var receiveBudget = Int.max
  /// Whether more came than that: then what runs was cancelled.
  package private(set) var receivedTooMuch = false
  private var wasCancelled = false

  private init(
    _ handle: PGConnectionHandle, _ watch: DescriptorWatch,
    _ configuration: ConnectionConfiguration
  ) {
    loop = watch.loop
    self.handle = handle
    self.watch = watch
    processID = handle.processID
    openedAt = .now
    preparesStatements = configuration.preparesStatements
    statements = StatementCache(capacity: configuration.preparedStatementLimit)
  }

  /// Connects, off the loop, and settles on it.
  package static func connect(
    _ configuration: ConnectionConfiguration, on loop: EventLoop
  ) async throws -> PostgresConnection {
    let handle = try await offLoop {
      Result { () throws(ConnectError) in try configuration.connect() }
    }.get()
    let watch = try await loop.run { () throws(SystemError) in
      try DescriptorWatch(handle.socket, on: loop)
    }
    return PostgresConnection(handle, watch, configuration)
  }

  // MARK: State

  /// Whether the connection can take another transaction: all answered, none open, nothing broken, and the
  /// client's encoding still ours.
  package var isReusable: Bool {
    handle.isUTF8 && failure == nil && !isClosed && !wasCancelled && pipeline.isIdle
      && handle.isIdle
      && !handle.isBroken
  }

  /// Whether an idle connection is as we left it: a server that goes away sends its reason or an end of stream.
  package var isQuiet: Bool { !isClosed && watch.isQuiet }

  /// Whether every text comes as well-formed UTF-8: the database has an encoding, and nobody has changed ours.
  package var sendsCheckedTexts: Bool { handle.hasEncoding && handle.isUTF8 }

  /// Calls `handler` on the loop when the server ends the connection while nobody uses it.
  package func onServerGone(_ handler: (@Sendable () -> Void)?) { watch.onHangUp(handler) }

  /// Closes the connection; the server rolls back what is open. Does nothing the second time.
  package func close() {
    guard !isClosed else { return }
    isClosed = true
    failure = failure ?? .closed
    watch.close()
    handle.finish()
  }

  // MARK: Sending

  /// Allows `bytes` to be received until the next call: what protects memory from a giant result.
  ///
  /// When more come, what runs is cancelled. What was on its way is still taken, as the server's answer to the
  /// cancellation stands behind it; should far more come, the connection fails.
  package func limitReceiving(to bytes: Int) {
    receiveBudget = bytes
    receivedTooMuch = false
  }

  /// More than the buffers of both kernels hold: what can be on its way when a statement is cancelled.
  private static let onItsWay = 32 << 20

  private func count(received bytes: Int) throws(ConnectionError) {
    guard receiveBudget != .max else { return }
    receiveBudget -= bytes
    guard receiveBudget < 0 else { return }
    guard !receivedTooMuch else { throw fail(.resultTooLarge) }
    receivedTooMuch = true
    receiveBudget = Self.onItsWay
    cancelRunning()
  }

  /// Adds a command to the pipeline. Its parameters are `parameters[range]`.
  package func enqueue(
    _ sql: String, _ parameters: ParameterList, _ range: Range<Int>
  ) throws(ConnectionError) {
    try checkUsable()
    guard preparesStatements else {
      try check(handle.sendUnnamed(sql, parameters, range))
      pipeline.executeSent()
      return
    }
    let name: StatementCache.Name
    switch statements.lookUp(sql) {
    case .known(let known):
      name = known
    case .unknown(let new, let statement):
      try check(handle.sendPrepare(new, sql))
      pipeline.prepareSent(statement: statement)
      name = new
    }
    try check(handle.sendPrepared(name, parameters, range))
    pipeline.executeSent()
  }

  /// Adds a command without parameters to the pipeline, never as a prepared statement.
  ///
  /// So are BEGIN, COMMIT, SAVEPOINT and their like to be sent: a prepared COMMIT could be run by a client's SQL
  /// (`EXECUTE`), in the middle of its transaction.
  package func enqueueUnnamed(_ sql: String) throws(ConnectionError) {
    try checkUsable()
    try check(handle.sendUnnamed(sql, Self.noParameters, 0..<0))
    pipeline.executeSent()
  }

  private static let noParameters = ParameterList()

  /// Ends the pipeline and sends it, as far as the socket takes it now; `next` sends the rest.
  package func sync() throws(ConnectionError) {
    try checkUsable()
    try check(handle.sendSync())
    pipeline.syncSent()
    hasUnsent = handle.flush() == .pending
    if hasUnsent { watch.didFill() }
    mayHaveMore = false
    hasRead = false
  }

  /// Frees what the server still holds of statements that are no longer used. To be called between
  /// transactions: adds commands and a sync of their own, whose results `next` hands out like others.
  ///
  /// A failure among them means nothing: a client's own SQL may have freed a statement before.
  ///
  /// - Returns: whether anything was added.
  package func enqueueDeallocations() throws(ConnectionError) -> Bool {
    let commands = statements.takeDeallocations()
    guard !commands.isEmpty else { return false }
    for command in commands { try enqueueUnnamed(command) }
    try check(handle.sendSync())
    pipeline.syncSent()
    return true
  }

  /// Forgets every prepared statement: the catalogue changed under one of them.
  package func forgetStatements() { statements.invalidate() }

  // MARK: Receiving

  /// What became of the next command; waits for it.
  package func next() async throws(ConnectionError) -> PipelineEvent {
    while true {
      try checkUsable()
      while handle.isBusy { try await receive() }
      guard let result = handle.nextResult() else {
        guard act(on: pipeline.received(.end)) else { throw fail(.outOfStep) }
        continue
      }
      if handle.isBroken, !result.isFromServer { throw fail(.lost(handle.message)) }
      switch pipeline.received(Self.kind(of: result.status)) {
      case .deliver: return .result(result)
      case .fail: return .failed(result.serverError)
      case .notPrepared(let statement, failed: true):
        statements.forget(statement)
        return .failed(result.serverError)
      case .skip: return .skipped
      case .synced: return .synced
      case let action: guard act(on: action) else { throw fail(.outOfStep) }
      }
    }
  }

  private static func kind(of status: PGResultHandle.Status) -> PipelineStateMachine.Received {
    switch status {
    case .emptyQuery, .commandOK, .tuples, .singleTuple: .success
    case .pipelineSync: .sync
    case .pipelineAborted: .aborted
    case .fatalError: .error
    // libpq cannot leave COPY in pipeline mode; `end` is out of step here, which closes the connection.
    case .copy, .unexpected: .end
    }
  }

  /// Returns false if the pipeline is out of step.
  private func act(on action: PipelineStateMachine.Action) -> Bool {
    switch action {
    case .prepared(let statement): statements.confirm(statement)
    case .notPrepared(let statement, _): statements.forget(statement)
    case .outOfStep: return false
    case .none, .deliver, .fail, .skip, .synced: break
    }
    return true
  }

  /// Reads what is there, or waits for it; sends what is left over meanwhile, so that neither side waits for
  /// the other with full buffers.
  private func receive() async throws(ConnectionError) {
    if hasUnsent {
      switch handle.flush() {
      case .done: hasUnsent = false
      case .pending: watch.didFill()
      case .failed: throw fail(.lost(handle.message))
      }
    }
    if watch.isReadable || (mayHaveMore && watch.readableBytes > 0) {
      watch.didDrain()
      // The first read of an answer is small beside any limit, and for most answers the only one.
      if hasRead { try count(received: watch.readableBytes) }
      hasRead = true
      // A TLS record of 16 KiB may be left inside TLS, where the kernel does not see it; libpq takes at least
      // 8 KiB at a time.
      for _ in 0..<(handle.usesTLS ? 3 : 1) {
        guard handle.consumeInput() else { throw fail(.lost(handle.message)) }
      }
      mayHaveMore = true
      return
    }
    mayHaveMore = false
    let wake =
      hasUnsent
      ? await watch.readableOrWritable(isShielded: true) : await watch.readable(isShielded: true)
    if wake == .closed { throw fail(.closed) }
  }

  // MARK: Cancelling

  /// Asks the server to cancel what runs on this connection. The answer comes through `next`, like any error.
  ///
  /// The request may still reach the server after the statement that it was meant for, so the connection is
  /// not reusable afterwards; or before it, which does nothing, so it may be repeated.
  package func cancelRunning() {
    guard !isClosed, let cancel = handle.cancelHandle() else { return }
    wasCancelled = true
    cancelOffLoop(cancel)
  }

  // MARK: Checks

  private func checkUsable() throws(ConnectionError) {
    if let failure { throw failure }
  }

  private func check(_ sent: Bool) throws(ConnectionError) {
    guard sent else { throw fail(.lost(handle.message)) }
  }

  private func fail(_ error: ConnectionError) -> ConnectionError {
    failure = failure ?? error
    // libpq may have closed the socket already: its number may soon be another's, whose registration
    // must not be taken for this one.
    watch.close()
    return error
  }

  /// Writes every message to a file, as libpq's `PQtrace` does: to count round trips in tests.
  package func trace(to path: String) { handle.trace(to: path) }
}
