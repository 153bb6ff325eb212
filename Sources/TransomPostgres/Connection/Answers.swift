internal import TransomEventLoop

/// What the answers to an ``Exchange`` are collected in, or a part of them.
protocol Answers: Sendable {
  /// Why no more come: the connection failed.
  var failure: ConnectionError? { get set }
  /// Whether what is answered first frees statements that are no longer used.
  var isDeallocating: Bool { get set }

  /// Takes what is there; tells what to wait for, or nil if nothing is missing.
  mutating func take(
    from connection: isolated PostgresConnection
  ) throws(ConnectionError) -> PostgresConnection.Awaited?
}

extension PostgresConnection {
  /// Sends something, if it is not on its way already, and collects the answers.
  ///
  /// On the connection's own loop that suspends for nothing but the server; from elsewhere it moves there. So it does in a
  /// task that was on the loop's thread by chance, and is not any more when its wait has ended. It is not ended by
  /// cancellation: `StatementCanceller` sees to that.
  nonisolated func collect<Collected: Answers>(
    _ answers: Collected, sending exchange: Exchange? = nil
  ) async -> Collected {
    guard loop.isCurrent else { return await collectElsewhere(answers, exchange) }
    var answers = answers
    var awaited = onLoop { $0.begin(&answers, exchange) }
    while let missing = awaited {
      let wake = await wait(for: missing, isShielded: true)
      guard loop.isCurrent else { return await collectElsewhere(answers, nil, after: wake) }
      awaited = onLoop { $0.resume(&answers, after: wake) }
    }
    return answers
  }

  /// From the beginning, or after a wait.
  private func collectElsewhere<Collected: Answers>(
    _ answers: Collected, _ exchange: Exchange?, after wake: Wake? = nil
  ) async -> Collected {
    var answers = answers
    var awaited =
      if let wake { resume(&answers, after: wake) } else { begin(&answers, exchange) }
    while let missing = awaited {
      let wake = await waitOnLoop(for: missing)
      awaited = resume(&answers, after: wake)
    }
    return answers
  }

  private func begin(_ answers: inout some Answers, _ exchange: Exchange?) -> Awaited? {
    do throws(ConnectionError) {
      if let exchange {
        // Answers that nobody has taken would be given to the wrong statements.
        guard pipeline.isIdle else { throw fail(.outOfStep) }
        answers.isDeallocating = try deallocateUnused()
        try send(exchange)
      }
      return try answers.take(from: self)
    } catch {
      answers.failure = error
      return nil
    }
  }

  private func resume(_ answers: inout some Answers, after wake: Wake) -> Awaited? {
    do throws(ConnectionError) {
      try woke(wake)
      return try answers.take(from: self)
    } catch {
      answers.failure = error
      return nil
    }
  }

  /// Between transactions: frees what the server holds of statements that are no longer used. False: there are none.
  func deallocateUnused() throws(ConnectionError) -> Bool {
    guard handle.isIdle else { return false }
    return try enqueueDeallocations()
  }

  /// As `poll`, but leaves out what is answered to `deallocateUnused`.
  func poll(after isDeallocating: inout Bool) throws(ConnectionError) -> PipelineEvent? {
    while isDeallocating {
      guard let event = try poll() else { return nil }
      if case .synced = event { isDeallocating = false }
    }
    return try poll()
  }
}
