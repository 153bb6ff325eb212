internal import Logging
package import TransomPostgres

/// The schema `transom` of one database: installs it, brings it up to date, and tells whether it is there.
package struct Schema: Sendable {
  /// Why the schema is not there.
  package struct Missing: Error, CustomStringConvertible {
    package let description: String
  }

  /// What replicas that start at the same time wait for, one after the other: any number that others do not use.
  private static let advisoryLock = 0x7472_616E_736F_6D01

  private let database: Database

  package init(in database: Database) { self.database = database }

  /// Installs or updates the schema, and returns the versions that were missing: none if it is up to date.
  ///
  /// All is done in one transaction, so that a failure leaves the schema as it was. A schema that a newer program has
  /// updated is left alone. The role needs CREATE on the database only if there is no schema of that name yet, and
  /// else must own it.
  ///
  /// - Throws: ``Missing`` if the role may not do that, `PostgresError` for everything else.
  package func migrate() async throws -> [Int] {
    if let installed = try await installedVersion(), installed >= Migration.newest { return [] }
    do {
      // Whatever the role's default is: who has waited for the lock must see what was made under it.
      return try await database.atomic(isolation: .readCommitted, readOnly: false) {
        try await migrate($0)
      }
    } catch let error as PostgresError where error.kind == .insufficientPrivilege {
      throw Missing(
        description: "the role may not install the schema transom (\(error)): "
          + "run \"transom migrate\" as a role that may create it, or that owns it")
    }
  }

  private func migrate(_ transaction: Transaction) async throws -> [Int] {
    try await transaction.execute("select pg_advisory_xact_lock(\(Self.advisoryLock))")
    if try await !exists("select from pg_namespace where nspname = 'transom'", transaction) {
      try await transaction.execute("create schema transom")
    }
    // Not IF NOT EXISTS, which asks for the right to create even if there is nothing to create.
    if try await !exists(Self.versionTable, transaction) {
      try await transaction.execute(
        """
        create table transom.schema_version (
          version int primary key,
          installed_at timestamptz not null default now()
        )
        """)
    }
    let installed = try await version(transaction)
    let missing = Migration.all.filter { $0.version > installed }
    for migration in missing {
      for command in migration.commands { try await transaction.execute(Statement(sql: command)) }
      try await transaction.execute(
        "insert into transom.schema_version (version) values (\(migration.version))")
    }
    return missing.map(\.version)
  }

  /// The version of the schema; nil if there is none that this role may use.
  ///
  /// - Throws: `PostgresError`.
  package func installedVersion() async throws -> Int? {
    try await database.withConnection { connection in
      guard try await exists(Self.readableVersionTable, connection) else { return nil }
      return try await version(connection)
    }
  }

  /// Checks that the schema is there, in the version that this program needs or a newer one, for a role that owns it.
  ///
  /// - Throws: ``Missing`` if it is not, `PostgresError` for everything else.
  package func check() async throws {
    switch try await installedVersion() {
    case nil:
      throw Missing(description: "the schema transom is not installed: run \"transom migrate\"")
    case let version? where version < Migration.newest:
      throw Missing(
        description: "the schema transom has version \(version), and needs \(Migration.newest): "
          + "run \"transom migrate\"")
    case _?: return
    }
  }

  private static let versionTable: Statement = """
    select from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where n.nspname = 'transom' and c.relname = 'schema_version'
    """

  /// Others may see that there is a schema, and use nothing of it.
  private static let readableVersionTable: Statement = """
    select from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where n.nspname = 'transom' and c.relname = 'schema_version'
      and pg_has_role(c.relowner, 'member')
    """

  private func exists(_ query: Statement, _ connection: Connection) async throws -> Bool {
    try await !connection.query(query).isEmpty
  }

  private func version(_ connection: Connection) async throws -> Int {
    try await connection.query("select coalesce(max(version), 0) from transom.schema_version")
      .only(Int.self)
  }
}
