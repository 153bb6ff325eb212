import Testing

@testable import TransomHTTP

struct FieldContentTests {
  @Test func `each byte is seen at each place of a word, and behind a tab, too`() {
    for length in 0...20 {
      for place in 0..<length {
        for byte in UInt8.min ... .max {
          var text = [UInt8](repeating: 0x61, count: length)
          if place > 0 { text[place / 2] = ByteClass.tab }
          text[place] = byte
          let end = ByteClass.isContent(byte) ? length : place
          #expect(text.span.endOfFieldContent(from: 0) == end)
          #expect(text.span.endOfFieldContent(from: place) == end)
        }
      }
    }
  }

  @Test func `of several control characters the first ends the content`() {
    for first in 0..<24 {
      for second in first..<24 {
        var text = [UInt8](repeating: 0xFF, count: 24)
        text[second] = 0x7F
        text[first] = 0x1F
        #expect(text.span.endOfFieldContent(from: 0) == first)
      }
    }
  }
}
