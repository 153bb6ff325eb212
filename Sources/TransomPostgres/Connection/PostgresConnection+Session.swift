internal import TransomEventLoop

extension PostgresConnection {
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
        case .synced:
          dropNotifications()
          return succeeded && isReusable
        }
      }
    } catch {
      return false
    }
  }

  /// Frees what the last user has listened to: libpq keeps each notification until somebody takes it.
  func dropNotifications() {
    guard !isClosed else { return }
    while handle.nextNotification() != nil {}
  }

  /// Whether an idle connection is as we left it: a server that goes away sends its reason or an end of stream.
  ///
  /// Right after an answer that needs no look at the socket.
  package var isQuiet: Bool {
    !isClosed && !watch.hasHungUp && (loop.now < checkAgainAt || watch.isQuiet)
  }
}
