internal import TransomEventLoop

extension PostgresConnection {
  private static let firstPause = Duration.milliseconds(20)

  /// Ends what runs, as long as `isWanted`: asks the server to cancel it, again and again and ever more seldom, and closes
  /// the connection when `grace` is over. From any thread.
  ///
  /// `isWanted` should not hold the connection. A request that arrives while nothing runs yet is lost: the commands may still be on their way
  /// (PostgreSQL manual, 34.7 "Canceling Queries in Progress").
  package nonisolated func keepCancelling(
    for grace: Duration, while isWanted: @escaping @Sendable () -> Bool
  ) {
    loop.execute { [self] in
      cancel(until: .now + grace, again: Self.firstPause, while: isWanted)
    }
  }

  /// How long a cancel request may be under way.
  private static let limitOfRequest = Duration.seconds(10)

  /// Waits until no cancel request is under way: what is sent from then on is not what one of them ends. One that takes
  /// too long loses the connection.
  func waitForCancels() async {
    guard cancelsUnderWay > 0, !isClosed else { return }
    let timer = loop.schedule(at: .now + Self.limitOfRequest) { [weak self] in
      self?.onLoop { $0.close() }
    }
    defer { loop.cancel(timer) }
    while cancelsUnderWay > 0, !isClosed {
      await withCheckedContinuation { waiter in
        // Looked at once more, because the caller may be suspended before.
        guard cancelsUnderWay > 0, !isClosed else { return waiter.resume() }
        cancelWaiters.append(waiter)
      }
    }
  }

  func cancelEnded() {
    cancelsUnderWay -= 1
    guard cancelsUnderWay == 0 else { return }
    holdsBack = false
    resumeCancelWaiters()
  }

  func resumeCancelWaiters() {
    for waiter in Swift.exchange(&cancelWaiters, with: []) { waiter.resume() }
  }

  private nonisolated func cancel(
    until deadline: MonotonicInstant, again pause: Duration,
    while isWanted: @escaping @Sendable () -> Bool
  ) {
    guard isWanted() else { return }
    let now = loop.now
    guard now < deadline else { return onLoop { $0.close() } }
    onLoop { $0.cancelRunning() }
    // Weakly: if the loop ends first, its timers stay, and they would keep the connection, and that the loop.
    _ = loop.schedule(at: min(now + pause, deadline)) { [weak self] in
      self?.cancel(until: deadline, again: pause * 2, while: isWanted)
    }
  }
}
