/// Takes the chunked transfer coding off a body that arrives in any portions (RFC 9112, section 7.1).
///
/// Strict like the parser: a chunk size is nothing but hexadecimal digits, every line ends in CRLF, and
/// chunk extensions and trailer fields are checked, and dropped.
///
/// Rule of this file: every byte is looked at once; what has to be remembered of it is in `state`.
package struct BodyDecoder {
  private enum State: Equatable {
    /// In the digits of a chunk's size, `digits` of which have come.
    case size(UInt64, digits: Int)
    case chunkExtension(size: UInt64)
    /// After the CR that ends the line of a chunk's size.
    case sizeEnd(size: UInt64)
    case data(left: Int)
    case dataEnd
    case dataEndLineFeed
    case trailerStart
    case trailerName
    case trailerValue
    case trailerEnd
    /// After the CR of the empty line.
    case end
    case complete
  }

  private let limits: RequestLimits
  private var state = State.size(0, digits: 0)
  private var extensionBytes = 0
  private var trailerBytes = 0
  private var trailerCount = 0

  /// What has been decoded.
  package private(set) var body: [UInt8] = []

  package init(limits: RequestLimits = RequestLimits()) {
    self.limits = limits
  }

  /// Whether the end of the body has been reached.
  package var isComplete: Bool { state == .complete }

  /// Makes the decoder ready for another body, in the same memory unless that has grown over `limit`.
  mutating func reset(keepingAtMost limit: Int) {
    body.clear(keepingAtMost: limit)
    state = .size(0, digits: 0)
    extensionBytes = 0
    trailerBytes = 0
    trailerCount = 0
  }

  /// Decodes `bytes[start...]`; gives the first offset that it did not take, which is past the end of
  /// the bytes unless the body is complete.
  package mutating func decode(
    _ bytes: [UInt8], from start: Int
  ) throws(ParseError) -> Int {
    var index = start
    while index < bytes.count, state != .complete {
      if case .data(let left) = state {
        let count = min(left, bytes.count - index)
        body += bytes[index..<index + count]
        index += count
        state = count == left ? .dataEnd : .data(left: left - count)
      } else {
        try take(bytes[index], at: index)
        index += 1
      }
    }
    return index
  }

  private mutating func take(_ byte: UInt8, at offset: Int) throws(ParseError) {
    switch state {
    case .size, .chunkExtension, .sizeEnd:
      try takeOfSizeLine(byte, at: offset)
    case .dataEnd:
      guard byte == ByteClass.carriageReturn else {
        throw ParseError(.chunkEndMalformed, at: offset)
      }
      state = .dataEndLineFeed
    case .dataEndLineFeed:
      guard byte == ByteClass.lineFeed else { throw ParseError(.chunkEndMalformed, at: offset) }
      state = .size(0, digits: 0)
    case .trailerStart, .trailerName, .trailerValue, .trailerEnd, .end:
      try takeOfTrailers(byte, at: offset)
    case .data, .complete:
      break
    }
  }

  /// `chunk-size [ chunk-ext ] CRLF`.
  private mutating func takeOfSizeLine(_ byte: UInt8, at offset: Int) throws(ParseError) {
    switch state {
    case .size(let size, let digits):
      if let digit = ByteClass.hexDigit(byte) {
        // 16 digits fit in 64 bits, and no sender pads a size beyond that.
        guard digits < 16 else { throw ParseError(.chunkSizeMalformed, at: offset) }
        state = .size(size << 4 | UInt64(digit), digits: digits + 1)
        return
      }
      guard digits > 0 else { throw ParseError(.chunkSizeMalformed, at: offset) }
      switch byte {
      case ByteClass.carriageReturn: state = .sizeEnd(size: size)
      case UInt8(ascii: ";"): state = .chunkExtension(size: size)
      default: throw ParseError(.chunkSizeMalformed, at: offset)
      }
    case .chunkExtension(let size):
      extensionBytes += 1
      guard extensionBytes <= limits.chunkExtensions else {
        throw ParseError(.chunkExtensionsTooLarge, at: offset)
      }
      if byte == ByteClass.carriageReturn {
        state = .sizeEnd(size: size)
      } else if !ByteClass.isContent(byte) {
        throw ParseError(.chunkExtensionMalformed, at: offset)
      }
    case .sizeEnd(let size):
      guard byte == ByteClass.lineFeed else { throw ParseError(.bareCarriageReturn, at: offset) }
      guard size <= UInt64(max(0, limits.body - body.count)) else {
        throw ParseError(.bodyTooLarge, at: offset)
      }
      state = size == 0 ? .trailerStart : .data(left: Int(size))
    default:
      break
    }
  }

  /// `*( field-line CRLF ) CRLF` (RFC 9112, section 7.1.2).
  private mutating func takeOfTrailers(_ byte: UInt8, at offset: Int) throws(ParseError) {
    trailerBytes += 1
    guard trailerBytes <= limits.headerSection else {
      throw ParseError(.trailersTooLarge, at: offset)
    }
    switch state {
    case .trailerStart where byte == ByteClass.carriageReturn:
      state = .end
    case .trailerStart:
      guard ByteClass.isToken(byte) else { throw ParseError(.trailerMalformed, at: offset) }
      trailerCount += 1
      guard trailerCount <= limits.fieldCount else {
        throw ParseError(.trailersTooLarge, at: offset)
      }
      state = .trailerName
    case .trailerName where byte == UInt8(ascii: ":"):
      state = .trailerValue
    case .trailerName:
      guard ByteClass.isToken(byte) else { throw ParseError(.trailerMalformed, at: offset) }
    case .trailerValue where byte == ByteClass.carriageReturn:
      state = .trailerEnd
    case .trailerValue:
      guard ByteClass.isContent(byte) else { throw ParseError(.trailerMalformed, at: offset) }
    case .trailerEnd, .end:
      guard byte == ByteClass.lineFeed else { throw ParseError(.bareCarriageReturn, at: offset) }
      state = state == .end ? .complete : .trailerStart
    default:
      break
    }
  }
}

extension [UInt8] {
  /// Empties a buffer that is used again, and gives its memory back if it has grown beyond `limit`.
  mutating func clear(keepingAtMost limit: Int) {
    removeAll(keepingCapacity: capacity <= limit)
  }
}
