internal import HTTPTypes
internal import TransomEventLoop
internal import TransomHTTP

// POST /transactions with `Accept: application/x-ndjson`.
extension ServiceHandler {
  /// Answers in lines, while the transaction runs if they are many.
  func streamedTransaction(
    _ request: Request, of named: NamedTransaction? = nil, _ exchange: Exchange,
    _ caller: Caller?, name: [UInt8]?, slow: inout SlowTransaction?
  ) async -> Response {
    // Once for the stream, or for the problem in its place.
    var common = ResponseFields()
    appendCommonFields(for: request, name: name, to: &common)
    let stream = exchange.makeStream()
    let interruption = Interruption()
    interruption.onInterruption { stream.stop() }
    exchange.onDisconnect { interruption.interrupt(.clientGone) }
    var head = Response(.ok, contentType: .jsonLines, fields: common)
    do throws(ServiceError) {
      if let refusal = refusal(of: request, named) { throw refusal }
      let answer = try await executor.execute(
        request, of: named, key: nil, into: [], interruption: interruption, name: name,
        as: caller, stream: AnswerStream(stream, head: head), slow: &slow)
      exchange.outcome = answer.outcome.rawValue
      guard stream.onLoop({ $0.hasBegun }) else {
        head.fields.append(answer.timing)
        head.body = answer.body
        return head
      }
      await stream.end(with: answer.body)
      return head
    } catch {
      guard stream.onLoop({ $0.hasBegun }) else {
        var response = problem(error, exchange)
        response.fields.append(common)
        return response
      }
      exchange.outcome = error.problem.outcome.rawValue
      await stream.end(with: LineWriter.lastLine(error.problem))
      return head
    }
  }

  private func refusal(of request: Request, _ named: NamedTransaction?) -> ServiceError? {
    guard MediaType.isJSON(request.field("content-type")) else {
      return .unsupportedMediaType(mediaType: request.fieldText("content-type"))
    }
    guard request.field("idempotency-key") == nil else { return .streamWithIdempotencyKey }
    return named?.idempotency == .required ? .missingIdempotencyKey : nil
  }
}
