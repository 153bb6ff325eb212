/// A response as it came.
package struct RawHTTPResponse: Sendable {
  package var status: Int
  package var reason: String
  package var headers: [(name: String, value: String)]
  /// Without the framing of chunks.
  package var body: [UInt8] = []
  /// The statuses of the 1xx responses before this one.
  package var interim: [Int] = []
  /// The fields after the last chunk.
  package var trailers: [(name: String, value: String)] = []

  /// The body as text.
  package var text: String { String(decoding: body, as: UTF8.self) }

  /// The value of a field; nil if it is not there. Several fields are joined as RFC 9110,
  /// section 5.3, has it.
  package subscript(name: String) -> String? {
    let values = headers.filter { $0.name.lowercased() == name.lowercased() }.map(\.value)
    return values.isEmpty ? nil : values.joined(separator: ", ")
  }
}

/// What a test's client could not read.
package struct MalformedResponse: Error, CustomStringConvertible {
  package let description: String
}
