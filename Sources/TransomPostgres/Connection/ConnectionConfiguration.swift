/// How to reach one database, and how its connections behave.
public struct ConnectionConfiguration: Sendable {
  /// A libpq connection string or URL (PostgreSQL manual, 34.1.1 "Connection Strings").
  public var conninfo: String
  /// Whether statements are prepared once for each connection. Off behind PgBouncer in transaction mode.
  public var preparesStatements = true
  /// The number of prepared statements kept for each connection.
  public var preparedStatementLimit = 256
  /// How long connecting may take, in seconds, unless the connection string has its own.
  public var connectTimeoutSeconds = 10

  /// What else is set when a session starts, such as `work_mem=16MB`; not where statements are not prepared.
  package var sessionSettings: [String] = []

  /// Takes the connection string; it is checked when a pool is made with it.
  public init(conninfo: String) { self.conninfo = conninfo }

  /// Checks the connection string without connecting.
  ///
  /// - Throws: libpq's words for what is wrong.
  public func validate() throws(ConnectError) { try PGConnectionHandle.validate(conninfo) }

  /// A keyword of the connection string, such as `dbname`; nil if it leaves that to libpq's defaults.
  package func option(_ name: String) -> String? {
    try? PGConnectionHandle.option(name, of: conninfo)
  }

  /// What our text decoding relies on. As options of the session's start they are also what RESET returns to.
  static let sessionOptions = [
    "DateStyle=ISO", "bytea_output=hex", "extra_float_digits=1", "standard_conforming_strings=on",
  ]

  func connect() throws(ConnectError) -> PGConnectionHandle {
    try PGConnectionHandle(
      connecting: conninfo,
      defaults: [
        ("connect_timeout", String(connectTimeoutSeconds)),
        ("fallback_application_name", "transom"),
        // A server that is gone without a word is noticed within a minute (34.1.2); the system's default is two hours.
        ("keepalives_idle", "30"), ("keepalives_interval", "10"), ("keepalives_count", "3"),
        ("tcp_user_timeout", "60000"),
      ],
      // PgBouncer refuses start-up options that it does not track.
      sessionOptions: preparesStatements ? Self.sessionOptions + sessionSettings : [])
  }
}
