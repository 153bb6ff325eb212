package import TransomPostgres

/// The document of POST /transactions, decoded and checked: what a client asks for.
package struct TransactionRequest: Equatable, Sendable {
  /// The alias of the database.
  package var database = "default"
  /// nil: as the database has it.
  package var isolation: IsolationLevel?
  package var readOnly = false
  package var deferrable = false
  /// Run everything, answer with the results, then roll back.
  package var dryRun = false
  /// The time for the whole request; nil: as configured.
  package var timeoutMilliseconds: Int?
  /// How often the transaction may run, the first time included; nil: as configured.
  package var maxAttempts: Int?
  /// The role of the transaction (`SET LOCAL ROLE`).
  package var role: String?
  /// The parameters of the transaction, in the order in which they were given.
  package var settings: [Setting] = []
  package var rowFormat = RowFormat.objects
  /// May be empty: an empty transaction.
  package var items: [Item] = []
  /// The parameters of all statements, each of which holds a range of it.
  package var parameters = ParameterList()
  /// Which of the parameters are JSON arrays, in their order: they stand there as JSON text.
  package var arrays: [Int] = []

  package init() {}
}

extension TransactionRequest {
  /// One of `settings`: a configuration parameter for the transaction.
  package struct Setting: Equatable, Sendable {
    package var name: String
    package var value: String

    package init(name: String, value: String) {
      self.name = name
      self.value = value
    }
  }

  /// How a row is written.
  package enum RowFormat: String, Sendable, CaseIterable {
    case objects
    case arrays
  }

  /// One of `statements`, or of a group.
  package enum Item: Equatable, Sendable {
    case statement(Statement)
    case group(Group)
  }

  /// One SQL command.
  package struct Statement: Equatable, Sendable {
    /// Names its result; unique in the request.
    package var id: String?
    package var sql: SQLText
    /// Its parameters in the request's `parameters`; of a batch, those of all runs.
    package var parameters: Range<Int>
    /// How often it runs if it is a batch, each time with as many of its parameters.
    package var runs: Int?
    package var references: [Reference] = []
    package var expectation: Expectation?

    package init(id: String? = nil, sql: SQLText, parameters: Range<Int>) {
      self.id = id
      self.sql = sql
      self.parameters = parameters
    }
  }

  /// One of `refs`: a parameter whose value is found in the result of an earlier statement.
  package struct Reference: Equatable, Sendable {
    /// Counted from 0.
    package var parameter: Int
    /// The statement whose result is meant.
    package var id: String
    /// Where in its result, as it stands in the answer.
    package var tokens: [String]
    /// The pointer as it was given.
    package var text: String
  }

  /// How many rows a statement must have inserted, changed, deleted or returned.
  package struct Expectation: Equatable, Sendable {
    package var minimum: Int
    package var maximum: Int?

    /// Whether a number of rows meets it.
    package func isMet(by rowCount: Int) -> Bool {
      rowCount >= minimum && rowCount <= maximum ?? .max
    }
  }

  /// Items that run inside a savepoint.
  package struct Group: Equatable, Sendable {
    package var items: [Item]
    package var onError: OnError

    package init(items: [Item], onError: OnError = .rollback) {
      self.items = items
      self.onError = onError
    }
  }

  /// What the error of an item does, once its group is rolled back.
  package enum OnError: String, Sendable, CaseIterable {
    /// It goes on to what is around the group.
    case rollback
    /// It ends here: what comes after the group runs.
    case `continue`
  }
}
