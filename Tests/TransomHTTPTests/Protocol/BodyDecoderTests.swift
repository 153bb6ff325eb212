import Testing

@testable import TransomHTTP

private enum Decoded: Equatable {
  case body(String, rest: String)
  case refused(ParseError.Reason)
  case incomplete
}

/// Feeds the decoder with portions, and drops what it took, as a connection does.
private func decode(
  _ bytes: [UInt8], splitAt splits: [Int] = [], limits: RequestLimits = RequestLimits()
) -> Decoded {
  var decoder = BodyDecoder(limits: limits)
  var start = 0
  do throws(ParseError) {
    for end in splits + [bytes.count] {
      start = try decoder.decode(Array(bytes[..<end]), from: start)
      guard decoder.isComplete else { continue }
      let rest = String(decoding: bytes[start...], as: UTF8.self)
      return .body(String(decoding: decoder.body, as: UTF8.self), rest: rest)
    }
    return .incomplete
  } catch {
    return .refused(error.reason)
  }
}

private func decode(_ text: String, limits: RequestLimits = RequestLimits()) -> Decoded {
  decode(Array(text.utf8), limits: limits)
}

private let bodies: [(String, Decoded)] = [
  ("0\r\n\r\n", .body("", rest: "")),
  ("5\r\nhello\r\n0\r\n\r\n", .body("hello", rest: "")),
  ("5\r\nhello\r\n0\r\n\r\nGET /", .body("hello", rest: "GET /")),
  ("1\r\na\r\n00A\r\n0123456789\r\n000\r\n\r\n", .body("a0123456789", rest: "")),
  ("a;x=y\r\n0123456789\r\n0;z\r\n\r\n", .body("0123456789", rest: "")),
  ("1 \r\na\r\n0\r\n\r\n", .refused(.chunkSizeMalformed)),
  ("1;\t\"q\r\na\r\n0\r\nA: b\r\nc:\r\n\r\n\r\n", .body("a", rest: "\r\n")),
  ("2\r\n\r\n\r\n0\r\n\r\n", .body("\r\n", rest: "")),
  ("", .incomplete), ("5\r\nhell", .incomplete), ("0\r\n", .incomplete), ("0\r\n\r", .incomplete),
  ("\r\n", .refused(.chunkSizeMalformed)), (";x\r\n", .refused(.chunkSizeMalformed)),
  ("+5\r\nhello\r\n", .refused(.chunkSizeMalformed)),
  ("-1\r\n", .refused(.chunkSizeMalformed)), ("0x5\r\n", .refused(.chunkSizeMalformed)),
  (" 5\r\nhello\r\n", .refused(.chunkSizeMalformed)),
  ("5\nhello\r\n", .refused(.chunkSizeMalformed)), ("5_0\r\n", .refused(.chunkSizeMalformed)),
  ("5\rhello\r\n", .refused(.bareCarriageReturn)),
  ("5;a\nhello\r\n", .refused(.chunkExtensionMalformed)),
  ("5;a\rhello\r\n", .refused(.bareCarriageReturn)),
  ("5;\u{0}\r\nhello\r\n", .refused(.chunkExtensionMalformed)),
  ("5\r\nhello0\r\n\r\n", .refused(.chunkEndMalformed)),
  ("5\r\nhello\n0\r\n\r\n", .refused(.chunkEndMalformed)),
  ("5\r\nhello\r0\r\n\r\n", .refused(.chunkEndMalformed)),
  ("00000000000000005\r\nhello\r\n", .refused(.chunkSizeMalformed)),
  ("FFFFFFFFFFFFFFFF\r\n", .refused(.bodyTooLarge)),
  ("7FFFFFFFFFFFFFFF\r\n", .refused(.bodyTooLarge)),
  ("10000000000000000\r\n", .refused(.chunkSizeMalformed)),
  ("0\r\nA : b\r\n\r\n", .refused(.trailerMalformed)),
  ("0\r\n folded\r\n\r\n", .refused(.trailerMalformed)),
  ("0\r\nA\r\n\r\n", .refused(.trailerMalformed)),
  ("0\r\n: b\r\n\r\n", .refused(.trailerMalformed)),
  ("0\r\nA: \u{0}\r\n\r\n", .refused(.trailerMalformed)),
  ("0\r\nA: b\n\r\n", .refused(.trailerMalformed)),
  ("0\r\nA: b\rc\r\n", .refused(.bareCarriageReturn)), ("0\r\n\n", .refused(.trailerMalformed)),
  ("0\r\n\rX", .refused(.bareCarriageReturn)),
]

struct BodyDecoderTests {
  @Test(arguments: bodies)
  private func `chunks are decoded or refused, however they are split`(
    _ text: String, _ expected: Decoded
  ) {
    let bytes = Array(text.utf8)
    #expect(decode(bytes) == expected)
    for split in 0...bytes.count {
      #expect(decode(bytes, splitAt: [split]) == expected, "split at \(split)")
    }
    #expect(decode(bytes, splitAt: Array(0...bytes.count)) == expected, "byte by byte")
  }

  @Test func `a body may be as large as the limit`() {
    var limits = RequestLimits()
    limits.body = 6
    #expect(
      decode("3\r\nabc\r\n3\r\ndef\r\n0\r\n\r\n", limits: limits) == .body("abcdef", rest: ""))
    #expect(decode("3\r\nabc\r\n4\r\n", limits: limits) == .refused(.bodyTooLarge))
    #expect(decode("7\r\n", limits: limits) == .refused(.bodyTooLarge))
  }

  @Test func `extensions and trailers are limited too`() {
    var limits = RequestLimits()
    limits.chunkExtensions = 8
    limits.fieldCount = 2
    limits.headerSection = 20
    #expect(decode("0;1234567\r\n\r\n", limits: limits) == .body("", rest: ""))
    #expect(decode("0;12345678\r\n\r\n", limits: limits) == .refused(.chunkExtensionsTooLarge))
    #expect(
      decode("1;123\r\na\r\n0;1234\r\n\r\n", limits: limits) == .refused(.chunkExtensionsTooLarge))
    #expect(decode("0\r\na:\r\nb:\r\nc:\r\n\r\n", limits: limits) == .refused(.trailersTooLarge))
    #expect(decode("0\r\na:12345678901234567890", limits: limits) == .refused(.trailersTooLarge))
  }

  @Test func `random bodies in random chunks and portions come out as they went in`() {
    let seed = UInt64.random(in: 0...UInt64.max)
    var generator = SeededGenerator(seed: seed)
    for _ in 0..<300 {
      let body = (0..<Int.random(in: 0...600, using: &generator)).map { _ in
        UInt8.random(in: 0x20...0x7E, using: &generator)
      }
      var bytes: [UInt8] = []
      var rest = body[...]
      while !rest.isEmpty {
        let chunk = rest.prefix(Int.random(in: 1...100, using: &generator))
        bytes += Array(String(chunk.count, radix: 16).utf8) + [13, 10] + chunk + [13, 10]
        rest = rest.dropFirst(chunk.count)
      }
      bytes += Array("0\r\n\r\n".utf8)
      let splits = (0..<5).map { _ in Int.random(in: 0...bytes.count, using: &generator) }.sorted()
      let expected = Decoded.body(String(decoding: body, as: UTF8.self), rest: "")
      #expect(decode(bytes, splitAt: splits) == expected, "seed \(seed)")
    }
  }
}
