internal import Logging
internal import Synchronization
internal import TransomEventLoop

/// What one database's connections share.
package final class DatabaseCore: Sendable {
  let alias: String
  let configuration: DatabaseConfiguration
  let pool: DatabasePool
  let instrumentation: Instrumentation
  let logger: Logger
  /// What spans and metrics say of the server, as far as the connection string tells.
  let target: ServerTarget
  /// Whether the bodies of transactions run on the loop of their connection.
  let bringsBodies: Bool
  private let loops: [EventLoop]
  private let turn = Atomic(0)

  init(
    _ alias: String, _ configuration: DatabaseConfiguration, on group: EventLoopGroup,
    bringsBodies: Bool, instrumentation: Instrumentation, logger: Logger
  ) throws(PostgresError) {
    self.alias = alias
    self.configuration = configuration
    self.instrumentation = instrumentation
    self.logger = logger
    target = ServerTarget(configuration.connection, alias: alias)
    self.bringsBodies = bringsBodies
    loops = group.loops
    do {
      pool = try DatabasePool(configuration.connection, configuration.pool, on: group)
    } catch {
      throw PostgresError(.configuration, "databases.\(alias).url: \(error.message)")
    }
  }

  /// The loop that the caller runs on, if it is one of ours; else the next one, in turn.
  var nextLoop: Int {
    guard loops.count > 1 else { return 0 }
    return loops.firstIndex { $0.isCurrent }
      ?? (turn.add(1, ordering: .relaxed).oldValue & Int.max) % loops.count
  }

  func loop(_ index: Int) -> EventLoop { loops[index] }

  /// A connection of a loop's, or one that another loop lends it.
  func lease(onLoop index: Int, isShielded: Bool = false) async throws -> DatabasePool.Lease {
    let own = pool.onLoop(index)
    if loops[index].isCurrent, let lease = own.leaseIdle() { return lease }
    do {
      return try await own.lease(until: .now + pool.waitLimit, isCancellable: !isShielded)
    } catch {
      if error == .cancelled { throw CancellationError() }
      throw PostgresError(error)
    }
  }
}
