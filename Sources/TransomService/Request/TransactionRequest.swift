package import TransomPostgres

/// The document of POST /transactions, decoded and checked: what a client asks for.
package struct TransactionRequest: Equatable, Sendable {
  /// The alias of the database.
  package var database = "default"
  /// nil: as the database has it.
  package var isolation: IsolationLevel?
  package var readOnly = false
  /// Whether it must store nothing, whoever its statements ask: more than `readOnly`, which they can undo (see
  /// `TransactionPlan.Step.verify`).
  package var storesNothing = false
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
  /// How the results are written if the request came as POST /sql, whose answers are others; then it is statements alone.
  package var neon: NeonForm?
  /// May be empty: an empty transaction.
  package var items: [Item] = []
  /// What is emitted if the transaction is committed, in order.
  package var hooks: [Hook] = []
  /// What the service itself tells of the commit; nil if nobody wants to know.
  package var report: Report?
  /// The parameters of all statements and hooks, each of which holds a range of it.
  package var parameters = ParameterList()
  /// Which of the parameters are JSON arrays, in their order: they stand there as JSON text.
  package var arrays: [Int] = []
  /// Which of the parameters are ids of events. They hold zeros until the request is executed (`identifyEvents`).
  package private(set) var eventIDs: [Int] = []

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
    package var sql: SQLText
    /// Its parameters in the request's `parameters`; of a batch, those of all runs.
    package var parameters: Range<Int>
    /// How often it runs if it is a batch, each time with as many of its parameters.
    package var runs: Int?
    private var details: Details?

    /// Names its result; unique in the request.
    package var id: String? { details?.id }
    package var references: [Reference] { details?.references ?? [] }
    package var expectation: Expectation? { details?.expectation }

    package init(
      id: String? = nil, sql: SQLText, parameters: Range<Int>, runs: Int? = nil,
      references: [Reference] = [], expectation: Expectation? = nil
    ) {
      self.sql = sql
      self.parameters = parameters
      self.runs = runs
      guard id != nil || !references.isEmpty || expectation != nil else { return }
      details = Details(id: id, references: references, expectation: expectation)
    }

    /// What few statements have, apart from the rest: each part of a statement that is copied with it takes its time.
    private final class Details: Equatable, Sendable {
      let id: String?
      let references: [Reference]
      let expectation: Expectation?

      init(id: String?, references: [Reference], expectation: Expectation?) {
        self.id = id
        self.references = references
        self.expectation = expectation
      }

      static func == (a: Details, b: Details) -> Bool {
        a.id == b.id && a.references == b.references && a.expectation == b.expectation
      }
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

  /// One of `on_commit`: an event.
  package struct Hook: Equatable, Sendable {
    package var event: String
    /// Whether it goes to an address of its own, instead of to the webhooks that take it.
    package var hasAddress: Bool
    /// In the request's `parameters`: its id, its address if it has one, the event, the data.
    package var parameters: Range<Int>
    /// The data, if they hold values out of results.
    package var template: Template?
  }

  /// JSON text with holes for values out of results.
  package struct Template: Equatable, Sendable {
    /// The text around the holes: one piece more than there are references.
    package var pieces: [[UInt8]]
    /// What fills each hole, whose number is the reference's `parameter`.
    package var references: [Reference]
    /// Where in the data each hole is.
    package var places: [String]
  }

  /// The event `transaction.committed`.
  package struct Report: Equatable, Sendable {
    /// In the request's `parameters`: its id, the database's alias, the request's id, the number of statements.
    package var parameters: Range<Int>
  }

  /// Items that run inside a savepoint.
  package struct Group: Equatable, Sendable {
    package var items: [Item]
    package var onError: OnError
    /// What is emitted unless the group is rolled back, in order.
    package var hooks: [Hook] = []

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

extension TransactionRequest {
  private static let unknownEventID = [UInt8](repeating: UInt8(ascii: "0"), count: 32)

  /// Appends a place for an event's id to the parameters.
  mutating func appendEventID() {
    eventIDs.append(parameters.count)
    parameters.append(Self.unknownEventID)
  }

  /// Lets the commit be told to the webhooks that want to know, unless nothing can be stored.
  mutating func reportCommit(as name: [UInt8]) {
    guard !readOnly, !dryRun else { return }
    let first = parameters.count
    appendEventID()
    parameters.append(database.utf8)
    parameters.append(name)
    parameters.append(String(Self.statementCount(items)).utf8)
    report = Report(parameters: first..<parameters.count)
  }

  private static func statementCount(_ items: [Item]) -> Int {
    items.reduce(0) { count, item in
      switch item {
      case .statement: count + 1
      case .group(let group): count + statementCount(group.items)
      }
    }
  }
}
