/// How to reach a database, and how to use it.
public struct DatabaseConfiguration: Sendable {
  /// The server, and how its connections behave.
  public var connection: ConnectionConfiguration
  /// How many connections there are, and how long to wait for one.
  public var pool = PoolConfiguration()
  /// Whether a transaction asks for its number before COMMIT, so that it can be found out what became of it when the
  /// connection is lost meanwhile. It costs the server some microseconds for each transaction that is not read-only.
  public var resolvesCommitInDoubt = true
  /// How long it is tried to find that out.
  public var inDoubtLimit: Duration = .seconds(10)

  /// Takes a libpq connection string or URL (PostgreSQL manual, 34.1.1 "Connection Strings").
  public init(url: String) { connection = ConnectionConfiguration(conninfo: url) }
}
