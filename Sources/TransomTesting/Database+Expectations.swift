public import Testing
public import TransomPostgres

extension Database {
  /// The `onCommit` hooks that the body registers, in order; if `execute`, they are run after it, as by a commit.
  ///
  /// In a test with the trait `.rolledBack` nothing is ever committed: this is how to see what would happen then.
  @discardableResult
  public func captureOnCommitCallbacks(
    execute: Bool = false, _ body: () async throws -> Void
  ) async throws -> [@Sendable () async throws -> Void] {
    try await capturingHooks(executes: execute, body)
  }

  /// Expects the body to execute so many statements on the task's connection, and names them if not.
  ///
  /// BEGIN, COMMIT and savepoints are not counted. A pipeline and `executeMany` are one.
  public func expectQueries(
    count: Int, sourceLocation: SourceLocation = #_sourceLocation, _ body: () async throws -> Void
  ) async throws {
    let statements = try await countingStatements(body)
    if statements.count != count {
      Issue.record(
        "\(statements.count) statements instead of \(count): \(statements.joined(separator: "; "))",
        sourceLocation: sourceLocation)
    }
  }
}
