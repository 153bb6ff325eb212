internal import CTransomJSON
internal import Glibc
package import TransomPostgres

/// Reads JSON documents (RFC 8259) strictly, one after the other, in memory that it reuses.
///
/// The values of the last document are looked at by index, in the order of the text, without an
/// allocation for each; a number keeps every digit. Each event loop owns one reader.
///
///     try reader.read(body.span, depth: 512)
///     var children = reader.children(of: reader.root)
///     while let key = reader.next(&children), let value = reader.next(&children) { … }
///
/// Safe: the C reader is owned by this type alone and freed once; its arrays are only read within
/// the bounds that came with them, and not after the next `read`, which needs exclusive access.
@safe package struct JSONReader: ~Copyable {
  private let pointer: OpaquePointer
  private var document = unsafe TransomJSONDocument()

  /// Makes a reader. Without memory for its few hundred octets no process goes on.
  package init() {
    guard let pointer = unsafe transom_json_reader_create() else { fatalError("out of memory") }
    unsafe self.pointer = pointer
  }

  deinit { unsafe transom_json_reader_destroy(pointer) }

  /// Reads one whole document, in place of the last one.
  ///
  /// - Parameters:
  ///   - text: the document, in UTF-8, at most 256 MiB. It is copied.
  ///   - depth: how many arrays and objects may stand inside one another.
  /// - Throws: what is wrong with the document, and where.
  package mutating func read(_ text: Span<UInt8>, depth: Int) throws(JSONError) {
    unsafe text.withUnsafeBufferPointer { octets in
      unsafe transom_json_reader_read(
        pointer, octets.baseAddress, octets.count, UInt32(clamping: depth), &document)
    }
    guard unsafe document.status != .success else { return }
    throw unsafe JSONError(document)
  }

  /// The document itself. There is none before the first `read`, and after one that failed.
  package var root: JSONNode { JSONNode(index: 0) }

  package func kind(of node: JSONNode) -> JSONKind {
    let kind = record(of: node).kind
    // Three bits that our own C code fills with seven values.
    return JSONKind(rawValue: UInt8(truncatingIfNeeded: kind)) ?? .null
  }

  /// The number of an array's elements or an object's members; 0 for everything else.
  package func count(of node: JSONNode) -> Int { Int(record(of: node).count) }

  /// An array's elements, or an object's keys and values in turn.
  package func children(of node: JSONNode) -> JSONChildren {
    JSONChildren(next: node.index + 1, end: Int(record(of: node).next))
  }

  /// The next of `children`; nil after the last one.
  package func next(_ children: inout JSONChildren) -> JSONNode? {
    guard children.next < children.end else { return nil }
    let node = JSONNode(index: children.next)
    children.next = Int(record(of: node).next)
    return node
  }

  /// Whether a value is this one or stands inside it.
  package func contains(_ node: JSONNode, in whole: JSONNode) -> Bool {
    node.index >= whole.index && node.index < Int(record(of: whole).next)
  }

  /// A string's text; any other value as it stands in the document.
  @_lifetime(borrow self)
  package func span(_ node: JSONNode) -> Span<UInt8> {
    let octets = unsafe text(of: node)
    return unsafe _overrideLifetime(Span(_unsafeElements: octets), borrowing: self)
  }

  /// The size of a string's text, or of any other value as it stands in the document, in bytes.
  func size(of node: JSONNode) -> Int { span(node).count }

  /// Appends a string's text, or any other value as it stands in the document.
  func append(_ node: JSONNode, to bytes: inout [UInt8]) { bytes.append(copying: span(node)) }

  /// A string's text; any other value as it stands in the document.
  package func string(_ node: JSONNode) -> String {
    unsafe String(decoding: text(of: node), as: UTF8.self)
  }

  /// Whether a string, such as a key, is just this one. Allocates nothing.
  package func text(of node: JSONNode, equals other: StaticString) -> Bool {
    span(node).elementsEqual(other)
  }

  /// Whether a string is this one, byte for byte in UTF-8.
  package func text(of node: JSONNode, equals other: String) -> Bool {
    let octets = unsafe text(of: node)
    return unsafe other.utf8.span.withUnsafeBufferPointer { other in
      guard other.count == octets.count else { return false }
      guard let first = octets.baseAddress, let second = other.baseAddress else { return true }
      return unsafe memcmp(first, second, octets.count) == 0
    }
  }

  /// What a string can be looked for by.
  package func digest(of node: JSONNode) -> TextDigest { unsafe TextDigest(text(of: node)) }

  /// Which of these strings a string, such as a key, is; nil if none.
  package func position(of node: JSONNode, in names: [StaticString]) -> Int? {
    for index in names.indices where text(of: node, equals: names[index]) { return index }
    return nil
  }

  /// Whether a string holds U+0000, which PostgreSQL's text cannot. Only an escape can write it.
  package func holdsNUL(_ node: JSONNode) -> Bool {
    guard record(of: node).escaped != 0 else { return false }
    return unsafe text(of: node).contains(0)
  }

  private func record(of node: JSONNode) -> TransomJSONNode {
    unsafe precondition(node.index >= 0 && node.index < document.node_count)
    return unsafe document.nodes[node.index]
  }

  private func text(of node: JSONNode) -> UnsafeBufferPointer<UInt8> {
    let record = record(of: node)
    let area = unsafe record.escaped != 0 ? document.unescaped : document.source
    return unsafe UnsafeBufferPointer(
      start: area.map { unsafe $0 + Int(record.start) }, count: Int(record.length))
  }
}

/// What a JSON value is.
package enum JSONKind: UInt8, Sendable {
  case null = 0
  case `false`
  case `true`
  case number
  case string
  case array
  case object
}

/// A value, or an object's key, in the document that a `JSONReader` read last.
package struct JSONNode: Equatable, Sendable {
  fileprivate(set) var index: Int
}

/// Where a walk through an array or object stands.
package struct JSONChildren: Sendable {
  fileprivate(set) var next: Int
  fileprivate(set) var end: Int
}
