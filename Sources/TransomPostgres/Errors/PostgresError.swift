/// Everything that this library throws but `CancellationError`, and what the user's own closures throw.
///
/// `kind` tells the cases apart, `server` has every field that the server sent. An error that leaves
/// ``Database/atomic(durable:savepoint:isolation:readOnly:deferrable:_:)`` means that nothing of the block is stored,
/// but ``Kind/commitInDoubt(transactionID:)``, and what an `onCommit` hook throws.
public struct PostgresError: Error, Sendable {
  /// What is wrong.
  public let kind: Kind
  /// It in words.
  public let message: String
  /// The server's error, if the server reported it, or if it is the cause.
  public let server: ServerError?
  /// The SQL that failed, if it was one statement.
  public let statement: String?

  init(_ kind: Kind, _ message: String, server: ServerError? = nil, statement: String? = nil) {
    self.kind = kind
    self.message = message
    self.server = server
    self.statement = statement
  }

  init(_ server: ServerError, statement: String? = nil) {
    self.init(Kind(server.sqlState), server.message, server: server, statement: statement)
  }

  /// The server's code, if the server reported the error.
  public var sqlState: SQLState? { server?.sqlState }

  /// Whether the same transaction may succeed if it is run again: it met a concurrent one.
  public var isConflict: Bool { kind == .serialization || kind == .deadlock }
}

extension PostgresError {
  /// What is wrong.
  public enum Kind: Hashable, Sendable {
    // The server's errors, by SQLSTATE (PostgreSQL manual, appendix A).

    /// A constraint was violated (class 23).
    case integrity(Integrity)
    /// A concurrent transaction changed what this one saw (40001). It can be run again.
    case serialization
    /// It was chosen to end a deadlock (40P01). It can be run again.
    case deadlock
    /// A lock was not to be had at once, or in time (55P03).
    case lockNotAvailable
    /// The statement was cancelled, by a time limit or from outside (57014).
    case canceled
    /// A value is wrong (class 22).
    case data
    /// The SQL is wrong, or names what is not there (class 42).
    case syntaxOrName
    /// The role may not do this (42501).
    case insufficientPrivilege
    /// An earlier statement of the transaction failed (25P02).
    case inFailedTransaction
    /// The transaction may not write (25006).
    case readOnly
    /// The server is short of memory, disk or connections (class 53).
    case resources
    /// The server stops, or someone ended the connection (57P01, 57P02, 57P03).
    case serverStopping
    /// A function raised it (class P0).
    case raised
    /// Any other error of the server.
    case server

    // The connection's.

    /// The connection broke. What was not committed is rolled back.
    case connectionLost
    /// No connection could be made.
    case unreachable
    /// All connections were busy for the whole wait.
    case poolExhausted
    /// The library was shut down.
    case shutDown
    /// The connection was lost while COMMIT was on its way, and it could not be found out what became of it.
    case commitInDoubt(transactionID: String?)

    // The transaction's.

    /// COMMIT could not be: a statement had failed and the block went on, or the server answered with ROLLBACK.
    case rolledBack
    /// The block is marked to be rolled back; until its end nothing more is sent.
    case needsRollback
    /// A durable block was begun inside another one.
    case durableInsideAtomic
    /// Isolation and access mode can be chosen for the outermost block only.
    case optionsInsideAtomic
    /// That works inside an atomic block only.
    case notInAtomic
    /// That does not work inside an atomic block.
    case insideAtomic

    // The use's.

    /// The connection was used by a task that does not own it.
    case connectionOwnedByAnotherTask
    /// A connection, transaction or cursor was used after its block.
    case expired
    /// There is no database of that alias.
    case unknownDatabase
    /// A setting is wrong.
    case configuration
    /// A statement is no COPY in that direction, or another one was executed while a COPY was going on.
    case copy
    /// A parameter cannot be sent.
    case encoding
    /// A value is not what it was asked to be.
    case decoding
    /// The statement returned another number of rows than it was to.
    case rowCount
  }

  /// The kind of constraint.
  public enum Integrity: Hashable, Sendable {
    /// 23505
    case unique
    /// 23503
    case foreignKey
    /// 23502
    case notNull
    /// 23514
    case check
    /// 23P01
    case exclusion
    /// 23001
    case restrict
    /// Any other of class 23.
    case other
  }
}

extension PostgresError.Kind {
  init(_ state: SQLState) {
    self =
      switch state.code {
      case "23505": .integrity(.unique)
      case "23503": .integrity(.foreignKey)
      case "23502": .integrity(.notNull)
      case "23514": .integrity(.check)
      case "23P01": .integrity(.exclusion)
      case "23001": .integrity(.restrict)
      case "40001": .serialization
      case "40P01": .deadlock
      case "55P03": .lockNotAvailable
      case "57014": .canceled
      case "42501": .insufficientPrivilege
      case "25P02": .inFailedTransaction
      case "25006": .readOnly
      case "57P01", "57P02", "57P03": .serverStopping
      default:
        switch state.classCode {
        case "23": .integrity(.other)
        case "22": .data
        case "42": .syntaxOrName
        case "53": .resources
        case "P0": .raised
        case "08": .connectionLost
        default: .server
        }
      }
  }
}

extension PostgresError: CustomStringConvertible {
  /// The message, with what the server added to it.
  public var description: String {
    var text = message
    if let server {
      if message != server.message { text += ": \(server.message)" }
      text += " (SQLSTATE \(server.sqlState))"
      if let detail = server.detail { text += "; \(detail)" }
      if let hint = server.hint { text += "; \(hint)" }
    }
    if let statement { text += " in: \(statement)" }
    return text
  }
}

extension PostgresError {
  init(_ refusal: TransactionStateMachine.Refusal) {
    switch refusal {
    case .durableInside:
      self.init(.durableInsideAtomic, "a durable atomic block cannot be inside another one")
    case .optionsInside:
      self.init(
        .optionsInsideAtomic,
        "isolation and access mode can be chosen for the outermost atomic block only")
    case .needsRollback:
      self.init(
        .needsRollback,
        "an error occurred in the transaction: nothing can be sent until the end of the atomic block"
      )
    case .outside:
      self.init(.notInAtomic, "that works inside an atomic block only")
    case .endedEarly:
      self.init(
        .connectionLost, "the transaction is over: its connection was lost, or a statement ended it"
      )
    }
  }

  init(_ error: ConnectionError) { self.init(.connectionLost, error.description) }

  init(_ error: LeaseError) {
    switch error {
    case .poolExhausted: self.init(.poolExhausted, "all connections were busy for the whole wait")
    case .unreachable(let text): self.init(.unreachable, text)
    case .shuttingDown: self.init(.shutDown, "the databases are shut down")
    case .cancelled: self.init(.canceled, "the wait for a connection was cancelled")
    }
  }

  static var ownedByAnotherTask: PostgresError {
    PostgresError(
      .connectionOwnedByAnotherTask,
      "this task was begun inside another one's connection block, and that connection is the other's; "
        + "withIndependentConnections gives this task connections of its own")
  }

  static func expired(_ what: String) -> PostgresError {
    PostgresError(.expired, "\(what) was used after its block")
  }
}
