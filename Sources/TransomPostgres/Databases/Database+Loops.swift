package import Logging
package import TransomEventLoop

extension Database {
  /// A database whose connections live on event loops that are there already, instead of those of a ``Databases``.
  ///
  /// - Throws: `PostgresError` of kind `.configuration`.
  package init(
    _ alias: String, _ configuration: DatabaseConfiguration, on group: EventLoopGroup,
    logger: Logger
  ) throws(PostgresError) {
    try configuration.validate(alias)
    core = try DatabaseCore(
      alias, configuration, on: group, bringsBodies: true, instrumentation: Instrumentation(),
      logger: logger)
  }

  /// Refuses who comes, waits until every connection has come back, and closes them all.
  package func shutdown() async { await core.pool.shutdown() }
}
