internal import HTTPTypes
internal import Logging
internal import TransomEventLoop
package import TransomHTTP

/// Routes each request to what answers it: one for each event loop.
package final class ServiceHandler: RequestHandler {
  /// What is served.
  enum Scope: Sendable {
    case everything
    /// What is for who runs the service has addresses of its own.
    case allButMetrics
    case monitoring
  }

  let executor: TransactionExecutor
  let loopIndex: Int
  let monitor: Monitor
  private let counts: RequestMetrics
  private let scope: Scope
  let identity = RequestIdentity()
  let crossOrigin: CrossOriginPolicy?
  private let webhookResource: WebhookResource?
  private let changeable: ChangeableSettings
  private let logger: Logger
  let documentation: Documentation
  private let named: [String: NamedTransaction]

  /// Without a gate, everybody may do everything.
  init(
    executor: TransactionExecutor, loopIndex: Int, monitor: Monitor, scope: Scope = .everything,
    crossOrigin: CrossOriginPolicy? = nil, hosts: HostPolicy? = nil,
    webhooks: WebhookResource? = nil, gate: Gate? = nil, documentation: Documentation,
    named: [String: NamedTransaction] = [:], logger: Logger
  ) {
    self.documentation = documentation
    self.named = named
    webhookResource = webhooks
    self.logger = logger
    changeable = ChangeableSettings(on: executor.loop, gate: gate, hosts: hosts)
    self.crossOrigin = crossOrigin
    self.executor = executor
    self.loopIndex = loopIndex
    self.monitor = monitor
    self.scope = scope
    counts = RequestMetrics(in: monitor.registry)
  }

  /// Nil: everybody may do everything. On the loop only.
  var gate: Gate? { changeable.onLoop { $0.gate } }

  /// Nil: under any name. On the loop only.
  var hosts: HostPolicy? { changeable.onLoop { $0.hosts } }

  /// Lets others in from now on, and bounds transactions otherwise.
  func change(gate: Gate?, hosts: HostPolicy?, _ limits: ExecutionLimits) async {
    await changeable.change(gate: gate, hosts: hosts)
    await executor.limit(to: limits)
  }

  /// Answers a request.
  package func respond(to request: Request, in exchange: Exchange) async -> Response {
    var response: Response
    var name: [UInt8]?
    let (gate, hosts) = changeable.onLoop { ($0.gate, $0.hosts) }
    var route = route(request, under: hosts)
    let endpoint = route.endpoint
    var slow: SlowTransaction?
    var caller: Caller?
    if let gate, let purpose = route.purpose {
      switch gate.authenticator.admit(request, as: purpose) {
      case .admitted(let known): caller = known
      case .refused(let error):
        await gate.refused(request, exchange, error)
        route = .refused(error)
      }
    }
    defer { caller?.leave() }
    switch route {
    case .transactions, .named:
      let named = route.transaction
      if executor.reportsCommits { name = identity.name(of: request) }
      if MediaType.prefersLines(request) {
        response = await streamedTransaction(
          request, of: named, exchange, caller, name: name, slow: &slow)
        if let slow { note(slow, request, response) }
        count(endpoint, request, response, exchange)
        return response
      }
      response = await transaction(request, of: named, exchange, caller, name: name, slow: &slow)
    case .sql:
      response =
        await NeonEndpoint(executor: executor, gate: gate)
        .respond(to: request, in: exchange, slow: &slow)
    case .livez: response = text("alive\n", exchange)
    case .readyz: response = await ready(request, exchange)
    case .health: response = await health(request, exchange)
    case .metrics: response = await metrics(request, exchange)
    case .webhooks(let route): response = await webhooks(route, request, exchange)
    case .document(let form): response = await document(form, exchange)
    case .refused(let error): response = problem(error, exchange)
    case .options(let methods): response = options(request, methods, exchange)
    }
    appendCommonFields(for: request, name: name, to: &response.fields)
    count(endpoint, request, response, exchange)
    if let slow { note(slow, request, response) }
    return response
  }

  package func answersWithoutBody(_ request: Request) -> Bool {
    let route = route(request, under: hosts)
    switch route {
    // Nobody looks at a body there: who may ask without a key must not have it kept.
    case .refused, .livez, .readyz, .health, .metrics, .document, .options: return true
    case .sql: return NeonEndpoint(executor: executor, gate: gate).refuses(request)
    case .transactions, .named, .webhooks:
      guard let gate, let purpose = route.purpose else { return false }
      return gate.authenticator.refuses(request, as: purpose)
    }
  }

  private func note(_ slow: SlowTransaction, _ request: Request, _ response: Response) {
    var metadata = slow.metadata
    metadata["request_id"] = response.fields.value(of: "X-Request-Id").map { "\($0)" }
    let traceID = RequestSpan.current?.traceID ?? TraceContext(request)?.traceIDText
    metadata["trace_id"] = traceID.map { "\($0)" }
    logger.warning("slow transaction", metadata: metadata)
  }

  private func count(
    _ endpoint: RequestMetrics.Endpoint, _ request: Request, _ response: Response,
    _ exchange: Exchange
  ) {
    counts.answered(
      endpoint, request.method, response.status, took: .now - exchange.receivedAt,
      in: TraceContext(request))
  }

  /// Appends what each answer has.
  func appendCommonFields(for request: Request, name: [UInt8]?, to fields: inout ResponseFields) {
    if let name {
      fields.append(.requestID, name.span)
    } else {
      identity.append(for: request, to: &fields)
    }
    crossOrigin?.append(for: request, to: &fields)
  }

  /// Answers to what could not become a request.
  ///
  /// As much of it as is known decides who may read the answer, and how it is named.
  package func response(to refusal: Refusal, request: Request?) -> Response {
    var response = refusal.response
    counts.refused(response.status, request?.method)
    guard let request else {
      identity.append(to: &response.fields)
      return response
    }
    identity.append(for: request, to: &response.fields)
    crossOrigin?.append(for: request, to: &response.fields)
    return response
  }

  /// Health is told under every name: those who check it choose one of theirs, and it is no secret.
  private func route(_ request: Request, under hosts: HostPolicy?) -> Route {
    let route = Route(request, named: named)
    switch scope {
    case .everything: break
    case .allButMetrics:
      if case .metrics = route { return .refused(.notFound(path: request.path)) }
    case .monitoring:
      if !route.isMonitoring { return .refused(.notFound(path: request.path)) }
    }
    guard let hosts, !route.isHealth, !hosts.allows(request) else { return route }
    return .refused(.misdirected(host: request.hostText ?? ""))
  }

  // MARK: POST /transactions

  private func transaction(
    _ request: Request, of named: NamedTransaction? = nil, _ exchange: Exchange,
    _ caller: Caller?, name: [UInt8]?, slow: inout SlowTransaction?
  ) async -> Response {
    guard MediaType.isJSON(request.field("content-type")) else {
      let type = request.fieldText("content-type")
      return problem(.unsupportedMediaType(mediaType: type), exchange)
    }
    let key: IdempotencyKey?
    switch idempotencyKey(request, of: named, caller) {
    case .success(let given): key = given
    case .failure(let error): return problem(error, exchange)
    }
    let interruption = Interruption()
    exchange.onDisconnect { interruption.interrupt(.clientGone) }
    var response = exchange.makeResponse(.ok, contentType: .json)
    do {
      let answer = try await executor.execute(
        request, of: named, key: key, into: Swift.exchange(&response.body, with: []),
        interruption: interruption, name: name, as: caller, slow: &slow)
      response.body = answer.body
      response.fields.append(answer.timing)
      if answer.isReplay { response.fields.append(.idempotencyReplayed, "true") }
      exchange.outcome = answer.outcome.rawValue
      return response
    } catch {
      return problem(error, exchange)
    }
  }

  private func idempotencyKey(
    _ request: Request, of named: NamedTransaction?, _ caller: Caller?
  ) -> Result<IdempotencyKey?, ServiceError> {
    guard request.field("idempotency-key") != nil else {
      return named?.idempotency == .required ? .failure(.missingIdempotencyKey) : .success(nil)
    }
    guard request.fieldCount("idempotency-key") == 1,
      let name = request.fieldText("idempotency-key")
    else { return .failure(.invalidIdempotencyKey) }
    var body: [UInt8] = []
    body.append(copying: request.body)
    guard
      let key = IdempotencyKey(
        name, body: body, of: caller?.name, as: caller?.role, for: named?.name)
    else { return .failure(.invalidIdempotencyKey) }
    return .success(key)
  }

  // MARK: Webhooks

  /// Everything that manages webhooks comes through here.
  private func webhooks(
    _ route: WebhookRoute, _ request: Request, _ exchange: Exchange
  ) async -> Response {
    guard let resource = webhookResource else {
      return problem(.notFound(path: request.path), exchange)
    }
    // Without a body and a type, a page of another site could send it from a browser that never asks whether it may.
    let isOfPage = request.field("origin") != nil && ![.get, .head].contains(request.method)
    if !request.body.isEmpty || isOfPage, !MediaType.isJSON(request.field("content-type")) {
      let type = request.fieldText("content-type")
      return problem(.unsupportedMediaType(mediaType: type), exchange)
    }
    do {
      let (status, body) = try await resource.answer(to: request, route)
      guard let body else { return exchange.makeResponse(.noContent) }
      var response = exchange.makeResponse(
        HTTPResponse.Status(registered: status), contentType: .json)
      response.body += body.utf8
      return response
    } catch {
      return problem(error, exchange)
    }
  }

  // MARK: Answers

  /// What may be done at a path (RFC 9110, section 9.3.7), which is also what a browser asks first for a page of
  /// another origin.
  private func options(_ request: Request, _ methods: String, _ exchange: Exchange) -> Response {
    var response = exchange.makeResponse(.noContent)
    response.fields.append(.allow, methods)
    crossOrigin?.appendPreflight(for: request, methods: methods, to: &response.fields)
    return response
  }

  func text(_ text: String, _ exchange: Exchange) -> Response {
    var response = exchange.makeResponse(.ok, contentType: .text)
    response.body += text.utf8
    return response
  }

  func problem(_ error: ServiceError, _ exchange: Exchange) -> Response {
    let problem = error.problem
    exchange.outcome = problem.outcome.rawValue
    var response = exchange.makeResponse(
      HTTPResponse.Status(registered: problem.status), contentType: .problem)
    if let seconds = problem.retryAfter { response.fields.append(.retryAfter, seconds) }
    if let allow = problem.allow { response.fields.append(.allow, allow) }
    if let codings = problem.acceptEncoding { response.fields.append(.acceptEncoding, codings) }
    if let challenge = problem.challenge { response.fields.append(.wwwAuthenticate, challenge) }
    var writer = JSONWriter()
    writer.bytes = Swift.exchange(&response.body, with: [])
    problem.write(to: &writer)
    response.body = writer.bytes
    return response
  }
}

/// Gives each event loop its own handler.
struct LoopHandlers: RequestHandler {
  /// In the order of the loops.
  let handlers: [any RequestHandler]
  let loops: EventLoopGroup

  func onLoop(_ loop: EventLoop) -> any RequestHandler {
    guard let index = loops.loops.firstIndex(where: { $0 === loop }) else {
      preconditionFailure("every event loop has a handler")
    }
    return handlers[index]
  }

  func respond(to request: Request, in exchange: Exchange) async -> Response {
    await onLoop(exchange.loop).respond(to: request, in: exchange)
  }
}
