extension Span<UInt8> {
  /// The offset of the first byte from `start` on that is no field content (RFC 9110, section 5.5): a control character, but
  /// for HTAB; `count` if there is none.
  ///
  /// Looks at eight bytes at a time. Safe: each word is read within the bounds.
  func endOfFieldContent(from start: Int) -> Int {
    precondition(start >= 0)
    let bytes = unsafe self.bytes
    var index = start
    while index &+ 8 <= count {
      let word = unsafe bytes.unsafeLoadUnaligned(fromUncheckedByteOffset: index, as: UInt64.self)
      let control = Self.controls(in: UInt64(littleEndian: word))
      guard control != 0 else {
        index &+= 8
        continue
      }
      index &+= control.trailingZeroBitCount &>> 3
      guard self[index] == ByteClass.tab else { return index }
      index &+= 1
    }
    while index < count, ByteClass.isContent(self[index]) { index &+= 1 }
    return index
  }

  /// A word whose lowest set bit is the top bit of the first byte that is a control character.
  ///
  /// A subtraction borrows from the next byte, so that bits above the lowest one may be wrong, but never the lowest
  /// ("Bit Twiddling Hacks", haszero).
  @inline(__always)
  private static func controls(in word: UInt64) -> UInt64 {
    let ones: UInt64 = 0x0101_0101_0101_0101
    let delete = word ^ ones &* 0x7F
    let low = (word &- ones &* 0x20) & ~word
    return (low | (delete &- ones) & ~delete) & (ones &* 0x80)
  }
}
