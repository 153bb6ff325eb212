internal import HTTPTypes
internal import TransomHTTP
internal import TransomPostgres
internal import TransomWebhooks

/// The endpoints by which webhooks are managed. PostgreSQL writes the answers' JSON.
struct WebhookResource: Sendable {
  let outbox: Outbox
  let seal: SecretSeal

  /// The status and the JSON of an answer; without one, 204.
  typealias Answer = (status: Int, body: String?)

  private static let limits = 1...500
  private static let defaultLimit = 50
  /// How often a change is tried that meets a dispatcher's.
  private static let attempts = 5

  /// Answers a request whose method the route allows.
  func answer(to request: Request, _ route: WebhookRoute) async throws(ServiceError) -> Answer {
    guard outbox.schema.isInstalled else {
      throw .invalidRequest(
        code: RequestError.Code.webhooksNotInstalled.rawValue, status: 422, pointer: nil,
        detail: "The schema transom is not installed in the database \"\(outbox.alias)\".")
    }
    do {
      guard let answer = try await perform(request, route) else {
        throw ServiceError.notFound(path: request.path)
      }
      return answer
    } catch let error as ServiceError {
      throw error
    } catch let error as RequestError {
      throw ServiceError(error)
    } catch {
      throw Self.failure(error, outbox.alias)
    }
  }

  /// Nil: there is no such webhook or delivery.
  private func perform(_ request: Request, _ route: WebhookRoute) async throws -> Answer? {
    switch route {
    case .collection where request.method == .post: return try await create(request)
    case .collection: return try await list(request)
    case .webhook(let id):
      switch request.method {
      case .patch: return try await change(id, request)
      case .delete: return try await remove(id)
      default: return try await ok(WebhookQueries.webhook(id))
      }
    case .rotateSecret(let id): return try await rotate(id)
    case .test(let id):
      let body = try await store { transaction in
        try await transaction.query(WebhookQueries.test(id)).first.map {
          try String(decoding: $0[0])
        }
      }
      outbox.committed()
      return body.map { (202, $0) }
    case .deliveries(let id): return try await deliveries(of: id, request)
    case .redeliverAll(let id):
      var reader = JSONReader()
      let since = try RedeliveryDocument.decode(request.body, with: &reader)
      guard try await exists(id) else { return nil }
      let count = try await store { transaction in
        try await transaction.execute(WebhookQueries.redeliverAll(id, since: since))
      }
      outbox.committed()
      return (202, #"{"deliveries":\#(count)}"#)
    case .delivery(let id): return try await ok(WebhookQueries.delivery(id))
    case .redeliver(let id):
      let body = try await store { transaction in
        let results = try await transaction.pipeline([
          WebhookQueries.redeliver(id), WebhookQueries.delivery(id),
        ])
        return try results[1].first.map { try String(decoding: $0[0]) }
      }
      outbox.committed()
      return body.map { (202, $0) }
    }
  }

  private func ok(_ query: Statement) async throws -> Answer? {
    try await outbox.database.query(query).first.map { (200, try String(decoding: $0[0])) }
  }

  private func exists(_ id: Int) async throws -> Bool {
    try await !outbox.database.query(WebhookQueries.webhook(id)).isEmpty
  }

  /// Changes something, in a transaction of its own: so what became of it is known, or said to be in doubt, if the connection
  /// is lost.
  ///
  /// A dispatcher that records what it has delivered takes the same rows in another order. The one of both that PostgreSQL
  /// ends for that has stored nothing, and is repeated.
  private func store<Result>(
    _ body: (Transaction) async throws -> Result
  ) async throws -> Result {
    var left = Self.attempts
    while true {
      left -= 1
      do {
        return try await outbox.database.atomic(isolation: .readCommitted, body)
      } catch let error as PostgresError where error.kind == .deadlock && left > 0 {
        continue
      }
    }
  }

  // MARK: Webhooks

  private func create(_ request: Request) async throws -> Answer {
    var reader = JSONReader()
    let document = try WebhookDocument.decode(request.body, isNew: true, with: &reader)
    let secret = SigningSecret.random()
    let sealed = seal.seal(secret)
    let body = try await store { transaction in
      let id = try await transaction.query(WebhookQueries.insert(document, secret: sealed))
        .only(Int.self)
      try await transaction.execute(WebhookQueries.subscribe(id, document.events ?? []))
      return try await transaction.query(WebhookQueries.webhook(id)).only(String.self)
    }
    try? await outbox.refresh()
    return (201, Self.adding(secret, to: body))
  }

  private func change(_ id: Int, _ request: Request) async throws -> Answer? {
    var reader = JSONReader()
    let document = try WebhookDocument.decode(request.body, isNew: false, with: &reader)
    let body: String? = try await store { transaction in
      if document.isOrdered != nil { _ = try await transaction.pipeline(Outbox.holdFanOut) }
      guard try await transaction.execute(WebhookQueries.update(id, document)) == 1 else {
        return nil
      }
      if let events = document.events {
        try await transaction.execute(WebhookQueries.unsubscribe(id, except: events))
        try await transaction.execute(WebhookQueries.subscribe(id, events))
      }
      if let isOrdered = document.isOrdered {
        try await transaction.execute(WebhookQueries.order(id, isOrdered))
      }
      return try await transaction.query(WebhookQueries.webhook(id)).only(String.self)
    }
    try? await outbox.refresh()
    outbox.committed()
    return body.map { (200, $0) }
  }

  private func remove(_ id: Int) async throws -> Answer? {
    let count = try await store { transaction in
      try await transaction.pipeline(Outbox.holdFanOut + WebhookQueries.delete(id))[2].rowCount
    }
    try? await outbox.refresh()
    return count == 1 ? (204, nil) : nil
  }

  private func rotate(_ id: Int) async throws -> Answer? {
    let secret = SigningSecret.random()
    let query = WebhookQueries.rotate(id, secret: seal.seal(secret))
    // At once: who got no answer to a rotation that is stored would rotate again, and so end the secret that the receiver has.
    let body: String? = try await store { transaction in
      let results = try await transaction.pipeline([query, WebhookQueries.webhook(id)])
      guard results[0].rowCount == 1 else { return nil }
      return try results[1].only(String.self)
    }
    return body.map { (200, Self.adding(secret, to: $0)) }
  }

  private static func adding(_ secret: SigningSecret, to object: String) -> String {
    // Base64 and a prefix: nothing in it needs an escape.
    object.dropLast() + #","secret":"\#(secret.text)"}"#
  }

  // MARK: Lists

  private func list(_ request: Request) async throws -> Answer? {
    let page = try Page(request)
    return try await ok(WebhookQueries.list(after: page.cursor, limit: page.limit))
  }

  private func deliveries(of id: Int, _ request: Request) async throws -> Answer? {
    let page = try Page(request)
    let status = request.queryValue("status")
    if let status, !["pending", "delivered", "dead"].contains(status) {
      throw Self.parameter("status must be pending, delivered or dead")
    }
    guard try await exists(id) else { return nil }
    return try await ok(
      WebhookQueries.deliveries(of: id, status: status, before: page.cursor, limit: page.limit))
  }

  private struct Page {
    var cursor: Int?
    var limit: Int

    init(_ request: Request) throws(ServiceError) {
      limit = defaultLimit
      if let text = request.queryValue("limit") {
        guard let number = Int(text), limits ~= number else {
          throw parameter(
            "limit must be a number from \(limits.lowerBound) to \(limits.upperBound)")
        }
        limit = number
      }
      if let text = request.queryValue("cursor") {
        guard let number = Int(text), number >= 0 else {
          throw parameter("cursor must be the next_cursor of an earlier answer")
        }
        cursor = number
      }
    }
  }

  // MARK: Errors

  private static func parameter(_ detail: String) -> ServiceError {
    .invalidRequest(
      code: RequestError.Code.invalidRequest.rawValue, status: 400, pointer: nil, detail: detail)
  }

  private static func failure(_ error: any Error, _ alias: String) -> ServiceError {
    guard let error = error as? PostgresError else {
      return .internalError(detail: "\(error)", outcome: .unknown)
    }
    switch error.kind {
    case .data: return parameter(error.message)
    case .unreachable, .connectionLost, .poolExhausted, .shutDown, .serverStopping:
      return .databaseUnavailable(database: alias, detail: error.message)
    case .commitInDoubt(let id): return .commitInDoubt(transactionID: id, hasKey: false)
    default: return .internalError(detail: error.description, outcome: .rolledBack)
    }
  }
}

extension ServiceError {
  /// The answer to a document that was refused.
  init(_ error: RequestError) {
    self = .invalidRequest(
      code: error.code.rawValue, status: error.status, pointer: error.pointer?.description,
      detail: error.detail)
  }
}
