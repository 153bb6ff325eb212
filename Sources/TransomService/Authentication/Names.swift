/// A set of names, which are compared byte by byte, as PostgreSQL compares them: Swift's `==` takes texts for one that Unicode
/// takes for one, such as an é of one character and of two.
package enum Names: Equatable, Sendable {
  case any
  /// These, and those that begin as one that ends in `*`.
  case these([String])

  /// Takes names as they are written: `*` is any.
  package init(_ texts: [String]) {
    self = texts.contains { $0.hasSameBytes(as: "*") } ? .any : .these(texts)
  }

  package func contains(_ name: String) -> Bool {
    switch self {
    case .any: true
    case .these(let names):
      names.contains { own in
        own.utf8.last == UInt8(ascii: "*")
          ? name.utf8.starts(with: own.utf8.dropLast()) : own.hasSameBytes(as: name)
      }
    }
  }

  /// As they are written.
  package var texts: [String] {
    switch self {
    case .any: ["*"]
    case .these(let names): names
    }
  }
}

extension String {
  /// Whether another text is the same, and not only to Unicode.
  func hasSameBytes(as other: String?) -> Bool { other.map { utf8.elementsEqual($0.utf8) } == true }

  /// The letters of ASCII in lower case and nothing else changed, as PostgreSQL does it with names of settings.
  var lowercasedASCII: String {
    String(decoding: utf8.map { 0x41...0x5a ~= $0 ? $0 | 0x20 : $0 }, as: UTF8.self)
  }
}
