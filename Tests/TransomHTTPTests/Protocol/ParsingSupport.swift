import HTTPTypes

@testable import TransomHTTP

/// What became of bytes: the request's parts as text, or why they were refused.
enum Outcome: Equatable {
  case request(Parsed)
  case refused(ParseError)
  case incomplete
}

struct Parsed: Equatable {
  var method: String
  var path: String
  var fields: [[String]]
  var framing: BodyFraming
  var length: Int
}

/// Feeds the parser with portions that end at the given offsets, and with the rest.
func parseHead(
  _ bytes: [UInt8], splitAt splits: [Int] = [], limits: RequestLimits = RequestLimits()
) -> Outcome {
  var parser = RequestParser(limits: limits)
  do throws(ParseError) {
    for end in splits + [bytes.count] {
      guard try parser.parse(Array(bytes[..<end])) == .complete else { continue }
      let request = Request(head: parser.head, in: bytes, from: 0, body: [], at: 0..<0)
      let fields = parser.head.fields.map { field in
        [text(request.span(field.name)), text(request.span(field.value))]
      }
      return .request(
        Parsed(
          method: request.method.rawValue, path: request.path, fields: fields,
          framing: parser.head.body, length: parser.head.length))
    }
    return .incomplete
  } catch {
    return .refused(error)
  }
}

func parseHead(_ text: String, limits: RequestLimits = RequestLimits()) -> Outcome {
  parseHead(Array(text.utf8), limits: limits)
}

func reason(_ text: String, limits: RequestLimits = RequestLimits()) -> ParseError.Reason? {
  guard case .refused(let error) = parseHead(text, limits: limits) else { return nil }
  return error.reason
}

func text(_ span: Span<UInt8>) -> String {
  String(decoding: span.indices.map { span[$0] }, as: UTF8.self)
}

/// A whole request out of its text; nil unless it is complete and well-formed.
func request(_ text: String) -> Request? {
  var machine = HTTPConnectionStateMachine()
  machine.buffer = Array(text.utf8)
  guard case .respond(let request) = machine.next() else { return nil }
  return request
}

/// SplitMix64: random tests print their seed, and run again with it.
struct SeededGenerator: RandomNumberGenerator {
  private var state: UInt64
  init(seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }
}
