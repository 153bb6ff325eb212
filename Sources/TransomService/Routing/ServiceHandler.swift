internal import HTTPTypes
internal import Synchronization
internal import TransomEventLoop
package import TransomHTTP
internal import TransomPostgres

/// Routes each request to what answers it: one for each event loop.
package final class ServiceHandler: RequestHandler {
  /// Whether the service was told to stop: load balancers shall look elsewhere.
  final class Draining: Sendable {
    private let flag = Atomic(false)
    var isOn: Bool { flag.load(ordering: .relaxed) }
    func begin() { flag.store(true, ordering: .relaxed) }
  }

  private let executor: TransactionExecutor
  private let loopIndex: Int
  private let readiness: Readiness
  private let draining: Draining
  private let identity = RequestIdentity()

  init(
    executor: TransactionExecutor, loopIndex: Int, readiness: Readiness, draining: Draining
  ) {
    self.executor = executor
    self.loopIndex = loopIndex
    self.readiness = readiness
    self.draining = draining
  }

  /// Answers a request.
  package func respond(to request: Request, in exchange: Exchange) async -> Response {
    if request.hasPath("/transactions") {
      guard request.method == .post else { return notAllowed(request, "POST", exchange) }
      var response = await transaction(request, exchange)
      identity.append(for: request, to: &response.fields)
      return response
    }
    guard let resource = Resource(request) else {
      return problem(.notFound(path: request.path), exchange)
    }
    guard request.method == .get || request.method == .head else {
      return notAllowed(request, "GET, HEAD", exchange)
    }
    switch resource {
    case .livez: return text("alive\n", exchange)
    case .readyz: return await ready(exchange)
    case .document:
      var response = exchange.makeResponse(.ok, contentType: .yaml)
      response.body += PackageResources.openapi_yaml
      return response
    }
  }

  private enum Resource: String, CaseIterable {
    case livez = "/livez"
    case readyz = "/readyz"
    case document = "/openapi.yaml"

    init?(_ request: Request) {
      guard let found = Self.allCases.first(where: { request.hasPath($0.rawValue) }) else {
        return nil
      }
      self = found
    }
  }

  // MARK: POST /transactions

  private func transaction(_ request: Request, _ exchange: Exchange) async -> Response {
    guard MediaType.isJSON(request.field("content-type")) else {
      let type = request.fieldText("content-type")
      return problem(.unsupportedMediaType(mediaType: type), exchange)
    }
    let interruption = Interruption()
    exchange.onDisconnect { interruption.interrupt(.clientGone) }
    var response = exchange.makeResponse(.ok, contentType: .json)
    do {
      let answer = try await executor.execute(
        request, into: Swift.exchange(&response.body, with: []), interruption: interruption)
      response.body = answer.body
      response.fields.append(answer.timing)
      return response
    } catch {
      return problem(error, exchange)
    }
  }

  // MARK: Health

  private func ready(_ exchange: Exchange) async -> Response {
    if draining.isOn { return problem(.draining, exchange) }
    if let failure = await readiness.firstFailure(onLoop: loopIndex) {
      let error = ServiceError.databaseUnavailable(
        database: failure.database, detail: failure.reason)
      return problem(error, exchange)
    }
    return text("ready\n", exchange)
  }

  // MARK: Answers

  private func text(_ text: String, _ exchange: Exchange) -> Response {
    var response = exchange.makeResponse(.ok, contentType: .text)
    response.body += text.utf8
    return response
  }

  private func notAllowed(_ request: Request, _ allowed: String, _ exchange: Exchange) -> Response {
    let method = request.method.rawValue
    return problem(.methodNotAllowed(method: method, allowed: allowed), exchange)
  }

  private func problem(_ error: ServiceError, _ exchange: Exchange) -> Response {
    let problem = error.problem
    var response = exchange.makeResponse(
      HTTPResponse.Status(integerLiteral: problem.status), contentType: .problem)
    if let seconds = problem.retryAfter { response.fields.append(.retryAfter, seconds) }
    if let allow = problem.allow { response.fields.append(.allow, allow) }
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
  let handlers: [ServiceHandler]
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
