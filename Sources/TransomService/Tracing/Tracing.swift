internal import HTTPTypes
internal import Logging
internal import TransomEventLoop
internal import TransomHTTP
internal import TransomMetrics
internal import TransomPostgres

/// Makes spans of requests, and has them sent. There is none unless a collector is configured.
final class Tracing: Sendable {
  private let buffer: SpanBuffer
  private let exporter: SpanExporter
  /// The exporter's own, so that it takes no time of those that answer requests.
  private let loops: EventLoopGroup
  private let targets: [String: DatabaseTarget]
  private let transactions: Set<String>
  private let sampled: Int

  private static let flushLimit = Duration.seconds(3)

  /// Nil: no collector is configured.
  init?(
    _ configuration: ServiceConfiguration, in registry: MetricsRegistry, logger: Logger
  ) throws(SystemError) {
    guard let target = configuration.tracing.target else { return nil }
    loops = try EventLoopGroup(count: 1)
    buffer = SpanBuffer(in: registry)
    exporter = SpanExporter(
      of: buffer, to: target, headers: configuration.tracing.headers,
      TraceDocument.Resource(
        serviceName: configuration.tracing.serviceName, version: QueryService.version,
        instance: TraceID.trace(.random(in: .min ... .max), .random(in: .min ... .max))),
      on: loops.loops[0], logger: logger)
    targets = configuration.databases.mapValues {
      let connection = $0.connection
      return DatabaseTarget(
        name: connection.option("dbname"), address: connection.option("host"),
        port: connection.option("port").flatMap { Int($0) })
    }
    transactions = Set(configuration.transactions.map(\.name))
    sampled = configuration.tracing.sampled
  }

  /// The same handler, whose requests are traced from now on.
  func traced(_ handler: ServiceHandler) -> any RequestHandler {
    TracedHandler(inner: handler, tracing: self)
  }

  /// Sends spans until `stop`.
  func run() async { await exporter.run() }

  /// Sends what is left, for a few seconds at most.
  func stop() async {
    await exporter.stop(within: Self.flushLimit)
  }

  /// Ends the thread; after `run` has returned.
  func shutdown() async { await loops.shutdown() }

  /// The span of a request; nil if it gets none. Whoever sent the request decides, or else chance.
  fileprivate func begin(_ request: Request, at start: MonotonicInstant) -> RequestSpan? {
    let parent = TraceContext(request)
    let isSampled =
      parent?.isSampled
      ?? (sampled > 0 && Int.random(in: 0..<TracingConfiguration.all) < sampled)
    return isSampled ? RequestSpan(in: parent, at: start, targets) : nil
  }

  fileprivate func route(_ request: Request) -> TracedRoute? {
    guard request.method == .post else { return nil }
    if request.hasPath("/transactions") { return TracedRoute(path: "/transactions") }
    if request.hasPath("/sql") { return TracedRoute(path: "/sql") }
    guard request.hasPath(prefix: "/transactions/"), let segments = request.pathSegments,
      segments.count == 2, let name = segments.last, !name.isEmpty
    else { return nil }
    return TracedRoute(
      path: "/transactions/{transaction}", transaction: transactions.contains(name) ? name : nil)
  }

  fileprivate func ended(_ spans: [TraceSpan]) {
    if buffer.append(spans) { exporter.wake() }
  }
}

/// What is traced, by names that clients do not choose.
struct TracedRoute {
  /// As openapi.yaml writes the path.
  var path: String
  /// The named transaction, if there is one of that name.
  var transaction: String?
}

/// Traces what another handler answers.
private struct TracedHandler: RequestHandler {
  let inner: ServiceHandler
  let tracing: Tracing

  func respond(to request: Request, in exchange: Exchange) async -> Response {
    guard let route = tracing.route(request),
      let span = tracing.begin(request, at: exchange.receivedAt)
    else { return await inner.respond(to: request, in: exchange) }
    let response = await RequestSpan.$current.withValue(span) {
      await inner.respond(to: request, in: exchange)
    }
    tracing.ended(span.end(request, route, response, outcome: exchange.outcome))
    return response
  }

  func answersWithoutBody(_ request: Request) -> Bool { inner.answersWithoutBody(request) }

  func response(to refusal: Refusal, request: Request?) -> Response {
    inner.response(to: refusal, request: request)
  }
}
