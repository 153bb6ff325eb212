internal import HTTPTypes
internal import TransomHTTP

/// What answers a request: the service's table of paths and methods.
enum Route {
  case transactions
  case named(NamedTransaction)
  case sql
  case livez
  case readyz
  case health
  case metrics
  case document(DocumentForm)
  case webhooks(WebhookRoute)
  /// There is no such path, its method is another, or its body is encoded.
  case refused(ServiceError)
  /// It asks what may be done at a path: these methods.
  case options(methods: String)

  /// `named` are the transactions that have names of their own.
  init(_ request: borrowing Request, named: [String: NamedTransaction]) {
    // What is asked for most comes first.
    if request.method == .post, request.hasPath("/transactions") {
      self = Self.encodingError(of: request).map { .refused($0) } ?? .transactions
      return
    }
    if let webhooks = Self.webhooks(request) {
      self = webhooks
      return
    }
    guard let (route, methods) = Self.find(request) ?? Self.find(request, named) else {
      let isServer = request.method == .options && request.hasPath("*")
      self =
        isServer
        ? .options(methods: "GET, HEAD, OPTIONS, POST, PATCH, DELETE")
        : .refused(.notFound(path: request.path))
      return
    }
    let isAllowed =
      switch methods {
      case .post: request.method == .post
      case .get: request.method == .get || request.method == .head
      }
    if isAllowed {
      self = Self.encodingError(of: request).map { .refused($0) } ?? route
    } else if request.method == .options {
      self = .options(methods: methods.rawValue)
    } else {
      self = .refused(
        .methodNotAllowed(method: request.method.rawValue, allowed: methods.rawValue))
    }
  }

  /// The named transaction that is to be run.
  var transaction: NamedTransaction? {
    if case .named(let transaction) = self { transaction } else { nil }
  }

  /// What a caller has to be allowed; nil for what everybody may.
  var purpose: Authenticator.Purpose? {
    switch self {
    case .transactions: .transactions
    case .named(let transaction): .named(transaction.name)
    case .webhooks: .webhooks
    // It has ways of its own to bring a key.
    case .sql: nil
    case .metrics: .monitoring
    // It tells everybody something, and who may monitor all.
    case .health: nil
    case .livez, .readyz, .document, .refused, .options: nil
    }
  }

  var isHealth: Bool {
    switch self {
    case .livez, .readyz, .health: true
    case .transactions, .named, .sql, .metrics, .document, .webhooks, .refused, .options: false
    }
  }

  /// Whether it is served at the addresses that are for who runs the service.
  var isMonitoring: Bool {
    switch self {
    case .livez, .readyz, .health, .metrics: true
    case .transactions, .named, .sql, .document, .webhooks, .refused, .options: false
    }
  }

  /// What is asked of the webhooks; nil if the path is none of theirs.
  private static func webhooks(_ request: Request) -> Route? {
    guard request.hasPath(prefix: "/webhooks") || request.hasPath(prefix: "/deliveries") else {
      return nil
    }
    guard let route = request.pathSegments.flatMap({ WebhookRoute($0) }) else { return nil }
    if request.method == .options { return .options(methods: route.methods) }
    guard route.allows(request.method) else {
      return .refused(
        .methodNotAllowed(method: request.method.rawValue, allowed: route.methods))
    }
    return encodingError(of: request).map { .refused($0) } ?? .webhooks(route)
  }

  /// What a path answers to, besides OPTIONS: the value of `Allow`.
  private enum Methods: String {
    case post = "POST, OPTIONS"
    case get = "GET, HEAD, OPTIONS"
  }

  private static func find(_ request: Request) -> (Route, Methods)? {
    if request.hasPath("/transactions") { return (.transactions, .post) }
    if request.hasPath("/sql") { return (.sql, .post) }
    if request.hasPath("/livez") { return (.livez, .get) }
    if request.hasPath("/readyz") { return (.readyz, .get) }
    if request.hasPath("/health") { return (.health, .get) }
    if request.hasPath("/metrics") { return (.metrics, .get) }
    if request.hasPath("/openapi.yaml") { return (.document(.yaml), .get) }
    if request.hasPath("/openapi.json") { return (.document(.json), .get) }
    if request.hasPath("/docs") { return (.document(.page), .get) }
    return nil
  }

  /// A named transaction; also if there is none of the name.
  private static func find(
    _ request: Request, _ named: [String: NamedTransaction]
  ) -> (Route, Methods)? {
    guard request.hasPath(prefix: "/transactions/"), let segments = request.pathSegments,
      segments.count == 2, let name = segments.last, !name.isEmpty
    else { return nil }
    return (named[name].map { .named($0) } ?? .refused(.unknownTransaction(name: name)), .post)
  }

  /// Bodies are taken as they are (RFC 9110, section 8.4).
  private static func encodingError(of request: Request) -> ServiceError? {
    guard request.field("content-encoding") != nil, !request.body.isEmpty,
      let coding = request.fieldText("content-encoding"), coding.lowercased() != "identity"
    else { return nil }
    return .unsupportedContentCoding(coding: coding)
  }
}
