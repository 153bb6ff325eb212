extension Span<UInt8> {
  /// The number of bytes of the scalar that begins at `index` with a byte from 0x80; 0 if that is
  /// not well-formed UTF-8 (The Unicode Standard, table 3-7: no overlong form, no surrogate,
  /// nothing above U+10FFFF).
  func lengthOfUTF8Scalar(at index: Int) -> Int {
    let first = self[index]
    let second = index + 1 < count ? self[index + 1] : 0
    switch first {
    case 0xc2...0xdf:
      return isContinuation(second) ? 2 : 0
    case 0xe0...0xef:
      let lowest: UInt8 = first == 0xe0 ? 0xa0 : 0x80
      let highest: UInt8 = first == 0xed ? 0x9f : 0xbf
      guard lowest...highest ~= second, index + 2 < count else { return 0 }
      return isContinuation(self[index + 2]) ? 3 : 0
    case 0xf0...0xf4:
      let lowest: UInt8 = first == 0xf0 ? 0x90 : 0x80
      let highest: UInt8 = first == 0xf4 ? 0x8f : 0xbf
      guard lowest...highest ~= second, index + 3 < count else { return 0 }
      return isContinuation(self[index + 2]) && isContinuation(self[index + 3]) ? 4 : 0
    default:
      return 0
    }
  }

  private func isContinuation(_ byte: UInt8) -> Bool {
    byte & 0xc0 == 0x80
  }
}
