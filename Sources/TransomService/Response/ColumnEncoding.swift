/// How a column's values become JSON; found once for each column of a result.
///
/// The cases are those of PostgreSQL's own `to_json` (`json_categorize_type` in its source).
package enum ColumnEncoding: Equatable, Sendable {
  case scalar(ScalarEncoding)
  /// An array of any dimension, in the text form of the manual's section 8.15.6.
  indirect case array(of: ColumnEncoding, delimiter: UInt8)
  /// A row, in the text form of the manual's section 8.16.6: an object.
  case composite([CompositeAttribute])

  package static let text = ColumnEncoding.scalar(.text)
}

/// How a value that is not made of others becomes JSON.
package enum ScalarEncoding: Equatable, Sendable {
  /// A string of the value's text. It is right for dates, too: their text is ISO 8601 already.
  case text
  /// The digits as they are; a string if it is no JSON number (`NaN`, `Infinity`).
  case number
  case bool
  /// A string with `T` between date and time.
  case timestamp
  /// A string with `T` between date and time, and a zone of hours and minutes at least.
  case timestamptz
  /// Embedded as it is.
  case json
  /// An `int2vector`: an array, though its text has no braces.
  case numberVector
  /// An `oidvector`: an array of strings, as `oid` is a string to `to_json`.
  case textVector
  /// An object of strings, as the extension's cast to json gives it.
  case hstore
}

/// One attribute of a composite type.
package struct CompositeAttribute: Equatable, Sendable {
  /// `"name":` as it stands in an object.
  let key: [UInt8]
  let encoding: ColumnEncoding

  package init(name: String, encoding: ColumnEncoding) {
    var writer = JSONWriter()
    writer.key(name)
    key = writer.bytes
    self.encoding = encoding
  }
}
