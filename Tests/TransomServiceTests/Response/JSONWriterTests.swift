import TestSupport
import Testing

@testable import TransomService

@Suite struct JSONWriterTests {
  private func written(_ text: [UInt8]) -> [UInt8] {
    var writer = JSONWriter()
    writer.string(text.span)
    return writer.bytes
  }

  @Test(arguments: [
    ("", #""""#), ("plain", #""plain""#), ("é€𝄞", #""é€𝄞""#),
    ("\u{2028}\u{7f}", "\"\u{2028}\u{7f}\""),
    ("\"\\/", #""\"\\/""#), ("\u{8}\t\n\u{c}\r", #""\b\t\n\f\r""#),
    ("\0\u{1}\u{b}\u{1f}", #""\u0000\u0001\u000b\u001f""#), ("a\u{1b}é\"b", #""a\u001bé\"b""#),
  ])
  func `a string is escaped where it must be and nowhere else`(_ text: String, _ json: String) {
    #expect(written(Array(text.utf8)) == Array(json.utf8))
  }

  @Test(arguments: [
    [0x80], [0xbf], [0xc0, 0x80], [0xc1, 0xbf], [0xc3], [0xe0, 0x9f, 0xbf], [0xed, 0xa0, 0x80],
    [0xe2, 0x82], [0xf0, 0x8f, 0xbf, 0xbf], [0xf4, 0x90, 0x80, 0x80], [0xf5], [0xff],
    [0xf0, 0x9d, 0x84], [0xc3, 0x28],
  ])
  func `what is not UTF-8 becomes U+FFFD and spares its neighbours`(_ invalid: [UInt8]) {
    let json = String(validating: written([0x61] + invalid + [0x62]), as: UTF8.self)
    #expect(json?.hasPrefix("\"a\u{fffd}") == true)
    #expect(json?.hasSuffix("b\"") == true)
  }

  @Test(arguments: ["SELECT", "", "a \"quoted\" one", "\u{1}é\\"])
  func `a string between two texts is the same as each by itself`(_ text: String) {
    var (whole, parts) = (JSONWriter(), JSONWriter())
    whole.string(text.utf8.span, between: #"{"command":"#, and: #","row_count":"#)
    parts.raw(#"{"command":"#)
    parts.string(text)
    parts.raw(#","row_count":"#)
    #expect(whole.bytes == parts.bytes)
  }

  @Test func `each byte is seen at each place of a word`() {
    for length in 0...20 {
      for place in 0..<length {
        for byte in UInt8.min ... .max {
          var text = [UInt8](repeating: 0x61, count: length)
          text[place] = byte
          let isPlain = byte >= 0x20 && byte < 0x80 && byte != 0x22 && byte != 0x5c
          let end = text.span.endOfPlainASCII(from: 0)
          #expect(end == (isPlain ? length : place), "\(byte) at \(place) of \(length)")
        }
      }
    }
  }

  @Test(arguments: [UInt64.random(in: 0 ... .max), 1])
  func `a string reads back as the text it was`(_ seed: UInt64) {
    var generator = SeededGenerator(seed: seed)
    let scalars: [Unicode.Scalar] = ["a", "\"", "\\", "\n", "\0", "é", "€", "𝄞", "\u{7f}", "/"]
    for _ in 0..<2_000 {
      var text = ""
      for _ in 0..<Int.random(in: 0..<30, using: &generator) {
        let scalar = scalars[Int.random(in: 0..<scalars.count, using: &generator)]
        for _ in 0..<Int.random(in: 1...9, using: &generator) { text.unicodeScalars.append(scalar) }
      }
      let bytes = Array(text.utf8)
      #expect(PlainJSONParser.parse(written(bytes)) == .string(bytes), "seed \(seed)")
    }
  }

  @Test(arguments: [0, 7, 10, 99, 100, -1, -10, 1_234_567_890, .max, .min])
  func `an integer is its decimal digits`(_ value: Int) {
    var writer = JSONWriter()
    writer.integer(value)
    #expect(writer.bytes == Array(String(value).utf8))
  }
}
