/// What did not happen in time, by name.
package struct DeadlineExceeded: Error, CustomStringConvertible {
  package let description: String

  package init(_ what: String, after limit: Duration) {
    description = "\(what): not within \(limit)"
  }
}

/// Waits until the condition holds, and no longer; throws `DeadlineExceeded` after the limit.
package func eventually(
  _ what: String, within limit: Duration = .seconds(60),
  _ condition: () async throws -> Bool
) async throws {
  let deadline = ContinuousClock.now + limit
  var pause = Duration.milliseconds(1)
  while try await !condition() {
    guard ContinuousClock.now < deadline else { throw DeadlineExceeded(what, after: limit) }
    try await Task.sleep(for: pause)
    pause = min(pause * 2, .milliseconds(20))
  }
}
