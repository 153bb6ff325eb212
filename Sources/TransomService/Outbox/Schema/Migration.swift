/// One step of the schema `transom`: from the version before it to its own.
///
/// A migration that has been released is never changed: another one follows it. It keeps what the version before it
/// uses, as replicas of both run at the same time.
struct Migration: Sendable {
  var version: Int
  /// Its commands, in order. All migrations that are missing run in one transaction.
  var commands: [String]

  /// All of them, in order.
  static let all = [
    Migration(
      version: 1,
      commands: webhookTables + deliveryTables + emitFunctions + serviceFunctions
        + idempotencyTables + idempotencyFunctions),
    Migration(version: 2, commands: newEvents),
  ]

  /// What this program needs.
  static var newest: Int { all.last?.version ?? 0 }
}
