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
  /// If the task comes back before the loop's thread has let go of the actor, that takes it along once more: then it is
  /// tried again, but not for ever.
  ///
  /// `isolation` is the caller's, said in so many words: a function that only inherits it need not be back on the actor when it
  /// looks where it is, and the actor could be taken along by the loop's thread after that.
  private func leave(
    _ loop: EventLoop, _ isolation: isolated (any Actor)? = #isolation
  ) async {
    var attempts = 0
    while loop.isCurrent, attempts < 100 {
      await withTaskExecutorPreference(globalConcurrentExecutor) { await Task.yield() }
      attempts += 1
    }
  }
}
