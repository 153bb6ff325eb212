/// Turns values in PostgreSQL's text form into the JSON that `to_json` gives for them
/// (PostgreSQL manual, 9.16.2 "JSON Creation Functions").
///
/// A text that is not of its type's form (a client can set another `DateStyle`) becomes a string
/// of that text: what is written is always one valid JSON value.
package struct ValueEncoder {
  private var element: [UInt8] = []
  private var syntax = JSONSyntax()

  /// Whether json and jsonb come as the server checked them: not if a client changed the encoding of its texts, or if
  /// the database has none. Otherwise each is checked here.
  package var trustsJSON: Bool {
    get { syntax.isTrusting }
    set { syntax.isTrusting = newValue }
  }

  package init() {}

  /// Appends `opening` as it is, and one value that is not NULL.
  package mutating func append(
    _ text: Span<UInt8>, as encoding: ColumnEncoding, after opening: Span<UInt8>,
    to writer: inout JSONWriter
  ) {
    switch encoding {
    case .scalar(let scalar):
      Self.append(text, as: scalar, after: opening, to: &writer, syntax: &syntax)
    case .array(let scalar, let delimiter):
      writer.raw(opening)
      Self.appendArray(
        text, of: scalar, delimiter: delimiter, to: &writer, element: &element, syntax: &syntax)
    }
  }

  private static func append(
    _ text: Span<UInt8>, as encoding: ScalarEncoding, after opening: Span<UInt8>,
    to writer: inout JSONWriter, syntax: inout JSONSyntax
  ) {
    switch encoding {
    case .text:
      writer.string(text, after: opening)
    case .number where JSONSyntax.isNumber(text), .json where syntax.isText(text):
      writer.raw(opening, text)
    case .number, .json:
      writer.string(text, after: opening)
    case .bool:
      appendBool(text, after: opening, to: &writer)
    case .timestamp:
      appendTimestamp(text, hasZone: false, after: opening, to: &writer)
    case .timestamptz:
      appendTimestamp(text, hasZone: true, after: opening, to: &writer)
    case .numberVector:
      writer.raw(opening)
      appendVector(text, of: .number, to: &writer, syntax: &syntax)
    case .textVector:
      writer.raw(opening)
      appendVector(text, of: .text, to: &writer, syntax: &syntax)
    }
  }

  private static func appendBool(
    _ text: Span<UInt8>, after opening: Span<UInt8>, to writer: inout JSONWriter
  ) {
    guard text.count == 1 else { return writer.string(text, after: opening) }
    switch text[0] {
    case UInt8(ascii: "t"): writer.raw(opening, "true")
    case UInt8(ascii: "f"): writer.raw(opening, "false")
    default: writer.string(text, after: opening)
    }
  }

  private static func appendTimestamp(
    _ text: Span<UInt8>, hasZone: Bool, after opening: Span<UInt8>, to writer: inout JSONWriter
  ) {
    // All that this form can hold is plain ASCII: the text is written as it is, then corrected.
    guard let form = TimestampText(text, hasZone: hasZone) else {
      return writer.string(text, after: opening)
    }
    let end = form.missingMinutes ?? text.count
    writer.bytes.append(copying: opening, thenQuoting: text.extracting(..<end))
    let closing = writer.bytes.count - 1
    writer.bytes[closing - end + form.separator] = UInt8(ascii: "T")
    guard form.missingMinutes != nil else { return }
    writer.bytes[closing] = JSONWriter.colon
    writer.raw("00")
    writer.raw(text.extracting(end...))
    writer.byte(JSONWriter.quote)
  }

  /// Appends the elements of an `int2vector` or `oidvector`: digits with a space between.
  private static func appendVector(
    _ text: Span<UInt8>, of encoding: ScalarEncoding, to writer: inout JSONWriter,
    syntax: inout JSONSyntax
  ) {
    writer.byte(JSONWriter.openBracket)
    var start = 0
    while start < text.count {
      var end = start
      while end < text.count, text[end] != 0x20 { end += 1 }
      if start > 0 { writer.byte(JSONWriter.comma) }
      append(
        text.extracting(start..<end), as: encoding, after: Span(), to: &writer, syntax: &syntax)
      start = end + 1
    }
    writer.byte(JSONWriter.closeBracket)
  }

  private static func appendArray(
    _ text: Span<UInt8>, of encoding: ScalarEncoding, delimiter: UInt8,
    to writer: inout JSONWriter, element: inout [UInt8], syntax: inout JSONSyntax
  ) {
    let start = writer.bytes.count
    var reader = ArrayTextReader(text, delimiter: delimiter)
    while true {
      switch reader.next(in: text, element: &element) {
      case .open: writer.byte(JSONWriter.openBracket)
      case .close: writer.byte(JSONWriter.closeBracket)
      case .delimiter: writer.byte(JSONWriter.comma)
      case .null: writer.null()
      case .element:
        append(element.span, as: encoding, after: Span(), to: &writer, syntax: &syntax)
      case .end:
        return
      case .malformed:
        writer.bytes.removeLast(writer.bytes.count - start)
        return writer.string(text)
      }
    }
  }
}
