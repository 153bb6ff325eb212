package import TransomEventLoop

extension PostgresConnection {
  /// How long a connection that has answered is taken for alive.
  private static let trust = Duration.milliseconds(1)

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
    /// The server is to know first that it shall stop.
    case cancellation
  }

  /// What to wait for after `poll` gave nil.
  package var awaited: Awaited {
    if holdsBack { return .cancellation }
    return hasUnsent || isEncrypted ? .inputOrOutput : .input
  }

  /// Waits until `poll` may know more. It runs in the caller's isolation, which must be on this connection's loop.
  @inline(__always)
  package nonisolated func wait(for awaited: Awaited, isShielded: Bool) async -> Wake {
    switch awaited {
    case .input: return await watch.readable(isShielded: isShielded)
    case .inputOrOutput: return await watch.readableOrWritable(isShielded: isShielded)
    case .cancellation:
      await waitForCancels()
      return .ready
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
    guard !holdsBack else { return false }
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
}
