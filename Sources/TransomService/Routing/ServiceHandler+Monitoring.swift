internal import HTTPTypes
internal import TransomEventLoop
internal import TransomHTTP
internal import TransomMetrics

// GET /readyz, /health and /metrics.
extension ServiceHandler {
  /// Tells everybody whether the service works; why it does not, those who may see it.
  func ready(_ request: Request, _ exchange: Exchange) async -> Response {
    let report = await monitor.health(details: false, onLoop: loopIndex)
    if report.isDraining { return problem(.draining, exchange) }
    for database in report.databases where database.isRequired {
      guard let reason = database.finding.failure else { continue }
      let detail = mayMonitor(request) ? reason : "A required database does not answer."
      return problem(.databaseUnavailable(database: database.alias, detail: detail), exchange)
    }
    return text("ready\n", exchange)
  }

  /// Tells everybody whether the service works, and who may see it why.
  func health(_ request: Request, _ exchange: Exchange) async -> Response {
    let isDetailed = mayMonitor(request)
    let report = await monitor.health(details: isDetailed, onLoop: loopIndex)
    var response = exchange.makeResponse(
      report.isReady ? .ok : .serviceUnavailable, contentType: .json)
    var writer = JSONWriter(bytes: Swift.exchange(&response.body, with: []))
    if isDetailed {
      report.write(to: &writer, now: .now)
    } else {
      report.writeStatus(to: &writer)
    }
    response.body = writer.bytes
    return response
  }

  /// Without keys, who reaches the service may run any SQL; but not a web page that has its own name lead here.
  private func mayMonitor(_ request: Request) -> Bool {
    guard let gate else { return hosts?.allows(request) ?? true }
    guard request.field("authorization") != nil,
      case .admitted(let caller) = gate.authenticator.admit(request, as: .monitoring)
    else { return false }
    caller.leave()
    return true
  }

  func metrics(_ request: Request, _ exchange: Exchange) async -> Response {
    // Prometheus names what it takes, with weights; no other program asks for this type.
    let wantsExemplars =
      request.fieldText("accept")?.contains("application/openmetrics-text") == true
    let format = wantsExemplars ? MetricsPage.Format.openMetrics : .prometheus
    var response = exchange.makeResponse(.ok, contentType: ContentType(format.contentType))
    response.body += await monitor.page(format)
    return response
  }
}
