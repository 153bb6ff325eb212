internal import FoundationEssentials
internal import HTTPTypes
internal import Synchronization
internal import TransomEventLoop
internal import TransomHTTP
internal import TransomPostgres

/// The span of a request that is being answered, and those of its parts that have ended.
///
/// Where its transaction ends finds it by its task: nothing is passed along the way of requests that are not traced.
final class RequestSpan: Sendable {
  /// That of the request that the task answers; nil if it is not traced.
  @TaskLocal static var current: RequestSpan?

  private struct State {
    var parts: [TraceSpan] = []
    var attempts: Int?
    var problem: String?
  }

  private let targets: [String: DatabaseTarget]
  let traceID: String
  private let id: String
  private let parentID: String?
  private let start: MonotonicInstant
  /// What to add to the monotonic clock, in nanoseconds: the same for all parts.
  private let epoch: Int64
  private let state = Mutex(State())

  /// A request's span, which began at `start`: a part of `parent`'s trace, or of a new one.
  init(in parent: TraceContext?, at start: MonotonicInstant, _ targets: [String: DatabaseTarget]) {
    self.targets = targets
    traceID = parent?.traceIDText ?? TraceID.trace(Self.lots, Self.lots)
    id = TraceID.span(Self.lots)
    parentID = parent?.parentIDText
    self.start = start
    let wall = Int64(Date().timeIntervalSince1970 * 1_000_000_000)
    epoch = wall - MonotonicInstant.now.sinceOrigin.nanoseconds
  }

  private static var lots: UInt64 { .random(in: .min ... .max) }

  private func time(_ instant: MonotonicInstant) -> Int64 {
    epoch + instant.sinceOrigin.nanoseconds
  }

  private func part(
    _ name: String, _ kind: TraceSpan.Kind, from start: MonotonicInstant, to end: MonotonicInstant
  ) -> TraceSpan {
    TraceSpan(
      traceID: traceID, id: TraceID.span(Self.lots), parentID: id, name: name, kind: kind,
      start: time(start), end: time(end))
  }

  /// The request's transaction has ended right now.
  ///
  /// Of one attempt the wait for a connection and the time on it are told apart; of several the time from when the request
  /// was there, with all waits and pauses.
  func transactionEnded(
    in alias: String, _ error: ServiceError?, _ timing: TransactionAnswer.Timing, attempts: Int
  ) {
    let now = MonotonicInstant.now
    let leased = attempts > 0 ? now.advanced(by: .zero - timing.execute) : now
    var parts: [TraceSpan] = []
    if attempts <= 1 {
      var wait = part(
        "wait for connection", .internal, from: leased.advanced(by: .zero - timing.queue),
        to: leased)
      wait.set("db.client.connection.pool.name", alias)
      wait.hasFailed = attempts == 0 && error != nil
      if attempts == 0 { wait.set("error.type", error?.problem.code) }
      parts.append(wait)
    }
    if attempts > 0 {
      var transaction = part(
        "TRANSACTION", .client, from: attempts == 1 ? leased : start, to: now)
      describe(&transaction, alias, error)
      if attempts > 1 {
        transaction.set("transom.attempts", attempts)
        transaction.set(
          "transom.queue.duration", seconds: Double(timing.queue.nanoseconds) / 1_000_000_000)
      }
      parts.append(transaction)
    }
    state.withLock { state in
      state.parts += parts
      state.attempts = attempts
      state.problem = error?.problem.code
    }
  }

  private func describe(_ span: inout TraceSpan, _ alias: String, _ error: ServiceError?) {
    let target = targets[alias]
    span.set("db.system.name", "postgresql")
    span.set("db.namespace", target?.name)
    span.set("db.operation.name", "TRANSACTION")
    span.set("server.address", target?.address)
    span.set("server.port", target?.port)
    span.set("transom.database", alias)
    guard let problem = error?.problem else { return }
    // Neither the message nor the detail: they hold values.
    span.set("db.response.status_code", problem.serverError?.sqlState.code)
    span.set("error.type", problem.serverError?.sqlState.code ?? problem.code)
    span.hasFailed = true
  }

  /// All spans of the request, now that it is answered.
  func end(
    _ request: Request, _ route: TracedRoute, _ response: Response, outcome: String?
  ) -> [TraceSpan] {
    let state = state.withLock { $0 }
    var span = TraceSpan(
      traceID: traceID, id: id, parentID: parentID, hasRemoteParent: parentID != nil,
      name: "\(request.method.rawValue) \(route.path)", kind: .server, start: time(start),
      end: time(.now))
    span.set("http.request.method", request.method.rawValue)
    span.set("http.route", route.path)
    span.set("url.path", request.path)
    span.set("url.scheme", "http")
    let host = request.hostText.map(Self.host)
    span.set("server.address", host?.name)
    span.set("server.port", host?.port)
    span.set("network.protocol.version", request.head.version == .http10 ? "1.0" : "1.1")
    span.set("http.response.status_code", response.status.code)
    span.set("transom.outcome", outcome)
    span.set("transom.transaction", route.transaction)
    span.set("transom.attempts", state.attempts)
    span.set("transom.problem", state.problem)
    span.set("transom.request_id", response.fields.value(of: "X-Request-Id"))
    // What the client has done wrong is no error of a server's span (OpenTelemetry, "HTTP spans", "Status").
    if response.status.code >= 500 {
      span.set("error.type", state.problem ?? String(response.status.code))
      span.hasFailed = true
    }
    return [span] + state.parts
  }

  /// A name, and a port if there is one: `[::1]:8080` is `::1` and 8080.
  static func host(_ text: String) -> (name: String, port: Int?) {
    guard let colon = text.lastIndex(of: ":"), let port = Int(text[text.index(after: colon)...]),
      !text[..<colon].contains(":") || text[..<colon].hasSuffix("]")
    else { return (bare(text[...]), nil) }
    return (bare(text[..<colon]), port)
  }

  private static func bare(_ name: Substring) -> String {
    name.hasPrefix("[") && name.hasSuffix("]")
      ? String(name.dropFirst().dropLast()) : String(name)
  }
}

/// A database and its server, as the connection string names them; what it leaves open is not told.
struct DatabaseTarget: Sendable {
  var name: String?
  var address: String?
  var port: Int?
}
