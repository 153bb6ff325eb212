internal import Glibc

/// The text of a statement, with what would have to be found out about it each time it is looked up.
///
/// Texts are equal if their bytes are. Two of Swift's strings are already equal if Unicode takes them for the same, such as
/// `select 'é'` with an é of one scalar or of two: PostgreSQL has to return what it was given.
package struct StatementText: Hashable, Sendable, ExpressibleByStringLiteral {
  package let sql: String
  private let digest: TextDigest

  /// Safe: the bytes are read within the closure, which they outlive.
  package init(_ sql: String) {
    self.sql = sql
    digest = unsafe sql.utf8.span.withUnsafeBufferPointer { unsafe TextDigest($0) }
  }

  package init(stringLiteral sql: String) { self.init(sql) }

  package func hash(into hasher: inout Hasher) { digest.hash(into: &hasher) }

  /// The digest is a hash already: a dictionary need not make one of it for each look-up.
  package func _rawHashValue(seed: Int) -> Int { digest._rawHashValue(seed: seed) }

  package static func == (a: StatementText, b: StatementText) -> Bool {
    a.digest == b.digest && a.sql.hasSameBytes(as: b.sql)
  }
}

extension String {
  /// Whether it holds U+0000, at which libpq would take it to end.
  ///
  /// Safe: the bytes are read within the closure, which they outlive.
  var holdsNUL: Bool {
    unsafe utf8.span.withUnsafeBufferPointer { text in
      guard let first = text.baseAddress else { return false }
      return unsafe memchr(first, 0, text.count) != nil
    }
  }

  /// Whether both are the same, byte for byte in UTF-8.
  ///
  /// Safe: the bytes are read within the closures, which they outlive.
  func hasSameBytes(as other: String) -> Bool {
    // As spans, for which no reference is counted.
    unsafe utf8.span.withUnsafeBufferPointer { a in
      unsafe other.utf8.span.withUnsafeBufferPointer { b in
        guard a.count == b.count else { return false }
        guard let first = a.baseAddress, let second = b.baseAddress else { return true }
        return unsafe first == second || memcmp(first, second, a.count) == 0
      }
    }
  }
}
