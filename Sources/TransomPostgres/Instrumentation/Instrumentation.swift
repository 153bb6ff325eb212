internal import Metrics
internal import Tracing
internal import TransomEventLoop

/// What the library tells of its work: to swift-distributed-tracing and swift-metrics, in the names of OpenTelemetry's
/// conventions for database clients. Both are off by default, and cost nothing then.
public struct Instrumentation: Sendable {
  /// Whether each atomic block and each statement is a span of the tracer of `InstrumentationSystem`.
  public var emitsSpans: Bool
  /// Whether the durations of statements (`db.client.operation.duration`), of waits for a connection
  /// (`db.client.connection.wait_time`), and the numbers of transactions (`transom.transactions`) are metrics of
  /// `MetricsSystem`.
  public var emitsMetrics: Bool

  /// Takes both.
  public init(emitsSpans: Bool = false, emitsMetrics: Bool = false) {
    self.emitsSpans = emitsSpans
    self.emitsMetrics = emitsMetrics
  }

  var isOn: Bool { emitsSpans || emitsMetrics }
}

/// A server and its database, as OpenTelemetry names them.
struct ServerTarget: Sendable {
  /// The database, or its alias if the connection string does not name it.
  let database: String
  let address: String?
  let port: Int?

  init(_ configuration: ConnectionConfiguration, alias: String) {
    database = configuration.option("dbname") ?? alias
    address = configuration.option("host")
    port = configuration.option("port").flatMap { Int($0) }
  }
}

extension DatabaseCore {
  /// Runs a statement inside a span, and measures it.
  func observed<Result>(
    _ sql: String, batch: Int?, _ body: () async throws -> Result
  ) async throws -> Result {
    guard instrumentation.isOn else { return try await body() }
    let operation = sql.operationName
    let start = ContinuousClock.now
    do {
      let result = try await spanned(operation, sql, batch: batch, body)
      measure(operation, since: start, error: nil)
      return result
    } catch {
      measure(operation, since: start, error: error)
      throw error
    }
  }

  private func spanned<Result>(
    _ operation: String, _ sql: String, batch: Int?, _ body: () async throws -> Result
  ) async throws -> Result {
    guard instrumentation.emitsSpans else { return try await body() }
    return try await withSpan(operation, ofKind: .client) { span in
      describeServer(in: span)
      span.attributes["db.operation.name"] = operation
      // Values are parameters, never a part of the text.
      span.attributes["db.query.text"] = sql
      if let batch { span.attributes["db.operation.batch.size"] = batch }
      return try await marking(span, body)
    }
  }

  /// Runs an atomic block inside a span.
  func observedBlock<Result>(
    isOutermost: Bool, _ body: () async throws -> Result
  ) async throws -> Result {
    guard instrumentation.emitsSpans else { return try await body() }
    let name = isOutermost ? "TRANSACTION" : "SAVEPOINT"
    return try await withSpan(name, ofKind: .client) { span in
      describeServer(in: span)
      span.attributes["db.operation.name"] = name
      return try await marking(span, body)
    }
  }

  private func describeServer(in span: any Span) {
    span.attributes["db.system.name"] = "postgresql"
    span.attributes["db.namespace"] = target.database
    if let address = target.address { span.attributes["server.address"] = address }
    if let port = target.port { span.attributes["server.port"] = port }
  }

  private func marking<Result>(
    _ span: any Span, _ body: () async throws -> Result
  ) async throws -> Result {
    do {
      return try await body()
    } catch {
      if let state = (error as? PostgresError)?.sqlState {
        span.attributes["db.response.status_code"] = state.code
      }
      span.attributes["error.type"] = Self.type(of: error)
      throw error
    }
  }

  private func measure(
    _ operation: String, since start: ContinuousClock.Instant, error: (any Error)?
  ) {
    guard instrumentation.emitsMetrics else { return }
    var dimensions = dimensions + [("db.operation.name", operation)]
    if let error { dimensions.append(("error.type", Self.type(of: error))) }
    Metrics.Timer(label: "db.client.operation.duration", dimensions: dimensions)
      .recordNanoseconds((ContinuousClock.now - start).nanoseconds)
  }

  /// Measures the wait for a connection.
  func measureWait(since start: ContinuousClock.Instant) {
    guard instrumentation.emitsMetrics else { return }
    Metrics.Timer(label: "db.client.connection.wait_time", dimensions: dimensions)
      .recordNanoseconds((ContinuousClock.now - start).nanoseconds)
  }

  /// Counts a transaction's end.
  func countTransaction(_ outcome: String) {
    guard instrumentation.emitsMetrics else { return }
    Counter(label: "transom.transactions", dimensions: dimensions + [("outcome", outcome)])
      .increment()
  }

  private var dimensions: [(String, String)] {
    [("db.system.name", "postgresql"), ("db.namespace", target.database)]
  }

  private static func type(of error: any Error) -> String {
    if let state = (error as? PostgresError)?.sqlState { return state.code }
    if let kind = (error as? PostgresError)?.kind { return "\(kind)" }
    return "\(Swift.type(of: error))"
  }
}

extension String {
  /// The first word of SQL, which names the operation.
  var operationName: String {
    let word = drop { !$0.isLetter }.prefix { $0.isLetter }
    return word.isEmpty ? "QUERY" : word.uppercased()
  }
}
