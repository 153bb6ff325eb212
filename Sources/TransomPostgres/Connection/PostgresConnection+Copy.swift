internal import TransomEventLoop

/// Which way a COPY goes.
enum CopyDirection {
  case fromClient
  case toClient
}

/// How a COPY ended, or why it did not begin.
struct CopyReply: Sendable {
  var result: ResultStorage?
  var error: ServerError?
  var failure: ConnectionError?
  var status = TransactionStateMachine.ServerStatus.idle
}

/// Some rows of a COPY TO STDOUT.
struct CopyBatch: Sendable {
  var bytes: [UInt8] = []
  /// Nothing more comes.
  var end: CopyReply?
}

/// COPY: libpq has none in a pipeline, so pipeline mode is left while nothing is on its way, and entered again when the
/// server is ready for the next command. Neither is a round trip.
extension PostgresConnection {
  /// How much is handed on at once, in bytes.
  private static let batchSize = 64 << 10
  /// How much libpq is given at once.
  private static let mostPut = 1 << 20

  /// Begins a COPY. Not nil: it did not begin, or not in that direction, and is over.
  func beginCopy(_ sql: String, _ direction: CopyDirection) async -> CopyReply? {
    do throws(ConnectionError) {
      try await freeUnused()
      try checkUsable()
      try check(pipeline.isIdle && handle.leavePipelineMode())
      statements.noteUnprepared(sql)
      // By the extended protocol, which takes one statement only.
      try check(handle.sendUnnamed(sql, ParameterList(), 0..<0))
      try await sendAll()
      try await waitForResult()
      guard let result = handle.nextResult() else { throw fail(.outOfStep) }
      if result.isCopyIn {
        return direction == .fromClient ? nil : await endCopyIn("the client expects data")
      }
      if result.isCopyOut {
        if direction == .toClient { return nil }
        cancelRunning()
        let end = await fetchCopy(keepsRows: false).end
        await waitForCancels()
        return end
      }
      return try await finishCopy(result)
    } catch {
      return CopyReply(failure: error)
    }
  }

  private func freeUnused() async throws(ConnectionError) {
    guard try deallocateUnused() else { return }
    while true {
      if case .synced = try await next(isShielded: true) { return }
    }
  }

  /// Sends a part of the data, and waits until the socket has taken it.
  func putCopy(_ bytes: [UInt8]) async -> ConnectionError? {
    do throws(ConnectionError) {
      var rest = bytes[...]
      while !rest.isEmpty {
        try checkUsable()
        try check(handle.putCopyData(rest.prefix(Self.mostPut)))
        rest = rest.dropFirst(Self.mostPut)
        try await sendAll()
      }
      return nil
    } catch {
      return error
    }
  }

  /// Ends the data; with a reason, makes the COPY fail.
  func endCopyIn(_ reason: String?) async -> CopyReply {
    do throws(ConnectionError) {
      try checkUsable()
      try check(handle.putCopyEnd(reason))
      try await sendAll()
      try await waitForResult()
      guard let result = handle.nextResult() else { throw fail(.outOfStep) }
      return try await finishCopy(result)
    } catch {
      return CopyReply(failure: error)
    }
  }

  /// Fetches the rows that are there, or waits for the next one. If `keepsRows` is false, they are thrown away, all of
  /// them.
  func fetchCopy(keepsRows: Bool = true) async -> CopyBatch {
    var batch = CopyBatch()
    do throws(ConnectionError) {
      while batch.bytes.count < Self.batchSize {
        try checkUsable()
        switch handle.appendCopyData(to: &batch.bytes) {
        case .appended: if !keepsRows { batch.bytes.removeAll(keepingCapacity: true) }
        case .notThereYet:
          if try receive() { continue }
          guard batch.bytes.isEmpty else { return batch }
          try woke(await wait(for: awaited, isShielded: true))
        case .ended:
          try await waitForResult()
          guard let result = handle.nextResult() else { throw fail(.outOfStep) }
          batch.end = try await finishCopy(result)
          return batch
        }
      }
    } catch {
      batch.end = CopyReply(failure: error)
    }
    return batch
  }

  /// Takes the results that end a COPY, and goes back to pipeline mode.
  private func finishCopy(_ first: consuming PGResultHandle) async throws(ConnectionError)
    -> CopyReply
  {
    var reply = CopyReply()
    try take(first, into: &reply)
    while true {
      try await waitForResult()
      guard let result = handle.nextResult() else { break }
      try take(result, into: &reply)
    }
    try check(!handle.isBroken && handle.enterPipelineMode())
    mayHaveMore = false
    reply.status = handle.transactionStatus
    return reply
  }

  private func take(
    _ result: consuming PGResultHandle, into reply: inout CopyReply
  ) throws(ConnectionError) {
    switch result.status {
    case .fatalError:
      guard result.isFromServer else { throw fail(.lost(handle.message)) }
      let error = result.serverError
      // A server that ends the connection does not tell what became of what it did.
      guard error.severity == "ERROR" else { throw fail(.lost(error.message)) }
      reply.error = reply.error ?? error
    case .copy, .pipelineSync, .pipelineAborted, .unexpected: throw fail(.outOfStep)
    case .commandOK, .tuples, .singleTuple, .emptyQuery: reply.result = ResultStorage(result)
    }
  }

  /// Waits until `nextResult` has one, outside of pipeline mode.
  private func waitForResult() async throws(ConnectionError) {
    while handle.isBusy {
      try checkUsable()
      if try !receive() { try woke(await wait(for: awaited, isShielded: true)) }
    }
    try checkUsable()
  }

  /// Sends what is buffered, all of it, and takes what the server says meanwhile.
  private func sendAll() async throws(ConnectionError) {
    while true {
      try checkUsable()
      switch handle.flush() {
      case .done:
        hasUnsent = false
        return
      case .failed: throw fail(.lost(handle.message))
      case .pending:
        hasUnsent = true
        watch.didFill()
        try woke(await wait(for: .inputOrOutput, isShielded: true))
        guard watch.isReadable else { continue }
        watch.didDrain()
        mayHaveMore = true
        guard handle.consumeInput() else { throw fail(.lost(handle.message)) }
      }
    }
  }
}
