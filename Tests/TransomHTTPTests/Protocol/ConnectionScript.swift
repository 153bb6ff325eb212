import HTTPTypes

@testable import TransomHTTP

/// A connection without a socket: what arrives, in which portions, and what the machine does about it.
final class ConnectionScript {
  enum Step: Equatable, CustomStringConvertible {
    case sentContinue
    case answered(String, Persistence)
    case refused(Int)
    case closed(lingering: Bool)

    var description: String {
      switch self {
      case .sentContinue: "100"
      case .answered(let request, let persistence): "\(request) \(persistence)"
      case .refused(let status): "\(status)"
      case .closed(let lingering): lingering ? "linger" : "close"
      }
    }
  }

  var machine: HTTPConnectionStateMachine
  var steps: [Step] = []
  /// Called while a request is being answered.
  var whileAnswering: (inout HTTPConnectionStateMachine) -> Void = { _ in }
  /// Whether a request is answered without its body.
  var isRefused: (Request) -> Bool = { _ in false }

  init(limits: RequestLimits = RequestLimits()) {
    machine = HTTPConnectionStateMachine(limits: limits)
  }

  /// Performs what the machine says until it wants to read or has closed; says what it waits for.
  func run() -> HTTPConnectionStateMachine.Wait? {
    if case .closed = steps.last { return nil }
    while true {
      switch machine.next() {
      case .read(let wait): return wait
      case .sendContinue: steps.append(.sentContinue)
      case .consider(let request):
        if isRefused(request) { machine.answerWithoutBody() }
      case .respond(let request):
        let body = text(request.body)
        whileAnswering(&machine)
        let line = "\(request.method.rawValue) \(request.path)\(body.isEmpty ? "" : " \(body)")"
        steps.append(.answered(line, machine.responseBegan()))
        machine.responseEnded()
      case .refuse(let refusal): steps.append(.refused(refusal.status.code))
      case .close(let lingering):
        steps.append(.closed(lingering: lingering))
        return nil
      }
    }
  }

  /// Lets bytes arrive; false if nobody wants them any more.
  func receive(_ bytes: some Sequence<UInt8>) -> Bool {
    guard run() != nil else { return false }
    let count = machine.buffer.count
    machine.buffer += bytes
    machine.bytesReceived(machine.buffer.count - count)
    return true
  }

  func end() {
    guard run() != nil else { return }
    machine.endOfStreamReceived()
    _ = run()
  }
}
