import TransomHTTP

/// A chunked body, whole and in portions, against a decoder that reads the grammar as it stands in RFC 9112.
enum ChunkedFuzz {
  private enum Outcome: Equatable {
    case body([UInt8], end: Int)
    case refused(ParseError)
    case incomplete
  }

  static func run(_ input: [UInt8]) {
    guard var portions = Portions(input) else { return }
    var limits = RequestLimits()
    if portions.hasSmallLimits {
      limits.body = 32
      limits.chunkExtensions = 16
      limits.headerSection = 64
      limits.fieldCount = 3
    }
    let bytes = portions.bytes
    let whole = decode(bytes, ends: [bytes.count], limits)
    let ends = portions.draw()
    check(decode(bytes, ends: ends, limits) == whole, "another result in portions \(ends)")
    check(
      decode(bytes, ends: Array(0...bytes.count), limits) == whole, "another result byte by byte")
    guard case .body(let body, let end) = whole else { return }
    check(body.count <= limits.body, "more than the limit")
    check(plainlyDecoded(bytes[..<end]) == body, "another body than the grammar's")
  }

  private static func decode(_ bytes: [UInt8], ends: [Int], _ limits: RequestLimits) -> Outcome {
    var decoder = BodyDecoder(limits: limits)
    var start = 0
    do throws(ParseError) {
      for end in ends {
        start = try decoder.decode(Array(bytes[..<end]), from: start)
        if decoder.isComplete { return .body(decoder.body, end: start) }
      }
      return .incomplete
    } catch {
      return .refused(error)
    }
  }

  /// The body of a coding that is known to be complete: line, data, line, data, … up to the size 0.
  private static func plainlyDecoded(_ bytes: ArraySlice<UInt8>) -> [UInt8]? {
    var rest = bytes
    var body: [UInt8] = []
    while let end = rest.firstIndex(of: 0x0D) {
      let digits = rest[..<end].prefix { $0 != UInt8(ascii: ";") }
      guard let size = Int(String(decoding: digits, as: UTF8.self), radix: 16) else { return nil }
      rest = rest[end...].dropFirst(2)
      guard size > 0 else { return body }
      guard size <= rest.count else { return nil }
      body += rest.prefix(size)
      rest = rest.dropFirst(size + 2)
    }
    return nil
  }
}
