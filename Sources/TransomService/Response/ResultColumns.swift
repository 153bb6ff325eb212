/// The columns of the result that is being written: what describes them, and what stands before
/// each of their values. Reused from result to result.
struct ResultColumns {
  /// What a value of a column needs: the bytes in front (the comma or bracket and the key) as a
  /// range of `openings`, and its encoding.
  private struct Cell {
    let opening: Range<Int>
    /// The encoding if it is a scalar one: to be had without a copy of the other, which would count references.
    let scalar: ScalarEncoding?
    let encoding: ColumnEncoding

    init(opening: Range<Int>, encoding: ColumnEncoding) {
      self.opening = opening
      self.encoding = encoding
      if case .scalar(let scalar) = encoding { self.scalar = scalar } else { scalar = nil }
    }
  }

  private var names: [UInt8] = []
  private var nameRanges: [Range<Int>] = []
  private var types: [ColumnType] = []
  private var openings = JSONWriter()
  private var cells: [Cell] = []

  var count: Int { cells.count }

  /// Most statements have no columns, and of an empty array, too, it would take long to remove all.
  mutating func removeAll() {
    guard !types.isEmpty || !cells.isEmpty else { return }
    names.removeAll(keepingCapacity: true)
    nameRanges.removeAll(keepingCapacity: true)
    types.removeAll(keepingCapacity: true)
    openings.bytes.removeAll(keepingCapacity: true)
    cells.removeAll(keepingCapacity: true)
  }

  mutating func append(name: Span<UInt8>, type: ColumnType) {
    let start = names.count
    names.append(copying: name)
    nameRanges.append(start..<names.count)
    types.append(type)
  }

  /// Appends the columns' descriptions, and prepares what stands before each value.
  mutating func close(rows shape: ResultWriter.RowShape, to writer: inout JSONWriter) {
    // A second reference for the length of this call, so that spans of it borrow no more.
    let names = names
    let hasOwnKeys = shape == .objects && !ColumnKeys.areDistinct(names, nameRanges)
    let keys = hasOwnKeys ? ColumnKeys.make(for: nameRanges.map { names[$0] }) : []
    for index in types.indices {
      let name = names.span.extracting(nameRanges[index])
      let key: [UInt8]? = hasOwnKeys ? keys[index] : nil
      if index > 0 { writer.byte(JSONWriter.comma) }
      writer.raw(#"{"name":"#)
      writer.string(name)
      writer.raw(#","type":"#)
      writer.string(types[index].name)
      // A key is told only where it is not the name.
      if let key, key[...] != names[nameRanges[index]] {
        writer.raw(#","key":"#)
        writer.string(key.span)
      }
      writer.byte(JSONWriter.closeBrace)

      let encoding = types[index].encoding
      if let key {
        add(key: key.span, encoding, rows: shape)
      } else {
        add(key: name, encoding, rows: shape)
      }
    }
  }

  /// Prepares the values of the next column.
  mutating func add(
    key: Span<UInt8>, _ encoding: ColumnEncoding, rows shape: ResultWriter.RowShape
  ) {
    let start = openings.bytes.count
    openings.byte(cells.isEmpty ? shape.opening : JSONWriter.comma)
    if shape == .objects {
      openings.string(key)
      openings.byte(JSONWriter.colon)
    }
    cells.append(Cell(opening: start..<openings.bytes.count, encoding: encoding))
  }

  /// Appends a column's value with what stands before it.
  @inline(__always)
  func write(
    _ text: Span<UInt8>, at index: Int, by encoder: inout ValueEncoder, to writer: inout JSONWriter
  ) {
    let opening = openings.bytes.span.extracting(cells[index].opening)
    if let scalar = cells[index].scalar {
      encoder.append(text, as: scalar, after: opening, to: &writer)
    } else {
      encoder.append(text, as: cells[index].encoding, after: opening, to: &writer)
    }
  }

  /// Appends NULL as a column's value with what stands before it.
  func writeNull(at index: Int, to writer: inout JSONWriter) {
    writer.raw(openings.bytes.span.extracting(cells[index].opening), "null")
  }
}

extension ResultWriter.RowShape {
  var opening: UInt8 {
    switch self {
    case .objects: JSONWriter.openBrace
    case .arrays: JSONWriter.openBracket
    }
  }

  var closing: UInt8 {
    switch self {
    case .objects: JSONWriter.closeBrace
    case .arrays: JSONWriter.closeBracket
    }
  }
}
