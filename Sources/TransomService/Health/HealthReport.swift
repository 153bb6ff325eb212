internal import TransomEventLoop
internal import TransomPostgres

/// What GET /health tells.
struct HealthReport: Sendable {
  /// Of one database.
  struct Database: Sendable {
    var alias: String
    var isRequired: Bool
    var finding: DatabaseProbe.Finding
    /// Connections at most.
    var poolSize: Int
    var connections: DatabasePool.Counts
    /// Nil where no webhooks are delivered from.
    var webhooks: Outbox.Backlog?
  }

  enum Status: String {
    case ok
    /// A database does not answer that is not required.
    case degraded
    case unavailable
    /// The service was told to stop.
    case draining
  }

  var isDraining: Bool
  var version: String
  var uptime: Duration
  var databases: [Database]

  var status: Status {
    if isDraining { return .draining }
    let failed = databases.filter { $0.finding.failure != nil }
    if failed.contains(where: \.isRequired) { return .unavailable }
    return failed.isEmpty ? .ok : .degraded
  }

  /// Whether transactions can be run, as load balancers want to know.
  var isReady: Bool { status == .ok || status == .degraded }

  /// For callers who may not see more.
  func writeStatus(to writer: inout JSONWriter) {
    writer.raw(#"{"status":"#)
    writer.string(status.rawValue)
    writer.byte(JSONWriter.closeBrace)
  }

  func write(to writer: inout JSONWriter, now: MonotonicInstant) {
    writer.raw(#"{"status":"#)
    writer.string(status.rawValue)
    writer.member("version", version)
    writer.raw(#","uptime_seconds":"#)
    writer.integer(uptime.milliseconds / 1000)
    writer.raw(#","databases":{"#)
    for (index, database) in databases.enumerated() {
      if index > 0 { writer.byte(JSONWriter.comma) }
      writer.key(database.alias)
      Self.write(database, to: &writer, now: now)
    }
    writer.raw("}}")
  }

  private static func write(
    _ database: Database, to writer: inout JSONWriter, now: MonotonicInstant
  ) {
    writer.raw(#"{"status":"#)
    switch database.finding {
    case .answers(let answer):
      writer.raw(#""ok","required":"#)
      writer.bool(database.isRequired)
      write(answer, to: &writer)
    case .busy:
      writer.raw(#""busy","required":"#)
      writer.bool(database.isRequired)
    case .fails(let reason):
      writer.raw(#""unavailable","required":"#)
      writer.bool(database.isRequired)
      writer.member("reason", reason)
    }
    let counts = database.connections
    writer.raw(#","pool":{"size":"#)
    writer.integer(database.poolSize)
    for (name, count) in [
      ("idle", counts.idle), ("leased", counts.leased), ("connecting", counts.connecting),
      ("waiting", counts.waiting),
    ] {
      writer.byte(JSONWriter.comma)
      writer.key(name)
      writer.integer(count)
    }
    writer.byte(JSONWriter.closeBrace)
    if let backlog = database.webhooks {
      writer.raw(#","webhooks":{"pending":"#)
      writer.integer(backlog.count)
      writer.raw(#","oldest_ms":"#)
      writer.integer(backlog.age.milliseconds)
      writer.raw(#","counted_ms_ago":"#)
      writer.integer((now - backlog.countedAt).milliseconds)
      writer.byte(JSONWriter.closeBrace)
    }
    writer.byte(JSONWriter.closeBrace)
  }

  private static func write(_ answer: DatabaseProbe.Answer, to writer: inout JSONWriter) {
    let microseconds = answer.latency.microseconds
    let fraction = String(microseconds % 1000)
    writer.raw(#","latency_ms":"#)
    writer.integer(microseconds / 1000)
    writer.raw(".")
    writer.raw((String(repeating: "0", count: 3 - fraction.count) + fraction).utf8.span)
    writer.member("role", answer.isStandby.map { $0 ? "standby" : "primary" })
    writer.member("server_version", answer.serverVersion)
    if let lag = answer.replayLag {
      writer.raw(#","replay_lag_seconds":"#)
      writer.raw(lag.utf8.span)
    }
    writer.raw(#","schema":{"version":"#)
    if let version = answer.schemaVersion { writer.integer(version) } else { writer.null() }
    writer.raw(#","needed":"#)
    writer.integer(Migration.newest)
    writer.byte(JSONWriter.closeBrace)
  }
}
