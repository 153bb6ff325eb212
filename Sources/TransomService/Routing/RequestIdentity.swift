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

extension FieldLineStart {
  /// `X-Request-Id`, which proxies and logs know.
  static let requestID = FieldLineStart(.known("X-Request-Id"))
  /// `Server-Timing` (W3C Server Timing).
  static let serverTiming = FieldLineStart(.known("Server-Timing"))
}

extension HTTPField.Name {
  /// `Idempotency-Replayed`, which Stripe has made known.
  static let idempotencyReplayed = known("Idempotency-Replayed")

  static func known(_ name: String) -> HTTPField.Name {
    guard let name = HTTPField.Name(name) else { preconditionFailure("\(name) is no field name") }
    return name
  }
}

extension ResponseFields {
  /// Appends how long the parts of a transaction took, in milliseconds.
  mutating func append(_ timing: TransactionAnswer.Timing) {
    let queue = timing.queue.microseconds
    let execute = timing.execute.microseconds
    let encode = timing.encode.microseconds
    append(.serverTiming) { bytes in
      // As it nearly always is: the text with its digits put into their places.
      guard queue < 10_000, execute < 10_000, encode < 10_000 else {
        Self.append("queue;dur=", queue, to: &bytes)
        Self.append(", execute;dur=", execute, to: &bytes)
        Self.append(", encode;dur=", encode, to: &bytes)
        return
      }
      let start = bytes.count
      bytes.append(copying: "queue;dur=0.000, execute;dur=0.000, encode;dur=0.000")
      var text = bytes.mutableSpan
      Self.put(queue, at: start + 10, in: &text)
      Self.put(execute, at: start + 29, in: &text)
      Self.put(encode, at: start + 47, in: &text)
    }
  }

  /// Puts fewer than 10,000 microseconds in the place of `0.000`.
  private static func put(_ microseconds: Int, at start: Int, in text: inout MutableSpan<UInt8>) {
    let number = UInt32(truncatingIfNeeded: microseconds)
    text[start] = UInt8(truncatingIfNeeded: 0x30 + number / 1000)
    putDecimals(of: number, at: start + 2, in: &text)
  }

  private static func putDecimals(
    of microseconds: UInt32, at start: Int, in text: inout MutableSpan<UInt8>
  ) {
    text[start] = UInt8(truncatingIfNeeded: 0x30 + microseconds / 100 % 10)
    text[start + 1] = UInt8(truncatingIfNeeded: 0x30 + microseconds / 10 % 10)
    text[start + 2] = UInt8(truncatingIfNeeded: 0x30 + microseconds % 10)
  }

  private static func append(
    _ name: StaticString, _ microseconds: Int, to bytes: inout [UInt8]
  ) {
    bytes.append(copying: name)
    bytes.appendDecimal(microseconds / 1000)
    bytes.append(copying: ".000")
    var text = bytes.mutableSpan
    putDecimals(
      of: UInt32(truncatingIfNeeded: microseconds % 1000), at: text.count - 3, in: &text)
  }
}
