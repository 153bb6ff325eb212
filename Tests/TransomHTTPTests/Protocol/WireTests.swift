import HTTPTypes
import Testing

@testable import TransomHTTP

/// The limits under which `framingCases`, `headCases` and `floodCases` are tried.
let wireLimits: RequestLimits = {
  var limits = RequestLimits()
  limits.requestLine = 100
  limits.headerSection = 120
  limits.fieldCount = 6
  limits.body = 1000
  limits.chunkExtensions = 40
  return limits
}()

struct WireTests {
  @Test func `a refusal names the byte of its own request at which it was noticed`() {
    let get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
    let head = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    for (text, offset) in [("GET / HTTP/1.1\r\nX\r\n", 17), (head + "1\r\na\r\nx", 62)] {
      let bytes = Array((get + text).utf8)
      for splits in [[], [get.utf8.count + 3], Array(1..<bytes.count)] {
        #expect(
          outcome(bytes, splitAt: splits).detail?.hasSuffix("(at byte \(offset) of the request)")
            == true)
      }
    }
  }

  private struct Outcome: Equatable {
    var statuses: [Int] = []
    /// Of the refusal, with the place where the request is wrong.
    var detail: String?
    var isOpen = true
  }

  /// What a connection does that gets the bytes in portions that end at the given offsets.
  private func outcome(_ bytes: [UInt8], splitAt splits: [Int] = []) -> Outcome {
    var machine = HTTPConnectionStateMachine(limits: wireLimits)
    var outcome = Outcome()
    var start = 0
    for end in splits + [bytes.count] where end > start {
      machine.buffer += bytes[start..<end]
      machine.bytesReceived(end - start)
      start = end
      guard run(&machine, &outcome) else { break }
    }
    return outcome
  }

  /// Until more has to be read; false once nothing more will.
  private func run(_ machine: inout HTTPConnectionStateMachine, _ outcome: inout Outcome) -> Bool {
    while true {
      switch machine.next() {
      case .read: return true
      case .sendContinue, .consider: break
      case .respond:
        outcome.statuses.append(200)
        _ = machine.responseBegan()
        machine.responseEnded()
      case .refuse(let refusal):
        outcome.statuses.append(refusal.status.code)
        outcome.detail = refusal.detail
      case .close:
        outcome.isOpen = false
        return false
      }
    }
  }

  @Test(arguments: framingCases + headCases + floodCases)
  func `the answer is the same for each split, and nothing after a refusal is a request`(
    _ wire: WireCase
  ) {
    let bytes = Array((wire.sent + WireCase.following).utf8)
    let expected = outcome(bytes)
    #expect(expected.statuses == wire.statuses + (wire.staysOpen ? [200] : []))
    #expect(expected.isOpen == wire.staysOpen)
    for split in 1..<bytes.count {
      #expect(outcome(bytes, splitAt: [split]) == expected, "split at \(split)")
    }
    #expect(outcome(bytes, splitAt: Array(1..<bytes.count)) == expected, "byte by byte")
  }
}
