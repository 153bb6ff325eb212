/// Turns values in PostgreSQL's text form into the JSON that `to_json` gives for them
/// (PostgreSQL manual, 9.16.2 "JSON Creation Functions").
///
/// A text that is not of its type's form (a client can set another `DateStyle`) becomes a string
/// of that text: what is written is always one valid JSON value.
package struct ValueEncoder {
  private var element: [UInt8] = []
  private var syntax = JSONSyntax()

  package init() {}

  /// Appends one value that is not NULL.
  @inline(__always)
  package mutating func append(
    _ text: Span<UInt8>, as encoding: ColumnEncoding, to writer: inout JSONWriter
  ) {
    switch encoding {
    case .scalar(let scalar):
      Self.append(text, as: scalar, to: &writer, syntax: &syntax)
    case .array(let scalar, let delimiter):
      Self.appendArray(
        text, of: scalar, delimiter: delimiter, to: &writer, element: &element, syntax: &syntax)
    }
  }

  private static func append(
    _ text: Span<UInt8>, as encoding: ScalarEncoding, to writer: inout JSONWriter,
    syntax: inout JSONSyntax
  ) {
    switch encoding {
    case .text:
      writer.string(text)
    case .number:
      if JSONSyntax.isNumber(text) { writer.raw(text) } else { writer.string(text) }
    case .bool:
      appendBool(text, to: &writer)
    case .timestamp:
      appendTimestamp(text, hasZone: false, to: &writer)
    case .timestamptz:
      appendTimestamp(text, hasZone: true, to: &writer)
    case .json:
      if syntax.isText(text) { writer.raw(text) } else { writer.string(text) }
    case .numberVector:
      appendVector(text, of: .number, to: &writer, syntax: &syntax)
    case .textVector:
      appendVector(text, of: .text, to: &writer, syntax: &syntax)
    }
  }

  private static func appendBool(_ text: Span<UInt8>, to writer: inout JSONWriter) {
    guard text.count == 1 else { return writer.string(text) }
    switch text[0] {
    case UInt8(ascii: "t"): writer.bool(true)
    case UInt8(ascii: "f"): writer.bool(false)
    default: writer.string(text)
    }
  }

  private static func appendTimestamp(
    _ text: Span<UInt8>, hasZone: Bool, to writer: inout JSONWriter
  ) {
    guard let form = TimestampText(text, hasZone: hasZone) else { return writer.string(text) }
    writer.byte(JSONWriter.quote)
    let start = writer.bytes.count
    let end = form.missingMinutes ?? text.count
    writer.raw(text.extracting(..<end))
    writer.bytes[start + form.separator] = UInt8(ascii: "T")
    if form.missingMinutes != nil {
      writer.raw(":00")
      writer.raw(text.extracting(end...))
    }
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
      append(text.extracting(start..<end), as: encoding, to: &writer, syntax: &syntax)
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
        append(element.span, as: encoding, to: &writer, syntax: &syntax)
      case .end:
        return
      case .malformed:
        writer.bytes.removeLast(writer.bytes.count - start)
        return writer.string(text)
      }
    }
  }
}
