internal import HTTPTypes
internal import Synchronization
package import TransomHTTP
internal import TransomPostgres

/// Routes each request to what answers it.
package struct ServiceHandler: RequestHandler {
  /// Whether the service was told to stop: load balancers shall look elsewhere.
  final class Draining: Sendable {
    private let flag = Atomic(false)
    var isOn: Bool { flag.load(ordering: .relaxed) }
    func begin() { flag.store(true, ordering: .relaxed) }
  }

  /// One for each event loop, in the order of the loops.
  let executors: [TransactionExecutor]
  let readiness: Readiness
  let draining: Draining

  /// Answers a request.
  package func respond(to request: Request, in exchange: Exchange) async -> Response {
    if request.hasPath("/transactions") {
      guard request.method == .post else { return notAllowed(request, "POST", exchange) }
      return await transaction(request, exchange)
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
      response.body = try await executor(exchange).execute(
        request, into: Swift.exchange(&response.body, with: []), interruption: interruption)
      return response
    } catch {
      return problem(error, exchange)
    }
  }

  private func executor(_ exchange: Exchange) -> TransactionExecutor {
    for executor in executors where executor.loop === exchange.loop { return executor }
    preconditionFailure("every event loop has an executor")
  }

  // MARK: Health

  private func ready(_ exchange: Exchange) async -> Response {
    if draining.isOn { return problem(.draining, exchange) }
    let index = executors.firstIndex { $0.loop === exchange.loop } ?? 0
    if let failure = await readiness.firstFailure(onLoop: index) {
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
