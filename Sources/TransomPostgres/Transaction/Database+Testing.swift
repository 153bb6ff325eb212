/// A transaction that is rolled back at the end of a test, for who runs set-up, test and tear-down in tasks of their own,
/// one after the other.
package final class TestTransaction: Sendable {
  private let scope: ConnectionScope

  /// Begins it; nothing is sent yet.
  package init(_ database: Database) throws {
    scope = ConnectionScope(database.core)
    scope.with { $0.keepsConnection = true }
    letGo()
    try scope.begin(.init(isTest: true))
  }

  /// Runs the body with the transaction as what its tasks find.
  package func bound(_ body: () -> Void) {
    AmbientFrame.$current.withValue(AmbientFrame(scope, inside: nil), operation: body)
  }

  /// The task that used it is over: the next one to use it owns it.
  package func letGo() { scope.with { $0.awaitsOwner = true } }

  /// Rolls it back, and gives its connection back.
  ///
  /// - Throws: `PostgresError` if it was over before, such as by a COMMIT of the test's: what the test did is stored then.
  package func rollBack() async throws {
    defer { scope.close() }
    try scope.with { state throws(TransactionStateMachine.Refusal) in
      try state.machine.setRollback(true)
    }
    try await scope.end(threw: false)
  }
}

extension Database {
  /// Runs the body in a transaction that is rolled back at its end. An atomic block in it is a savepoint that passes
  /// for an outermost one: it can be durable, and choose its isolation in vain.
  package func withTestTransaction<Result>(_ body: () async throws -> Result) async throws -> Result
  {
    // A test may wait for others with its thread: it stays where it is.
    try await withScope(keepsConnection: true, movesTask: false) { scope in
      try await scope.atomic(.init(isTest: true)) { tx in
        let result = try await body()
        // In a test that has set it itself, too, and in one whose statement failed.
        try tx.setRollback(true)
        return result
      }
    }
  }

  /// The `onCommit` hooks that the body registers in the task's transaction; if `executes`, they are run after it, and
  /// so are those that they register.
  package func capturingHooks(
    executes: Bool, _ body: () async throws -> Void
  ) async throws -> [@Sendable () async throws -> Void] {
    try await withScope { scope in
      let start = scope.with { $0.hooks.count }
      try await body()
      var captured = scope.with { Array($0.hooks.dropFirst(start)) }
      var next = 0
      while executes, next < captured.count {
        try await scope.run(captured[next])
        next += 1
        captured = scope.with { Array($0.hooks.dropFirst(start)) }
      }
      return captured.map(\.body)
    }
  }

  /// The number of statements that the body executes on the task's connection.
  package func countingStatements(_ body: () async throws -> Void) async throws -> [String] {
    let log = StatementLog()
    try await withConnection { connection in
      try await connection.withExecuteWrapper(
        { context, execute in
          log.append(context.sql)
          try await execute()
        }, body)
    }
    return log.statements
  }
}
