internal import HTTPTypes
internal import TransomHTTP

/// Answers POST /sql as Neon's service does, so that `@neondatabase/serverless` and what stands on it work with any
/// PostgreSQL: see docs/neon.md.
///
/// A connection string or a key must come along, though a service without keys takes any: a web page cannot send
/// either to a service on this machine without asking first (Fetch standard, "CORS-safelisted request-header"), and the
/// Content-Type, which says that elsewhere, does not tell here.
struct NeonEndpoint {
  let executor: TransactionExecutor
  /// Nil: everybody may do everything.
  let gate: Gate?

  /// Answers one request; `slow` tells of a transaction that took long.
  func respond(
    to request: Request, in exchange: Exchange, slow: inout SlowTransaction?
  ) async -> Response {
    let target: NeonConnectionString
    let options: NeonOptions
    do throws(ServiceError) {
      target = try Self.target(request)
      options = try NeonOptions(request)
    } catch {
      return Self.response(to: NeonError(error, user: ""), exchange)
    }
    var caller: Caller?
    if let gate {
      switch Self.admit(request, target, by: gate.authenticator) {
      case .admitted(let known): caller = known
      case .refused(let error):
        await gate.refused(request, exchange, error)
        return Self.response(to: NeonError(error, user: target.user), exchange)
      }
    }
    defer { caller?.leave() }
    let interruption = Interruption()
    exchange.onDisconnect { interruption.interrupt(.clientGone) }
    var response = exchange.makeResponse(.ok, contentType: .json)
    do {
      let answer = try await executor.execute(
        request, options, database: target.database, as: caller,
        into: Swift.exchange(&response.body, with: []), interruption: interruption, slow: &slow)
      response.body = answer.body
      response.fields.append(answer.timing)
      exchange.outcome = answer.outcome.rawValue
      return response
    } catch {
      return Self.response(to: NeonError(error, user: target.user), exchange)
    }
  }

  /// Whether a request will be refused, whatever its body is.
  func refuses(_ request: Request) -> Bool {
    guard let target = try? Self.target(request) else { return true }
    guard let gate else { return false }
    if request.field("authorization") != nil {
      return gate.authenticator.refuses(request, as: .transactions)
    }
    let caller = gate.authenticator.caller(named: target.user, password: target.password)
    return caller?.rights.refusal(of: .transactions) != nil || caller == nil
  }

  /// Lets a request in by its `Authorization: Bearer`, or else by the user and the password of its connection string: a
  /// key's name, and the key. Whether there is a database that the key may not use it does not tell.
  private static func admit(
    _ request: Request, _ target: NeonConnectionString, by authenticator: Authenticator
  ) -> Authenticator.Admission {
    let admission: Authenticator.Admission
    if request.field("authorization") != nil {
      admission = authenticator.admit(request, as: .transactions)
    } else if let caller = authenticator.caller(named: target.user, password: target.password) {
      admission = authenticator.admit(caller, as: .transactions)
    } else {
      return .refused(
        .unauthenticated(detail: "User and password of the connection string are no key."))
    }
    guard case .admitted(let caller) = admission,
      !caller.rights.databases.contains(target.database)
    else { return admission }
    caller.leave()
    return .refused(.unauthenticated(detail: "The key may not use the database."))
  }

  private static func target(_ request: Request) throws(ServiceError) -> NeonConnectionString {
    guard request.fieldCount("neon-connection-string") == 1,
      let text = request.fieldText("neon-connection-string")
    else { throw refusal("the request needs one Neon-Connection-String") }
    guard let target = NeonConnectionString(text) else {
      throw refusal("the Neon-Connection-String is not postgresql://USER:PASSWORD@HOST/DATABASE")
    }
    return target
  }

  private static func refusal(_ detail: String) -> ServiceError {
    .invalidRequest(code: "invalid-request", status: 400, pointer: nil, detail: detail)
  }

  private static func response(to error: NeonError, _ exchange: Exchange) -> Response {
    exchange.outcome = error.outcome.rawValue
    var response = exchange.makeResponse(
      HTTPResponse.Status(registered: error.status), contentType: .json)
    if let seconds = error.retryAfter { response.fields.append(.retryAfter, seconds) }
    var writer = JSONWriter()
    writer.bytes = Swift.exchange(&response.body, with: [])
    error.write(to: &writer)
    response.body = writer.bytes
    return response
  }
}
