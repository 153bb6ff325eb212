extension Span<UInt8> {
  /// The index of the first byte from `start` that a JSON string cannot hold as it is, or that is
  /// not ASCII: a control character, `"`, `\` or a byte from 0x80; `count` if there is none.
  ///
  /// Looks at eight bytes at a time.
  func endOfPlainASCII(from start: Int) -> Int {
    var index = start
    let bytes = unsafe self.bytes
    precondition(start >= 0)
    while index &+ 8 <= count {
      let word = unsafe bytes.unsafeLoadUnaligned(fromUncheckedByteOffset: index, as: UInt64.self)
      let special = Self.specialBytes(of: UInt64(littleEndian: word))
      if special != 0 { return index &+ special.trailingZeroBitCount &>> 3 }
      index &+= 8
    }
    while index < count {
      let byte = self[index]
      if byte < 0x20 || byte == 0x22 || byte == 0x5c || byte >= 0x80 { return index }
      index &+= 1
    }
    return index
  }

  /// A word whose lowest set bit is the top bit of the first byte that is not plain ASCII.
  ///
  /// Subtraction borrows from the next byte, so bits above the lowest one may be wrong, but
  /// never the lowest: below it nothing was borrowed ("Bit Twiddling Hacks", haszero).
  @inline(__always)
  private static func specialBytes(of word: UInt64) -> UInt64 {
    let ones: UInt64 = 0x0101_0101_0101_0101
    let control = word &- ones &* 0x20
    let quote = (word ^ ones &* 0x22) &- ones
    let backslash = (word ^ ones &* 0x5c) &- ones
    return (control | quote | backslash | word) & (ones &* 0x80)
  }
}
