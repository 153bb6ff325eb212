/// A connection inside an atomic block: everything that it executes is stored, or nothing.
///
/// It is what ``Database/atomic(durable:savepoint:isolation:readOnly:deferrable:_:)`` hands its body, and it is of no
/// use after it. It is not `Sendable`: no other task can use it.
public final class Transaction: Connection {
  /// Whether the block will be rolled back at its end, whatever its body returns. Until then nothing more is sent.
  public var needsRollback: Bool { scope.with { $0.machine.needsRollback } }

  /// Marks the innermost block to be rolled back at its end, without an error, or takes that back.
  ///
  /// Taking it back after an error inside `savepoint: false` stores what was done before the error, too: only for
  /// whoever knows what that is.
  ///
  /// - Throws: `PostgresError` of kind `.expired` after the block.
  public func setRollback(_ value: Bool) throws {
    try checkNotExpired()
    do {
      try scope.with { state throws(TransactionStateMachine.Refusal) in
        try state.machine.setRollback(value)
      }
    } catch {
      throw PostgresError(error)
    }
  }
}
