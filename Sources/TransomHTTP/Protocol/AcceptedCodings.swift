/// The content codings that a client takes, of those that we have (RFC 9110, section 12.5.3).
///
/// Elements that do not follow the grammar are passed over: they accept nothing and refuse nothing.
package struct AcceptedCodings: Equatable {
  /// In thousandths; nil if the coding is not named.
  private var gzip: Int?
  private var identity: Int?
  private var others: Int?

  /// Takes the value of one line of the field Accept-Encoding.
  mutating func take(_ value: Span<UInt8>) {
    for element in value.split(at: UInt8(ascii: ",")) { takeElement(value.extracting(element)) }
  }

  /// Whether the answer is to be compressed, if compressing is worth it.
  package var prefersGzip: Bool {
    guard let quality = gzip ?? others, quality > 0 else { return false }
    return quality >= (identity ?? 0)
  }

  /// Whether the answer is to be compressed however small it is: the client cannot use it otherwise.
  package var needsGzip: Bool { prefersGzip && (identity ?? others) == 0 }

  /// `codings [ OWS ";" OWS "q=" qvalue ]`.
  private mutating func takeElement(_ element: Span<UInt8>) {
    var end = 0
    let text = element.trimmed
    while end < text.count, ByteClass.isToken(text[end]) { end += 1 }
    guard end > 0, let quality = Self.quality(text.extracting(end...)) else { return }
    let name = text.extracting(..<end)
    if ByteClass.matches(name, "gzip") || ByteClass.matches(name, "x-gzip") {
      gzip = quality
    } else if ByteClass.matches(name, "identity") {
      identity = quality
    } else if ByteClass.matches(name, "*") {
      others = quality
    }
  }

  /// `qvalue = ( "0" [ "." 0*3DIGIT ] ) / ( "1" [ "." 0*3("0") ] )`, in thousandths; nil if it is another text.
  private static func quality(_ weight: Span<UInt8>) -> Int? {
    var rest = weight.trimmed
    guard !rest.isEmpty else { return 1000 }
    guard rest[0] == UInt8(ascii: ";") else { return nil }
    rest = rest.extracting(1...).trimmed
    guard 3...7 ~= rest.count, ByteClass.matches(rest.extracting(..<2), "q="),
      let whole = ByteClass.digit(rest[2]), whole <= 1
    else { return nil }
    guard rest.count > 3 else { return whole * 1000 }
    guard rest[3] == UInt8(ascii: ".") else { return nil }
    var thousandths = whole * 1000
    var unit = 100
    for index in 4..<rest.count {
      guard let digit = ByteClass.digit(rest[index]) else { return nil }
      thousandths += digit * unit
      unit /= 10
    }
    return thousandths <= 1000 ? thousandths : nil
  }
}

extension Span<UInt8> {
  /// Without the spaces and tabs around it.
  fileprivate var trimmed: Span<UInt8> {
    @_lifetime(copy self)
    get {
      var start = 0
      var end = count
      while start < end, ByteClass.isSpaceOrTab(self[start]) { start += 1 }
      while end > start, ByteClass.isSpaceOrTab(self[end - 1]) { end -= 1 }
      return extracting(start..<end)
    }
  }
}

extension Request {
  /// What its client accepts; nil if it says nothing about it.
  package var acceptedCodings: AcceptedCodings? {
    guard field("accept-encoding") != nil else { return nil }
    var codings: AcceptedCodings?
    for field in head.fields where ByteClass.matches(span(field.name), "accept-encoding") {
      if codings == nil { codings = AcceptedCodings() }
      codings?.take(span(field.value))
    }
    return codings
  }
}
