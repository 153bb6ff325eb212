public import Logging
public import ServiceLifecycle
internal import Synchronization
internal import TransomEventLoop

/// The databases of a program, by alias, with a pool of connections for each.
///
///     let databases = try Databases(["default": DatabaseConfiguration(url: "postgres:///app")])
///     try await databases.default.atomic { tx in
///       try await tx.execute("insert into account (owner) values (\(owner))")
///     }
///     await databases.shutdown()
///
/// Connections are made when they are needed. It is a service, too: add it to a `ServiceGroup`, and it closes its
/// connections when the group stops; or call ``shutdown()``.
public final class Databases: Sendable {
  private let databases: [String: Database]
  private let group: EventLoopGroup
  private let isShutDown = Atomic(false)

  /// Checks the settings, and makes pools without connecting. The threads are described in
  /// <doc:ConcurrencyAndOwnership>.
  ///
  /// - Parameters:
  ///   - configurations: the databases, by alias.
  ///   - eventLoops: the number of threads that talk to the servers, from 1 to 1024.
  ///   - runsBodiesOnEventLoops: whether what a block does runs on the thread of its connection, as in asyncio: then a
  ///     statement costs no change of threads, and a block two of them. What computes for long, or blocks, holds up the
  ///     other connections of that thread meanwhile. If false, bodies run where they would run otherwise, and each statement
  ///     costs two.
  ///   - instrumentation: what is told to tracing and metrics.
  ///   - logger: gets what nobody else is told, such as the errors of robust `onCommit` hooks.
  /// - Throws: `PostgresError` of kind `.configuration` that names the alias and the setting.
  public init(
    _ configurations: [String: DatabaseConfiguration], eventLoops: Int = 1,
    runsBodiesOnEventLoops: Bool = true,
    instrumentation: Instrumentation = Instrumentation(),
    logger: Logger = Logger(label: "transom.postgres")
  ) throws {
    guard !configurations.isEmpty else {
      throw PostgresError(.configuration, "no database is configured")
    }
    guard 1...1024 ~= eventLoops else {
      throw PostgresError(.configuration, "eventLoops is \(eventLoops), and may be from 1 to 1024")
    }
    for (alias, configuration) in configurations { try configuration.validate(alias) }
    do {
      group = try EventLoopGroup(count: eventLoops)
    } catch {
      throw PostgresError(.configuration, "no event loop can be started: \(error)")
    }
    let group = group
    databases = try configurations.reduce(into: [:]) { databases, entry in
      let core = try DatabaseCore(
        entry.key, entry.value, on: group, bringsBodies: runsBodiesOnEventLoops,
        instrumentation: instrumentation, logger: logger)
      databases[entry.key] = Database(core: core)
    }
  }

  /// The database with the alias `default`.
  ///
  /// - Throws: `PostgresError` of kind `.unknownDatabase`.
  public var `default`: Database {
    get throws { try self["default"] }
  }

  /// The database of an alias.
  ///
  /// - Throws: `PostgresError` of kind `.unknownDatabase` that names the known ones.
  public subscript(alias: String) -> Database {
    get throws {
      guard let database = databases[alias] else {
        let known = databases.keys.sorted().joined(separator: ", ")
        throw PostgresError(.unknownDatabase, "there is no database \(alias); there are: \(known)")
      }
      return database
    }
  }

  /// The aliases, sorted.
  public var aliases: [String] { databases.keys.sorted() }

  /// Runs the body with connections of its own: inside, each alias has another connection than outside, with
  /// transactions of its own. So a child task can use the databases, too, in parallel with others.
  ///
  ///     try await withThrowingTaskGroup { group in
  ///       for id in ids {
  ///         group.addTask {
  ///           try await databases.withIndependentConnections {
  ///             try await databases.default.atomic { tx in … }
  ///           }
  ///         }
  ///       }
  ///       try await group.waitForAll()
  ///     }
  @discardableResult
  public func withIndependentConnections<Result>(
    _ body: () async throws -> Result
  ) async throws -> Result {
    let frame = AmbientFrame(barrierFor: databases.values.map(\.core), inside: AmbientFrame.current)
    return try await AmbientFrame.$current.withValue(frame) { try await body() }
  }

  /// Refuses who comes, waits until every connection has come back, and closes them all.
  public func shutdown() async {
    guard !isShutDown.exchange(true, ordering: .sequentiallyConsistent) else { return }
    for database in databases.values { await database.core.pool.shutdown() }
    await group.shutdown()
  }
}

extension Databases: Service {
  /// Waits for the graceful shutdown of the service group, or for the task's cancellation, and shuts down.
  public func run() async throws {
    try? await gracefulShutdown()
    await shutdown()
  }
}

extension DatabaseConfiguration {
  func validate(_ alias: String) throws(PostgresError) {
    do {
      try connection.validate()
    } catch {
      throw PostgresError(.configuration, "databases.\(alias).url: \(error.message)")
    }
    let numbers = [
      ("pool.size", pool.size, 1...10_000),
      ("connection.preparedStatementLimit", connection.preparedStatementLimit, 1...1_000_000),
      ("connection.connectTimeoutSeconds", connection.connectTimeoutSeconds, 0...86_400),
    ]
    for (name, value, range) in numbers where !range.contains(value) {
      throw PostgresError(
        .configuration,
        "databases.\(alias).\(name) is \(value), and may be from \(range.lowerBound) to \(range.upperBound)"
      )
    }
    let durations = [
      ("pool.waitLimit", pool.waitLimit), ("pool.maximumLifetime", pool.maximumLifetime),
      ("inDoubtLimit", inDoubtLimit),
    ]
    for (name, value) in durations where value < .zero {
      throw PostgresError(.configuration, "databases.\(alias).\(name) is negative")
    }
  }
}
