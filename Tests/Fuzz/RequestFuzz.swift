import HTTPTypes
import TransomHTTP

/// A client's bytes, whole and in portions: what a connection does must not depend on how they arrive, and after a
/// refusal nothing may be taken for a request.
enum RequestFuzz {
  private enum Step: Equatable {
    case answered(method: String, path: String, fields: [String?], body: [UInt8], Persistence)
    case refused(Refusal)
    case closed(lingering: Bool)
  }

  private static let small: RequestLimits = {
    var limits = RequestLimits()
    limits.requestLine = 64
    limits.headerSection = 128
    limits.fieldCount = 5
    limits.body = 64
    limits.chunkExtensions = 16
    limits.requests = 4
    return limits
  }()

  static func run(_ input: [UInt8]) {
    guard var portions = Portions(input) else { return }
    let limits = portions.hasSmallLimits ? small : RequestLimits()
    let bytes = portions.bytes
    let whole = steps(bytes, ends: [bytes.count], limits)
    let ends = portions.draw()
    check(steps(bytes, ends: ends, limits) == whole, "another answer in portions \(ends)")
    check(
      steps(bytes, ends: Array(0...bytes.count), limits) == whole, "another answer byte by byte")
    for (index, step) in whole.enumerated() {
      guard case .refused = step else { continue }
      check(index == whole.count - 2, "something follows a refusal")
    }
  }

  private static func steps(_ bytes: [UInt8], ends: [Int], _ limits: RequestLimits) -> [Step] {
    var machine = HTTPConnectionStateMachine(limits: limits)
    var steps: [Step] = []
    var start = 0
    for end in ends where end > start {
      machine.buffer += bytes[start..<end]
      machine.bytesReceived(end - start)
      start = end
      guard perform(&machine, &steps) else { return steps }
    }
    machine.endOfStreamReceived()
    check(!perform(&machine, &steps), "it reads on after the end")
    return steps
  }

  /// Until it wants to read; false once it has closed.
  private static func perform(
    _ machine: inout HTTPConnectionStateMachine, _ steps: inout [Step]
  ) -> Bool {
    while true {
      switch machine.next() {
      case .read: return true
      case .sendContinue, .consider: break
      case .respond(let request):
        steps.append(answer(request, machine.responseBegan()))
        machine.responseEnded()
      case .refuse(let refusal): steps.append(.refused(refusal))
      case .close(let lingering):
        // Whether it lingers depends on whether the end had come before it was decided: not on the request.
        steps.append(.closed(lingering: lingering && false))
        return false
      }
    }
  }

  private static func answer(_ request: Request, _ persistence: Persistence) -> Step {
    var fields = ["host", "connection", "content-type"].map { request.fieldText($0) }
    fields += request.pathSegments ?? []
    fields.append(request.queryValue("a"))
    let body = Array(request.bodyBuffer[request.bodyRange])
    return .answered(
      method: request.method.rawValue, path: request.path, fields: fields, body: body, persistence)
  }
}
