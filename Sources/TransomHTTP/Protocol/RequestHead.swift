package import HTTPTypes

/// Where a part of a request's head stands, counted from the request's first byte.
package struct ByteRange: Equatable, Sendable {
  package var start: UInt32 = 0
  package var end: UInt32 = 0

  var count: Int { Int(end &- start) }

  /// A head is limited to some kilobytes: its offsets fit.
  init(_ start: Int, _ end: Int) {
    self.start = UInt32(truncatingIfNeeded: start)
    self.end = UInt32(truncatingIfNeeded: end)
  }
}

/// How the end of a request's body is found (RFC 9112, section 6.3).
package enum BodyFraming: Equatable, Sendable {
  /// There is none.
  case none
  /// It has this many bytes, at least one.
  case length(Int)
  /// It comes in chunks.
  case chunked
}

/// The request line and the field lines of a request (RFC 9112, section 2.1): mostly ranges of the
/// bytes that were received, which `Request` holds and reads.
package struct RequestHead: Equatable, Sendable {
  package enum Version: Equatable, Sendable {
    case http10
    case http11
  }

  /// One field line: the name as it was sent, and the value without the white space around it.
  package struct Field: Equatable, Sendable {
    package let name: ByteRange
    package let value: ByteRange
  }

  package internal(set) var method = HTTPRequest.Method.get
  package internal(set) var version = Version.http11
  /// The path of the target, percent-encoded as it came; "*" for `OPTIONS *`.
  package internal(set) var path = ByteRange(0, 0)
  /// Whom the target names, if it is in absolute-form.
  package internal(set) var authority: ByteRange?
  /// What follows "?" in the target.
  package internal(set) var query: ByteRange?
  /// The field lines in their order.
  package internal(set) var fields: [Field] = []
  package internal(set) var body = BodyFraming.none
  /// Whether the client wants the connection to stay open (RFC 9112, section 9.3).
  package internal(set) var keepsAlive = true
  /// Whether the client waits for a 100 before it sends the body (RFC 9110, section 10.1.1).
  package internal(set) var expectsContinue = false
  /// The bytes of the head, the empty line that ends it included.
  package internal(set) var length = 0

  package init() {}

  /// Forgets everything but the room for fields.
  mutating func clear() {
    var fields = exchange(&fields, with: [])
    fields.removeAll(keepingCapacity: true)
    self = RequestHead()
    self.fields = fields
  }
}
