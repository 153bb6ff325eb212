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
  private let loopCount: Int
  private let turn = Atomic(0)

  init(
    _ alias: String, _ configuration: DatabaseConfiguration, on group: EventLoopGroup,
    instrumentation: Instrumentation, logger: Logger
  ) throws(PostgresError) {
    self.alias = alias
    self.configuration = configuration
    self.instrumentation = instrumentation
    self.logger = logger
    target = ServerTarget(configuration.connection, alias: alias)
    loopCount = group.loops.count
    do {
      pool = try DatabasePool(configuration.connection, configuration.pool, on: group)
    } catch {
      throw PostgresError(.configuration, "databases.\(alias).url: \(error.message)")
    }
  }

  /// A connection of the next loop, in turn.
  func lease(isShielded: Bool = false) async throws -> DatabasePool.Lease {
    let index =
      loopCount == 1 ? 0 : turn.add(1, ordering: .relaxed).oldValue & Int.max % loopCount
    do {
      return try await pool.onLoop(index).lease(
        until: .now + pool.waitLimit, isCancellable: !isShielded)
    } catch {
      if error == .cancelled { throw CancellationError() }
      throw PostgresError(error)
    }
  }
}
