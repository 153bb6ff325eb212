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
  let isEncrypted: Bool
  private let mayPrepareStatements: Bool
  private(set) var preparesStatements: Bool
  var pipeline = PipelineStateMachine()
  var statements: StatementCache
  /// Not after the first of them was prepared.
  private var statementsSince: MonotonicInstant
  /// The last read may have left something in the socket: what the kernel reported is used up.
  var mayHaveMore = false
  /// The last read may have left something inside TLS, where the kernel does not see it.
  var mayHoldDecrypted = false
  var hasUnsent = false
  var hasReadSinceSync = false
  var isClosed = false
  var failure: ConnectionError?
  /// How many bytes more may be received in this transaction.
  var receiveBudget = Int.max
  /// How many are taken when more have come.
  var restOfReceiving = 0
  /// What had been taken from the socket when that was counted last; nil: not yet.
  var takenBytes: Int?
  /// Whether more came than that: then what runs was cancelled.
  package internal(set) var receivedTooMuch = false
  var wasCancelled = false
  /// Whether nothing is read until the server has taken the cancellation.
  var holdsBack = false
  /// Cancel requests that the server has not taken yet, and who waits until it has.
  var cancelsUnderWay = 0
  var cancelWaiters: [CheckedContinuation<Void, Never>] = []
  /// Until then a connection that has answered is taken for alive.
  var checkAgainAt: MonotonicInstant

  private init(
    _ handle: PGConnectionHandle, _ configuration: ConnectionConfiguration, on loop: EventLoop
  ) throws(SystemError) {
    self.loop = loop
    self.handle = handle
    let descriptor = try FileDescriptor(duplicating: handle.socket)
    // What libpq has taken out of TLS while it wrote shows in the kernel's report of both directions alone.
    watch = try DescriptorWatch(
      descriptor.rawValue, on: loop, alwaysReportsOutput: handle.isEncrypted)
    self.descriptor = consume descriptor
    processID = handle.processID
    openedAt = loop.now
    checkAgainAt = loop.now
    isEncrypted = handle.isEncrypted
    mayPrepareStatements = configuration.preparesStatements
    preparesStatements = mayPrepareStatements
    statements = StatementCache(capacity: configuration.preparedStatementLimit)
    statementsSince = loop.now
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

  /// How long prepared statements are kept. The server infers the types of parameters when it prepares a statement, and holds
  /// to them: where a column has another type since, it converts twice, a `date` to a `timestamp` without the time, or
  /// refuses what the column takes now. It tells nobody, so that this must not last.
  private static let lifetimeOfStatements = Duration.seconds(60)

  // MARK: State

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
    resumeCancelWaiters()
  }

  /// Whether statements are prepared and kept from now on, if the configuration wants that at all.
  ///
  /// The server infers the types of parameters once, when it prepares a statement: where the same text may mean other
  /// tables, by another `search_path`, it must not be kept.
  package func prepareStatements(_ wanted: Bool) {
    preparesStatements = mayPrepareStatements && wanted
  }

  // MARK: Sending

  /// Adds a command to the pipeline. Its parameters are `parameters[range]`.
  ///
  /// If `byRow`, each row comes as a result of its own, before the one that ends the command.
  package func enqueue(
    _ text: StatementText, _ parameters: ParameterList, _ range: Range<Int>, byRow: Bool = false,
    isPrepared: Bool = true
  ) throws(ConnectionError) {
    try checkUsable()
    guard preparesStatements, isPrepared else {
      statements.noteUnprepared(text.sql)
      try check(handle.sendUnnamed(text.sql, parameters, range))
      executeSent(byRow: byRow)
      return
    }
    try check(handle.sendPrepared(try prepared(text), parameters, range))
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
    if statements.count == 0 {
      statementsSince = loop.now
    } else if loop.now - statementsSince >= Self.lifetimeOfStatements {
      statements.evictAll()
      statementsSince = loop.now
    }
    let commands = statements.takeDeallocations()
    guard !commands.isEmpty else { return false }
    for command in commands { try enqueueUnnamed(command) }
    try sync()
    return true
  }

  /// Forgets every prepared statement: the catalogue changed under one of them.
  package func forgetStatements() { statements.invalidate() }

  // MARK: Cancelling

  /// Asks the server to cancel what runs on this connection. The answer comes through `next`, like any error.
  ///
  /// The request may still reach the server after the statement that it was meant for, so the connection is
  /// not reusable afterwards; or before it, which does nothing, so it may be repeated.
  package func cancelRunning() {
    guard !isClosed, let cancel = handle.cancelHandle() else { return }
    wasCancelled = true
    cancelsUnderWay += 1
    cancelOffLoop(cancel) { [self] in
      loop.execute { [self] in onLoop { $0.cancelEnded() } }
    }
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
