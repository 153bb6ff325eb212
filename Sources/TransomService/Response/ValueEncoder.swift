/// Turns values in PostgreSQL's text form into the JSON that `to_json` gives for them
/// (PostgreSQL manual, 9.16.2 "JSON Creation Functions").
///
/// A text that is not of its type's form (a client can set another `DateStyle`) becomes a string
/// of that text: what is written is always one valid JSON value.
package struct ValueEncoder {
  /// Buffers for the texts of elements and fields, one for each level that they are nested in now.
  private var idleBuffers: [[UInt8]] = []
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
      append(text, as: scalar, after: opening, to: &writer)
    case .array(let element, let delimiter):
      writer.raw(opening)
      appendArray(text, of: element, delimiter: delimiter, to: &writer)
    case .composite(let attributes):
      writer.raw(opening)
      appendComposite(text, attributes, to: &writer)
    }
  }

  /// Appends `opening` as it is, and one value that is not NULL and not made of others.
  mutating func append(
    _ text: Span<UInt8>, as encoding: ScalarEncoding, after opening: Span<UInt8>,
    to writer: inout JSONWriter
  ) {
    if case .hstore = encoding {
      writer.raw(opening)
      return appendHstore(text, to: &writer)
    }
    Self.append(text, as: encoding, after: opening, to: &writer, syntax: &syntax)
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
    case .hstore:
      preconditionFailure("an hstore needs a buffer")
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
    writer.bytes.append(copying: opening, thenQuoting: text.extracting(..<end), then: Span())
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
}

// What is made of other values. A text that is not of the form becomes a string, and only that text.
extension ValueEncoder {
  private mutating func appendArray(
    _ text: Span<UInt8>, of encoding: ColumnEncoding, delimiter: UInt8,
    to writer: inout JSONWriter
  ) {
    let start = writer.bytes.count
    var element = idleBuffers.popLast() ?? []
    defer { idleBuffers.append(element) }
    var reader = ArrayTextReader(text, delimiter: delimiter)
    while true {
      switch reader.next(in: text, element: &element) {
      case .open: writer.byte(JSONWriter.openBracket)
      case .close: writer.byte(JSONWriter.closeBracket)
      case .delimiter: writer.byte(JSONWriter.comma)
      case .null: writer.null()
      case .element: append(element.span, as: encoding, after: Span(), to: &writer)
      case .end: return
      case .malformed: return writer.string(text, insteadOf: start)
      }
    }
  }

  private mutating func appendComposite(
    _ text: Span<UInt8>, _ attributes: [CompositeAttribute], to writer: inout JSONWriter
  ) {
    let start = writer.bytes.count
    var field = idleBuffers.popLast() ?? []
    defer { idleBuffers.append(field) }
    var reader = CompositeTextReader(fieldCount: attributes.count)
    writer.byte(JSONWriter.openBrace)
    for (index, attribute) in attributes.enumerated() {
      if index > 0 { writer.byte(JSONWriter.comma) }
      switch reader.next(in: text, field: &field) {
      case .null: writer.raw(attribute.key.span, "null")
      case .field:
        append(field.span, as: attribute.encoding, after: attribute.key.span, to: &writer)
      case .end, .malformed: return writer.string(text, insteadOf: start)
      }
    }
    guard case .end = reader.next(in: text, field: &field) else {
      return writer.string(text, insteadOf: start)
    }
    writer.byte(JSONWriter.closeBrace)
  }

  /// With a space after each comma and colon, as hstore's own cast to json.
  private mutating func appendHstore(_ text: Span<UInt8>, to writer: inout JSONWriter) {
    let start = writer.bytes.count
    var buffer = idleBuffers.popLast() ?? []
    defer { idleBuffers.append(buffer) }
    var reader = HstoreTextReader()
    var isFirst = true
    writer.byte(JSONWriter.openBrace)
    while true {
      switch reader.next(in: text, into: &buffer) {
      case .key:
        if !isFirst { writer.raw(", ") }
        isFirst = false
        writer.string(buffer.span)
        writer.raw(": ")
      case .value: writer.string(buffer.span)
      case .null: writer.null()
      case .end: return writer.byte(JSONWriter.closeBrace)
      case .malformed: return writer.string(text, insteadOf: start)
      }
    }
  }
}

extension JSONWriter {
  /// Appends a string in place of what was written from `start` on.
  fileprivate mutating func string(_ text: Span<UInt8>, insteadOf start: Int) {
    bytes.removeLast(bytes.count - start)
    string(text)
  }
}
