internal import HTTPTypes
internal import Synchronization
internal import TransomEventLoop
internal import TransomHTTP

/// Names requests: by the name that the client gave, or else by one of our own.
///
/// One for each event loop: its names begin with lots drawn at the start, and are counted from there.
final class RequestIdentity: Sendable {
  /// A client's name may have so many characters, all of them visible ASCII; another one is not taken over.
  static let maximumLength = 128

  private let prefix: [UInt8]
  private let count = Atomic<UInt64>(0)

  init() {
    let lots = UInt64.random(in: .min ... .max)
    prefix = Array(("req_" + String(lots, radix: 16) + "-").utf8)
  }

  /// Appends the field `X-Request-Id` of the answer to a request.
  func append(for request: Request, to fields: inout ResponseFields) {
    if let given = request.field("x-request-id"), Self.isName(given) {
      return fields.append(.requestID, given)
    }
    append(to: &fields)
  }

  /// Appends the field with a name of our own.
  func append(to fields: inout ResponseFields) {
    let number = count.wrappingAdd(1, ordering: .relaxed).newValue
    fields.append(.requestID) { bytes in
      bytes += prefix
      bytes.appendDecimal(Int(truncatingIfNeeded: number))
    }
  }

  /// The name of a request, to be told before its answer.
  func name(of request: Request) -> [UInt8] {
    if let given = request.field("x-request-id"), Self.isName(given) {
      var name: [UInt8] = []
      name.append(copying: given)
      return name
    }
    var name = prefix
    let number = count.wrappingAdd(1, ordering: .relaxed).newValue
    name.appendDecimal(Int(truncatingIfNeeded: number))
    return name
  }

  private static func isName(_ given: Span<UInt8>) -> Bool {
    guard 1...maximumLength ~= given.count else { return false }
    for index in given.indices where !(0x21...0x7e ~= given[index]) { return false }
    return true
  }
}

extension HTTPField.Name {
  /// `X-Request-Id`, which proxies and logs know.
  static let requestID = known("X-Request-Id")
  /// `Idempotency-Replayed`, which Stripe has made known.
  static let idempotencyReplayed = known("Idempotency-Replayed")
  /// `Server-Timing` (W3C Server Timing).
  static let serverTiming = known("Server-Timing")

  static func known(_ name: String) -> HTTPField.Name {
    guard let name = HTTPField.Name(name) else { preconditionFailure("\(name) is no field name") }
    return name
  }
}

extension ResponseFields {
  /// Appends how long the parts of a transaction took, in milliseconds.
  mutating func append(_ timing: TransactionAnswer.Timing) {
    append(.serverTiming) { bytes in
      Self.append("queue;dur=", timing.queue, to: &bytes)
      Self.append(", execute;dur=", timing.execute, to: &bytes)
      Self.append(", encode;dur=", timing.encode, to: &bytes)
    }
  }

  private static func append(_ name: StaticString, _ duration: Duration, to bytes: inout [UInt8]) {
    bytes.append(copying: name)
    let microseconds = duration.microseconds
    bytes.appendDecimal(microseconds / 1000)
    bytes.append(UInt8(ascii: "."))
    for divisor in [100, 10, 1] { bytes.append(UInt8(0x30 + microseconds / divisor % 10)) }
  }
}
