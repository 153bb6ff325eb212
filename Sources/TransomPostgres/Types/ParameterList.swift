/// The parameters of any number of statements, as PostgreSQL's text form, in one buffer.
///
/// Each text ends in a NUL, as libpq wants it, so that sending copies nothing here.
/// A statement names its own by a range of indices.
package struct ParameterList: Equatable, Sendable {
  /// All texts, each followed by a NUL.
  package private(set) var bytes: [UInt8] = []
  /// Where each text begins in `bytes`; -1 is NULL.
  package private(set) var offsets: [Int32] = []

  package init() {}

  /// Makes room, so that the first appends do not grow the buffers step by step.
  package mutating func reserveCapacity(parameters: Int, octets: Int) {
    offsets.reserveCapacity(parameters)
    bytes.reserveCapacity(octets)
  }

  package var count: Int { offsets.count }

  package mutating func appendNull() {
    offsets.append(-1)
  }

  /// Appends a parameter's text. It must hold no NUL: PostgreSQL's text form cannot.
  ///
  /// Other modules call it, where the compiler cannot specialise it by itself; a generic loop over octets takes microseconds.
  @specialized(where Octets == String.UTF8View)
  @specialized(where Octets == [UInt8])
  @specialized(where Octets == ArraySlice<UInt8>)
  package mutating func append<Octets: Sequence<UInt8>>(_ text: Octets) {
    offsets.append(Int32(bytes.count))
    bytes.append(contentsOf: text)
    bytes.append(0)
  }

  /// Appends a parameter's text that `body` appends to the buffer.
  package mutating func append(_ body: (inout [UInt8]) throws -> Void) rethrows {
    offsets.append(Int32(bytes.count))
    try body(&bytes)
    bytes.append(0)
  }

  /// Appends a value's text form.
  ///
  /// - Throws: `PostgresError` if that holds U+0000, or if it all becomes larger than a message may be.
  mutating func append(_ value: some PostgresEncodable) throws(PostgresError) {
    let start = bytes.count
    var text = ParameterText(appendingTo: exchange(&bytes, with: []))
    value.encode(into: &text)
    let (isNull, flaw) = (text.isNull, text.flaw)
    bytes = text.bytes
    guard !isNull else {
      bytes.removeSubrange(start...)
      return appendNull()
    }
    offsets.append(Int32(clamping: start))
    // Every text ends in a NUL: one in the middle would end it there.
    let isWhole = !bytes[start...].contains(0)
    bytes.append(0)
    if let flaw { throw flaw }
    guard isWhole else {
      throw PostgresError(.encoding, "a text cannot hold U+0000: PostgreSQL cannot store it")
    }
    guard bytes.count < Int(Int32.max) else {
      throw PostgresError(.encoding, "the parameters are larger than 2 GiB")
    }
  }

  /// Appends the parameters of another list.
  mutating func append(contentsOf other: ParameterList) {
    let base = Int32(clamping: bytes.count)
    bytes += other.bytes
    for offset in other.offsets { offsets.append(offset < 0 ? -1 : offset &+ base) }
  }

  /// Puts a text in the place of one of the same length.
  package mutating func replace(at index: Int, with text: [UInt8]) {
    guard let range = range(at: index), range.count == text.count else {
      preconditionFailure("a text of another length does not fit")
    }
    bytes.replaceSubrange(range, with: text)
  }

  package mutating func removeAll() {
    bytes.removeAll(keepingCapacity: true)
    offsets.removeAll(keepingCapacity: true)
  }

  /// Appends a parameter of another list.
  package mutating func append(_ other: ParameterList, at index: Int) {
    guard let range = other.range(at: index) else { return appendNull() }
    append(other.bytes[range])
  }

  /// Where a parameter's text stands in `bytes`, without its NUL; nil is NULL.
  package func range(at index: Int) -> Range<Int>? {
    let start = Int(offsets[index])
    guard start >= 0 else { return nil }
    // Texts stand in order, so that this one ends before the next one that is not NULL.
    var next = index + 1
    while next < offsets.count, offsets[next] < 0 { next += 1 }
    return start..<(next < offsets.count ? Int(offsets[next]) : bytes.count) - 1
  }

  /// A parameter's text; nil is NULL. For tests and messages.
  package func text(at index: Int) -> String? {
    let offset = Int(offsets[index])
    guard offset >= 0 else { return nil }
    return String(decoding: bytes[offset...].prefix { $0 != 0 }, as: UTF8.self)
  }
}
