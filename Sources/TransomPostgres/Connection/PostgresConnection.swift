package import TransomEventLoop

/// One connection to a PostgreSQL server, always in pipeline mode, living on one event loop.
///
/// Commands are enqueued, then a sync; `next` hands out what became of each, in order. Nothing is sent before a
/// sync but what does not fit libpq's buffer, so that a whole transaction goes out in one write.
package actor PostgresConnection: EventLoopActor {
  package nonisolated let loop: EventLoop
  package nonisolated var unownedExecutor: UnownedSerialExecutor { loop.executor }

  /// The server process, as `pg_stat_activity` names it.
  package nonisolated let processID: Int32
  package nonisolated let openedAt: MonotonicInstant

  let handle: PGConnectionHandle
  /// A descriptor of our own for libpq's socket. libpq closes its own as soon as it finds the connection broken,
  /// and then its number may be another socket's, which the watch must not touch.
  private var descriptor: FileDescriptor?
  nonisolated let watch: DescriptorWatch
  private let isEncrypted: Bool
  let preparesStatements: Bool
  var pipeline = PipelineStateMachine()
  var statements: StatementCache
  /// The last read may have left something in the socket: what the kernel reported is used up.
  private var mayHaveMore = false
  /// The last read may have left something inside TLS, where the kernel does not see it.
  private var mayHoldDecrypted = false
  private var hasUnsent = false
  private var hasReadSinceSync = false
  private var isClosed = false
  private var failure: ConnectionError?
  /// How many bytes more may be received in this transaction.
  private var receiveBudget = Int.max
  /// What had been taken from the socket when that was counted last; nil: not yet.
  private var takenBytes: Int?
  /// Whether more came than that: then what runs was cancelled.
  package private(set) var receivedTooMuch = false
  private var wasCancelled = false

  private init(
    _ handle: PGConnectionHandle, _ configuration: ConnectionConfiguration, on loop: EventLoop
  ) throws(SystemError) {
    self.loop = loop
    self.handle = handle
    let descriptor = try FileDescriptor(duplicating: handle.socket)
    watch = try DescriptorWatch(descriptor.rawValue, on: loop)
    self.descriptor = consume descriptor
    processID = handle.processID
    openedAt = loop.now
    checkAgainAt = loop.now
    isEncrypted = handle.isEncrypted
    preparesStatements = configuration.preparesStatements
    statements = StatementCache(capacity: configuration.preparedStatementLimit)
  }

  /// Connects, off the loop, and settles on it.
  ///
  /// - Throws: `ConnectError`, or `SystemError` if we have no descriptors left.
  package static func connect(
    _ configuration: ConnectionConfiguration, on loop: EventLoop
  ) async throws -> PostgresConnection {
    let handle = try await offLoop {
      Result { () throws(ConnectError) in try configuration.connect() }
    }.get()
    return try await loop.run { () throws(SystemError) in
      try PostgresConnection(handle, configuration, on: loop)
    }
  }

  // MARK: State

  /// Whether the connection can take another transaction: all answered, none open, nothing broken, the server
  /// still there, and the client's encoding still ours.
  package var isReusable: Bool {
    failure == nil && !wasCancelled && pipeline.isIdle && handle.isIdle && !handle.isBroken
      && !watch.hasHungUp && handle.isUTF8
  }

  /// Whether the session may hold what the last user left: see `cleanUp`.
  package var isSoiled: Bool { statements.hasFootprint }

  /// Gives back what the last user may have left in the session: settings, roles, temporary tables, locks, cursors,
  /// channels. False: that did not succeed, and the connection is not to be used again.
  ///
  /// To be called between transactions, when nobody waits: it is a round trip.
  package func cleanUp() async -> Bool {
    do {
      for command in statements.takeFootprint().cleanUp { try enqueueUnnamed(command) }
      try sync()
      var succeeded = true
      while true {
        switch try await next(isShielded: true) {
        case .result: continue
        case .failed: succeeded = false
        case .skipped: continue
        case .synced: return succeeded && isReusable
        }
      }
    } catch {
      return false
    }
  }

  /// Whether an idle connection is as we left it: a server that goes away sends its reason or an end of stream.
  ///
  /// Right after an answer that needs no look at the socket.
  package var isQuiet: Bool {
    !isClosed && !watch.hasHungUp && (loop.now < checkAgainAt || watch.isQuiet)
  }

  /// How long a connection that has answered is taken for alive.
  private static let trust = Duration.milliseconds(1)
  private var checkAgainAt: MonotonicInstant

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
    descriptor = nil
  }

  // MARK: Sending

  /// Allows `bytes` to be received until the next call: what protects memory from a giant result.
  ///
  /// When more come, what runs is cancelled. What was on its way is still taken, as the server's answer to the
  /// cancellation stands behind it; should far more come, the connection fails. A single row may be read to its end
  /// before that is seen: libpq reads on as long as there is more.
  package func limitReceiving(to bytes: Int) {
    receiveBudget = bytes
    takenBytes = nil
    receivedTooMuch = false
  }

  /// More than the buffers of both kernels hold: what can be on its way when a statement is cancelled.
  private static let onItsWay = 32 << 20
  /// libpq asks for that much at least when it reads.
  private static let leastRead = 8192

  /// Takes what libpq has read off the budget; `waiting` bytes were there before.
  ///
  /// How much it took, TCP tells, and nobody else. There it is counted what it took for certain, so that nothing below
  /// the limit is refused; the rest is what came while it read.
  private func count(readOf waiting: Int) throws(ConnectionError) {
    guard receiveBudget != .max else { return }
    let certain = isEncrypted ? 0 : min(waiting, Self.leastRead)
    if let taken = watch.takenBytes {
      receiveBudget -= takenBytes.map { taken - $0 } ?? certain
      takenBytes = taken
    } else {
      receiveBudget -= waiting == certain ? certain : max(certain, waiting - watch.readableBytes)
    }
    guard receiveBudget < 0 else { return }
    guard !receivedTooMuch else { throw fail(.resultTooLarge) }
    receivedTooMuch = true
    receiveBudget = Self.onItsWay
    cancelRunning()
  }

  /// Adds a command to the pipeline. Its parameters are `parameters[range]`.
  ///
  /// If `byRow`, each row comes as a result of its own, before the one that ends the command.
  package func enqueue(
    _ sql: String, _ parameters: ParameterList, _ range: Range<Int>, byRow: Bool = false,
    isPrepared: Bool = true
  ) throws(ConnectionError) {
    try checkUsable()
    guard preparesStatements, isPrepared else {
      statements.noteUnprepared(sql)
      try check(handle.sendUnnamed(sql, parameters, range))
      executeSent(byRow: byRow)
      return
    }
    let name: StatementName
    switch statements.lookUp(sql) {
    case .known(let known):
      name = known
    case .unknown(let new, let statement):
      try check(handle.sendPrepare(new, sql))
      pipeline.prepareSent(statement: statement)
      name = new
    }
    try check(handle.sendPrepared(name, parameters, range))
    executeSent(byRow: byRow)
  }

  private func executeSent(byRow: Bool) {
    if byRow { pipeline.executeByRowSent() } else { pipeline.executeSent() }
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

  /// Asks the server to send what it has got so far, before it does what is enqueued from now on.
  package func requestFlush() throws(ConnectionError) {
    try checkUsable()
    try check(handle.sendFlushRequest())
  }

  /// Ends the pipeline and sends it, as far as the socket takes it now; `next` sends the rest.
  package func sync() throws(ConnectionError) {
    try checkUsable()
    try check(handle.sendSync())
    pipeline.syncSent()
    hasReadSinceSync = false
    // Whatever else comes of it is told by `next`: what the server said before it went away comes first.
    hasUnsent = handle.flush() == .pending
    if hasUnsent { watch.didFill() }
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
    try sync()
    return true
  }

  /// Forgets every prepared statement: the catalogue changed under one of them.
  package func forgetStatements() { statements.invalidate() }

  // MARK: Receiving

  /// What became of the next command; waits for it.
  ///
  /// If the task is cancelled meanwhile, so is what runs on the server, and its answer is waited for; unless
  /// `isShielded`: then nothing happens, and the wait spares the cost of a cancellation handler.
  package func next(isShielded: Bool = false) async throws(ConnectionError) -> PipelineEvent {
    while true {
      if let event = try poll() { return event }
      // A cancelled task gets its answers as well: the server's, to the cancellation of what runs.
      let isCancelled = !isShielded && Task.isCancelled
      if isCancelled { cancelRunning() }
      try woke(await wait(for: awaited, isShielded: isShielded || isCancelled))
    }
  }

  /// What became of the next command, if that is known already.
  ///
  /// Nil: `wait(for: awaited)`, tell `woke(_:)`, and ask again. `next` is all that at once; but who lives on the same
  /// loop takes the answers by plain calls, and suspends only where there is something to wait for.
  package func poll() throws(ConnectionError) -> PipelineEvent? {
    while true {
      try checkUsable()
      if pipeline.beginsRows() { try check(handle.setSingleRowMode()) }
      while handle.isBusy { guard try receive() else { return nil } }
      guard let result = handle.nextResult() else {
        guard act(on: pipeline.received(.end)) else { throw fail(.outOfStep) }
        continue
      }
      if handle.isBroken, !result.isFromServer { throw fail(.lost(handle.message)) }
      switch pipeline.received(Self.kind(of: result.status)) {
      case .deliver: return .result(result)
      case .fail: return .failed(result.serverError)
      case .failSync:
        let error = result.serverError
        // A server that ends the connection here does not tell what became of the transaction.
        guard error.severity == "ERROR" else { throw fail(.lost(error.message)) }
        return .failed(error)
      case .notPrepared(let statement, failed: true):
        statements.forget(statement)
        return .failed(result.serverError)
      case .skip: return .skipped
      case .synced:
        if pipeline.isIdle {
          mayHaveMore = false
          checkAgainAt = loop.now + Self.trust
        }
        return .synced
      // A server that goes away says why, even where no command is left that could fail.
      case .outOfStep where result.status == .fatalError:
        throw fail(.lost(result.serverError.message))
      case let action: guard act(on: action) else { throw fail(.outOfStep) }
      }
    }
  }

  /// What `poll` found missing.
  package enum Awaited: Sendable {
    case input
    /// Something is left to be sent, or came where the kernel cannot see it.
    case inputOrOutput
  }

  /// What to wait for after `poll` gave nil.
  package var awaited: Awaited { hasUnsent || isEncrypted ? .inputOrOutput : .input }

  /// Waits until `poll` may know more. It runs in the caller's isolation, which must be on this connection's loop.
  package nonisolated func wait(for awaited: Awaited, isShielded: Bool) async -> Wake {
    switch awaited {
    case .input: await watch.readable(isShielded: isShielded)
    case .inputOrOutput: await watch.readableOrWritable(isShielded: isShielded)
    }
  }

  /// The same for who comes from another loop: it ends early for nothing but an answer.
  package func waitOnLoop(for awaited: Awaited) async -> Wake {
    let wake = await wait(for: awaited, isShielded: true)
    loop.preconditionOnLoop()
    return wake
  }

  /// A wait has ended.
  package func woke(_ wake: Wake) throws(ConnectionError) {
    try checkUsable()
    if wake == .closed { throw fail(.closed) }
    guard isEncrypted else { return }
    mayHoldDecrypted = true
    mayHaveMore = true
  }

  private static func kind(of status: PGResultHandle.Status) -> PipelineStateMachine.Received {
    switch status {
    case .emptyQuery, .commandOK, .tuples: .success
    case .singleTuple: .row
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
    case .none, .deliver, .fail, .failSync, .skip, .synced: break
    }
    return true
  }

  /// Reads what is there, and sends what is left over, so that neither side waits for the other with full buffers.
  /// False: nothing is there.
  func receive() throws(ConnectionError) -> Bool {
    if hasUnsent {
      switch handle.flush() {
      case .done: hasUnsent = false
      case .pending: watch.didFill()
      case .failed: throw fail(.lost(handle.message))
      }
      // What cannot be sent makes libpq read, too: then what we wait for may be here already.
      guard handle.isBusy else { return true }
    }
    if try read() { return true }
    // Whether bytes came that libpq has taken already, or part of, shows in the kernel's report alone.
    if isEncrypted { watch.didFill() }
    return false
  }

  /// Lets libpq read once; false if there is nothing.
  ///
  /// It may leave something in the socket, or, as it reads less than a TLS record of 16 KiB, inside TLS. A read
  /// while the socket is empty takes the rest of a record: only a read of new bytes can leave something there.
  private func read() throws(ConnectionError) -> Bool {
    if watch.isReadable, !isEncrypted, !hasReadSinceSync {
      // Nearly always all answers are in the first read. It is not counted: that would be two system calls more.
      watch.didDrain()
      hasReadSinceSync = true
      mayHaveMore = true
      guard handle.consumeInput() else { throw fail(.lost(handle.message)) }
      return true
    }
    guard watch.isReadable || mayHaveMore else { return false }
    let waiting = watch.readableBytes
    guard watch.isReadable || waiting > 0 || mayHoldDecrypted else {
      mayHaveMore = false
      return false
    }
    watch.didDrain()
    guard handle.consumeInput() else { throw fail(.lost(handle.message)) }
    mayHaveMore = true
    mayHoldDecrypted = isEncrypted && waiting > 0
    try count(readOf: waiting)
    return true
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

  func checkUsable() throws(ConnectionError) {
    if let failure { throw failure }
  }

  func check(_ sent: Bool) throws(ConnectionError) {
    guard sent else { throw fail(.lost(handle.message)) }
  }

  func fail(_ error: ConnectionError) -> ConnectionError {
    let first = failure ?? error
    failure = first
    return first
  }

  /// Writes every message to a file, as libpq's `PQtrace` does: to count round trips in tests.
  package func trace(to path: String) { handle.trace(to: path) }
}
