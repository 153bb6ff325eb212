internal import Testing
public import TransomPostgres
internal import XCTest

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
    count: Int, fileID: String = #fileID, filePath: StaticString = #filePath, line: UInt = #line,
    column: Int = #column, _ body: () async throws -> Void
  ) async throws {
    let statements = try await countingStatements(body)
    guard statements.count != count else { return }
    let text =
      "\(statements.count) statements instead of \(count): \(statements.joined(separator: "; "))"
    // Without a test of Swift Testing it may be one of XCTest that does without our test cases.
    if Test.current == nil { XCTFail(text, file: filePath, line: line) }
    if !TestDatabases.isXCTest {
      let location = SourceLocation(
        fileID: fileID, filePath: "\(filePath)", line: Int(line), column: column)
      Issue.record("\(text)", sourceLocation: location)
    }
  }
}
