internal import FoundationEssentials
internal import HTTPTypes
internal import Synchronization
internal import TransomEventLoop
internal import TransomHTTP
internal import TransomMetrics

/// What one event loop counts of its requests.
///
/// A series is made when it is counted for the first time, which is looked up in a table from then on: no string, and no
/// core that takes a counter, or the lock of the table, from another one. There are no more than the table has places,
/// whatever clients send.
final class RequestMetrics: Sendable {
  /// What the label `route` tells of a request.
  enum Endpoint: Int, CaseIterable {
    case transactions
    case named
    case sql
    case webhooks
    case webhook
    case rotateSecret
    case test
    case deliveries
    case redeliverAll
    case delivery
    case redeliver
    case livez
    case readyz
    case health
    case metrics
    case document
    case json
    case page
    /// There is no such path or method, or the request could not be read.
    case other
  }

  fileprivate enum Method: Int, CaseIterable {
    case get
    case head
    case post
    case patch
    case delete
    case options
    case other
  }

  fileprivate enum StatusClass: Int, CaseIterable {
    case success
    case clientError
    case serverError
    case other
  }

  /// Nil: not made yet.
  private struct Series {
    var counts: [CounterCell?]
    var durations: [HistogramCell?]
  }

  private let registry: MetricsRegistry
  /// Locked by one thread only, but for the start. `AtomicLazyReference` needs no lock, and takes six times as long.
  private let series = Mutex(
    Series(
      counts: Array(
        repeating: nil,
        count: Endpoint.allCases.count * Method.allCases.count * StatusClass.allCases.count),
      durations: Array(repeating: nil, count: Endpoint.allCases.count)))

  init(in registry: MetricsRegistry) {
    self.registry = registry
    // A series that begins with 1 shows no increase: those that matter begin with 0.
    for status in StatusClass.allCases where status != .other {
      _ = series.withLock { count(.transactions, .post, status, in: &$0) }
    }
    _ = series.withLock { duration(of: .transactions, in: &$0) }
  }

  /// A request has its answer; it took so long from its last byte to where its answer was there. That of a stream was
  /// sent by then.
  func answered(
    _ endpoint: Endpoint, _ method: HTTPRequest.Method, _ status: HTTPResponse.Status,
    took: Duration, in trace: TraceContext?
  ) {
    let (count, duration) = series.withLock { series in
      (
        self.count(endpoint, Self.known(method), Self.known(status), in: &series),
        self.duration(of: endpoint, in: &series)
      )
    }
    count.increment()
    let nanoseconds = UInt64(max(0, took.nanoseconds))
    if let trace, trace.isSampled {
      duration.observe(nanoseconds, traceID: trace.traceIDText, at: Date().timeIntervalSince1970)
    } else {
      duration.observe(nanoseconds)
    }
  }

  /// What came was refused as no request.
  func refused(_ status: HTTPResponse.Status, _ method: HTTPRequest.Method?) {
    series.withLock { series in
      count(.other, method.map(Self.known) ?? .other, Self.known(status), in: &series)
    }.increment()
  }

  // MARK: The table

  private func count(
    _ endpoint: Endpoint, _ method: Method, _ status: StatusClass, in series: inout Series
  ) -> CounterCell {
    let place =
      (endpoint.rawValue * Method.allCases.count + method.rawValue) * StatusClass.allCases.count
      + status.rawValue
    if let cell = series.counts[place] { return cell }
    let cell = registry.counter(
      "transom_http_requests", "Requests that were answered.",
      [
        .init("route", endpoint.path), .init("method", method.text), .init("status", status.text),
      ])
    series.counts[place] = cell
    return cell
  }

  private func duration(of endpoint: Endpoint, in series: inout Series) -> HistogramCell {
    if let cell = series.durations[endpoint.rawValue] { return cell }
    let cell = registry.histogram(
      "transom_http_request_duration_seconds",
      "Time from a request's last byte until its answer was made; streams: until it was sent.",
      [.init("route", endpoint.path)])
    series.durations[endpoint.rawValue] = cell
    return cell
  }

  private static func known(_ method: HTTPRequest.Method) -> Method {
    switch method {
    case .post: .post
    case .get: .get
    case .head: .head
    case .patch: .patch
    case .delete: .delete
    case .options: .options
    default: .other
    }
  }

  private static func known(_ status: HTTPResponse.Status) -> StatusClass {
    switch status.code / 100 {
    case 2: .success
    case 4: .clientError
    case 5: .serverError
    default: .other
    }
  }
}

extension RequestMetrics.Endpoint {
  /// As openapi.yaml writes the path.
  fileprivate var path: String {
    switch self {
    case .transactions: "/transactions"
    case .named: "/transactions/{transaction}"
    case .sql: "/sql"
    case .webhooks: "/webhooks"
    case .webhook: "/webhooks/{webhook}"
    case .rotateSecret: "/webhooks/{webhook}/rotate-secret"
    case .test: "/webhooks/{webhook}/test"
    case .deliveries: "/webhooks/{webhook}/deliveries"
    case .redeliverAll: "/webhooks/{webhook}/redeliver"
    case .delivery: "/deliveries/{delivery}"
    case .redeliver: "/deliveries/{delivery}/redeliver"
    case .livez: "/livez"
    case .readyz: "/readyz"
    case .health: "/health"
    case .metrics: "/metrics"
    case .document: "/openapi.yaml"
    case .json: "/openapi.json"
    case .page: "/docs"
    case .other: "other"
    }
  }
}

extension RequestMetrics.Method {
  fileprivate var text: String {
    switch self {
    case .get: "GET"
    case .head: "HEAD"
    case .post: "POST"
    case .patch: "PATCH"
    case .delete: "DELETE"
    case .options: "OPTIONS"
    case .other: "other"
    }
  }
}

extension RequestMetrics.StatusClass {
  fileprivate var text: String {
    switch self {
    case .success: "2xx"
    case .clientError: "4xx"
    case .serverError: "5xx"
    case .other: "other"
    }
  }
}

extension Route {
  /// What the request counts for.
  var endpoint: RequestMetrics.Endpoint {
    switch self {
    case .transactions: .transactions
    case .named: .named
    case .sql: .sql
    case .livez: .livez
    case .readyz: .readyz
    case .health: .health
    case .metrics: .metrics
    case .document(.yaml): .document
    case .document(.json): .json
    case .document(.page): .page
    case .webhooks(let route):
      switch route {
      case .collection: .webhooks
      case .webhook: .webhook
      case .rotateSecret: .rotateSecret
      case .test: .test
      case .deliveries: .deliveries
      case .redeliverAll: .redeliverAll
      case .delivery: .delivery
      case .redeliver: .redeliver
      }
    case .refused, .options: .other
    }
  }
}
