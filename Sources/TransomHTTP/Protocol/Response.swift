package import HTTPTypes

/// The media type of a response's body.
package struct ContentType: Sendable, Equatable {
  /// The whole field line, as it goes out.
  let line: [UInt8]

  package init(_ value: String) { line = Array("Content-Type: \(value)\r\n".utf8) }

  package static let html = ContentType("text/html; charset=utf-8")
  package static let json = ContentType("application/json")
  package static let jsonLines = ContentType("application/x-ndjson")
  package static let problem = ContentType("application/problem+json")
  package static let text = ContentType("text/plain; charset=utf-8")
  package static let yaml = ContentType("application/yaml")
}

/// How a field line begins that nearly every answer has: made once, for all of them.
package struct FieldLineStart: Sendable {
  fileprivate let bytes: [UInt8]

  /// The start of the lines with this name.
  package init(_ name: HTTPField.Name) { bytes = Array("\(name.rawName): ".utf8) }
}

/// Field lines of a response, kept as the bytes that go out: no strings, and one buffer to use again.
package struct ResponseFields: Sendable, Equatable {
  package internal(set) var bytes: [UInt8] = []

  package init() {}

  /// Adds a field line.
  ///
  /// A control character in the value becomes a space, as RFC 9110, section 5.5, tells recipients to do:
  /// nothing that a client sent can begin a line of its own. The server adds `Date`, `Content-Type`,
  /// `Content-Length` and `Connection` by itself.
  package mutating func append(_ name: HTTPField.Name, _ value: Span<UInt8>) {
    begin(name)
    for index in value.indices { append(value[index]) }
    end()
  }

  /// Adds a field line.
  package mutating func append(_ name: HTTPField.Name, _ value: String) {
    append(name, value.utf8.span)
  }

  /// Adds a field line whose value `body` appends: nothing but visible ASCII and spaces.
  package mutating func append(_ start: FieldLineStart, writing body: (inout [UInt8]) -> Void) {
    bytes += start.bytes
    body(&bytes)
    end()
  }

  /// Adds a field line, for a name that nearly every answer has.
  package mutating func append(_ start: FieldLineStart, _ value: Span<UInt8>) {
    bytes += start.bytes
    for index in value.indices { append(value[index]) }
    end()
  }

  /// Adds a field line whose value is a decimal number.
  package mutating func append(_ name: HTTPField.Name, _ value: Int) {
    begin(name)
    bytes.appendDecimal(value)
    end()
  }

  /// Adds the field lines of another list.
  package mutating func append(_ fields: ResponseFields) { bytes += fields.bytes }

  private mutating func append(_ byte: UInt8) {
    bytes.append(ByteClass.isContent(byte) ? byte : ByteClass.space)
  }

  private mutating func begin(_ name: HTTPField.Name) {
    bytes.append(contentsOf: name.rawName.utf8)
    bytes.append(contentsOf: ": ".utf8)
  }

  private mutating func end() {
    bytes.append(ByteClass.carriageReturn)
    bytes.append(ByteClass.lineFeed)
  }
}

/// What a handler answers. Its body is one buffer, which goes to the socket without being copied.
///
/// Get one from `Exchange.makeResponse`, which hands out the buffers of the last response again.
package struct Response: Sendable {
  package var status: HTTPResponse.Status
  package var contentType: ContentType?
  package var fields: ResponseFields
  package var body: [UInt8]

  package init(
    _ status: HTTPResponse.Status, contentType: ContentType? = nil,
    fields: ResponseFields = ResponseFields(), body: [UInt8] = []
  ) {
    self.status = status
    self.contentType = contentType
    self.fields = fields
    self.body = body
  }
}

extension [UInt8] {
  /// Appends a decimal number.
  package mutating func appendDecimal(_ number: Int) {
    guard number >= 10 || number < 0 else {
      append(UInt8(truncatingIfNeeded: 0x30 + number))
      return
    }
    var digits = InlineArray<20, UInt8>(repeating: UInt8(ascii: "-"))
    var first = 20
    var rest = number.magnitude
    repeat {
      first -= 1
      digits[first] = UInt8(truncatingIfNeeded: 0x30 + rest % 10)
      rest /= 10
    } while rest > 0
    if number < 0 { first -= 1 }
    append(addingCapacity: 20 - first) { output in
      for index in first..<20 { output.append(digits[index]) }
    }
  }
}
