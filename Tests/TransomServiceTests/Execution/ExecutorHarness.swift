import Logging
import Synchronization
import TestSupport
import TransomEventLoop
import TransomPostgres
import TransomService

/// All of a service but HTTP: event loops, a pool, and an executor for each loop.
struct ExecutorHarness: Sendable {
  let pool: DatabasePool
  let group: EventLoopGroup
  let outbox: Outbox?
  private let executors: [TransactionExecutor]

  struct Configuration {
    var loops = 1
    var connections = 1
    var limits = ExecutionLimits()
    /// With patience: a machine that does much else may need seconds for a connection.
    var pool = {
      var pool = PoolConfiguration()
      pool.waitLimit = .seconds(60)
      return pool
    }()
    /// Where to connect to, if not straight to the database.
    var connectionString: String?
    var preparesStatements = true
    /// What is known of the schema `transom`.
    var schema: SchemaInstallation?
    /// Whether events can be emitted: the schema is installed then.
    var hasOutbox = false
    var allowsAddresses = false

    /// No test shall fail because the machine is busy.
    init() {
      limits.timeout = .seconds(60)
      pool.waitLimit = .seconds(60)
    }
  }

  init(_ configuration: Configuration, conninfo: String) throws {
    group = try EventLoopGroup(count: configuration.loops)
    var connection = ConnectionConfiguration(conninfo: conninfo)
    connection.preparesStatements = configuration.preparesStatements
    var poolConfiguration = configuration.pool
    poolConfiguration.size = configuration.connections
    let pool = try DatabasePool(connection, poolConfiguration, on: group)
    self.pool = pool
    let outbox =
      configuration.hasOutbox
      ? Outbox(
        in: try Database(
          "default", DatabaseConfiguration(url: conninfo), on: EventLoopGroup(of: [group.loops[0]]),
          logger: Logger(label: "test")),
        migrates: true, allowsAddresses: configuration.allowsAddresses)
      : nil
    self.outbox = outbox
    executors = group.loops.enumerated().map {
      TransactionExecutor(
        on: $1, index: $0, databases: ["default": pool],
        schemas: configuration.schema.map { ["default": $0] } ?? [:], configuration.limits,
        outbox: outbox)
    }
  }

  /// Executes a request, and returns the answer.
  func execute(
    _ request: TransactionRequest, onLoop loop: Int = 0, _ interruption: Interruption = .init()
  ) async throws -> JSONTree {
    let body = try await answer(to: request, key: nil, onLoop: loop, interruption).body
    guard let tree = PlainJSONParser.parse(body) else {
      throw MalformedAnswer(text: String(decoding: body, as: UTF8.self))
    }
    return tree
  }

  /// Executes a request, and returns the answer as it is.
  func answer(
    to request: TransactionRequest, key: IdempotencyKey?, onLoop loop: Int = 0,
    _ interruption: Interruption = .init()
  ) async throws -> TransactionAnswer {
    try await withTaskExecutorPreference(group.loops[loop]) {
      try await executors[loop].execute(request, key: key, into: [], interruption: interruption)
    }
  }

  /// A document, decoded by the rules of this service.
  func decode(_ document: String) throws -> TransactionRequest {
    var reader = JSONReader()
    return try RequestDecoder.decode(
      Array(document.utf8).span, with: &reader,
      hooks: outbox == nil
        ? .none
        : HookRules(databases: ["default"], allowsAddresses: outbox?.allowsAddresses == true))
  }

  /// Executes a document, and returns the answer.
  func execute(
    _ document: String, onLoop loop: Int = 0, _ interruption: Interruption = .init()
  ) async throws -> JSONTree {
    try await execute(decode(document), onLoop: loop, interruption)
  }

  /// The error of a document that fails; nil if it does not.
  func failure(
    of document: String, _ interruption: Interruption = .init()
  ) async throws -> ServiceError? {
    do {
      _ = try await execute(document, interruption)
      return nil
    } catch let error as ServiceError {
      return error
    }
  }

  /// The server process of the pool's only connection.
  func backend() async throws -> Int32 {
    let answer = try await execute(
      #"{"row_format": "arrays", "statements": [{"sql": "select pg_backend_pid()"}]}"#)
    guard let text = answer["results"]?[0]?["rows"]?[0]?[0]?.text, let id = Int32(text) else {
      throw MalformedAnswer(text: "\(answer)")
    }
    return id
  }

  func shutdown() async {
    await outbox?.shutdown()
    await pool.shutdown()
    await group.shutdown()
  }

  struct MalformedAnswer: Error {
    var text: String
  }
}

/// Makes a database and a harness for it.
func withExecutor(
  _ change: (inout ExecutorHarness.Configuration) -> Void = { _ in },
  _ body: (ExecutorHarness, TestDatabase) async throws -> Void
) async throws {
  try await withDatabase { database in
    try await withExecutor(for: database, change) { try await body($0, database) }
  }
}

func withExecutor(
  for database: TestDatabase, _ change: (inout ExecutorHarness.Configuration) -> Void,
  _ body: (ExecutorHarness) async throws -> Void
) async throws {
  var configuration = ExecutorHarness.Configuration()
  change(&configuration)
  let harness = try ExecutorHarness(
    configuration, conninfo: configuration.connectionString ?? database.connectionString)
  do {
    await harness.outbox?.findSchema()
    try await body(harness)
  } catch {
    await harness.shutdown()
    throw error
  }
  await harness.shutdown()
}

extension TestDatabase {
  /// Waits until that many of the database's other sessions wait for an advisory lock.
  func waitForLockWaiters(_ count: Int) async throws {
    try await eventually("\(count) wait for a lock") {
      try await value(
        """
        select count(*) from pg_stat_activity
        where datname = current_database() and wait_event = 'advisory'
        """) == "\(count)"
    }
  }

  /// Waits until no other session of the database runs anything.
  func waitForQuiet() async throws {
    try await eventually("nothing runs") {
      try await value(
        """
        select count(*) from pg_stat_activity where datname = current_database()
        and pid <> pg_backend_pid() and backend_type = 'client backend' and state <> 'idle'
        """) == "0"
    }
  }
}

extension JSONTree {
  /// A member's value.
  subscript(key: String) -> JSONTree? {
    guard case .object(let members) = self else { return nil }
    return members.first { $0.key == Array(key.utf8) }?.value
  }

  subscript(index: Int) -> JSONTree? {
    guard case .array(let elements) = self, elements.indices.contains(index) else { return nil }
    return elements[index]
  }

  /// A string's or number's text.
  var text: String? {
    switch self {
    case .string(let octets), .number(let octets): String(decoding: octets, as: UTF8.self)
    case .null, .bool, .array, .object: nil
    }
  }

  var elements: [JSONTree] {
    guard case .array(let elements) = self else { return [] }
    return elements
  }
}
