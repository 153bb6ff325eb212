package import TransomEventLoop

/// What became of a transaction whose connection was lost at its end
/// (PostgreSQL manual, 9.27.9 "Transaction ID and Snapshot Information Functions", `pg_xact_status`).
package enum TransactionFate: String, Sendable {
  case committed
  case aborted
  case inProgress = "in progress"

  /// Asks for the fate of the transaction `$1`, and for the age of the server's statistics in milliseconds.
  package static let sql = """
    select pg_catalog.pg_xact_status($1::xid8), (select
      (extract(epoch from pg_catalog.clock_timestamp() - stats_reset) * 1000)::bigint from pg_catalog.pg_stat_bgwriter)
    """

  /// Reads the answer, for a transaction that has begun at `begin`, or later; nil if its fate is not to be found out.
  ///
  /// After a crash PostgreSQL may give out numbers again that it has told, but not written down: then "committed" may be
  /// another transaction's. A crash resets the statistics.
  package init?(status: String?, statisticsAge: String?, since begin: MonotonicInstant) {
    // NULL: it is so old that nobody knows any more.
    guard let fate = status.flatMap(Self.init(rawValue:)) else { return nil }
    if fate != .aborted, let age = statisticsAge.flatMap({ Int($0) }),
      .milliseconds(age) <= MonotonicInstant.now - begin
    {
      return nil
    }
    self = fate
  }
}
