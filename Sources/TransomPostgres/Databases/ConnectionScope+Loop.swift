internal import TransomEventLoop

extension ConnectionScope {
  /// Runs the body so that its task moves to the loop of the connection when it first waits for that, stays there, and
  /// comes back afterwards: two changes of threads for the whole of it, instead of two for each statement.
  ///
  /// What is isolated to the main actor, or to another one with an executor of its own, stays on that.
  func moving<Result>(
    _ isWanted: Bool, _ body: () async throws -> Result
  ) async throws -> Result {
    let loop = database.loop(loop)
    guard isWanted, !loop.isCurrent else { return try await body() }
    let result: Result
    do {
      result = try await withTaskExecutorPreference(loop, operation: body)
    } catch {
      await leave(loop)
      throw error
    }
    await leave(loop)
    return result
  }

  /// Without this an actor that has no executor of its own would go on where it is, until it waits for something.
  ///
  /// The task comes back when the loop's thread does something else, and so has let go of the actor: it would take it along
  /// once more. If another task has brought the actor to the loop meanwhile, that is tried again, but not for ever.
  ///
  /// `isolation` is the caller's, said in so many words: a function that only inherits it need not be back on the actor when it
  /// looks where it is.
  private func leave(
    _ loop: EventLoop, _ isolation: isolated (any Actor)? = #isolation
  ) async {
    var attempts = 0
    while loop.isCurrent, attempts < 10 {
      await withTaskExecutorPreference(globalConcurrentExecutor) { await loop.run {} }
      attempts += 1
    }
  }
}
