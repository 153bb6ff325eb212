package import TransomPostgres

/// The text of one statement, which neither begins nor ends a transaction, nor copies to or from
/// the client.
///
/// That is checked when it is made, so that nothing else can reach a connection: in the middle of
/// a pipeline a `COMMIT` would store half a transaction, and `COPY … FROM STDIN` would wait for
/// ever. Everything else is left to PostgreSQL, which says best what is wrong with a statement;
/// it also refuses several commands in one (extended query protocol).
package struct SQLText: Hashable, Sendable {
  package let statement: StatementText
  package let kind: Kind
  /// The highest `$n` that stands anywhere in it, in a string or a comment, too.
  let highestMention: Int

  package var text: String { statement.sql }

  /// What a statement may do, as far as its first word and the functions that a query calls tell; of queries, the one
  /// that may do more is the greater.
  package enum Kind: Comparable, Sendable {
    /// SELECT, VALUES, TABLE without a call of a function that may store something: nothing is stored.
    case reads
    /// INSERT, UPDATE, DELETE, MERGE; WITH, behind which one of them may stand; or SELECT and its like with such a call.
    case changes
    /// CREATE, ALTER, DROP, IMPORT; or DO and CALL, which may run them: there may be other types behind it.
    case defines
    /// All else, such as LOCK, which needs a transaction block, or VACUUM, which cannot be in one.
    case other
  }

  /// Whether it only reads or changes rows, so that it means the same without BEGIN before it.
  package var isQuery: Bool { kind == .reads || kind == .changes }

  package init(_ text: String) throws(SQLRefusal) {
    var scanner = SQLScanner(text.utf8.span)
    if let refusal = scanner.refusal() { throw refusal }
    kind = scanner.kind
    highestMention = Self.highestMention(in: text.utf8.span)
    statement = StatementText(text)
  }
}

/// Why a statement may not be part of a transaction.
package enum SQLRefusal: Error, Equatable, Sendable {
  /// The command, such as `COMMIT`.
  case transactionControl(String)
  /// `COPY` that is not to or from a file or program of the server.
  case clientCopy

  package var detail: String {
    switch self {
    case .transactionControl(let command):
      "\(command) is transaction control: Transom begins and ends the transaction itself,"
        + " and a \"savepoint\" group makes a savepoint"
    case .clientCopy:
      "COPY FROM STDIN and COPY TO STDOUT have no place in a transaction over HTTP;"
        + " only files and programs of the server can be copied"
    }
  }
}
