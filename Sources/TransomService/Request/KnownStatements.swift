internal import TransomPostgres

/// Statements that were checked before. Clients send the same ones again and again, with other parameters: what is known
/// of one does not have to be found out anew.
///
/// It holds those that were used last, more or less: when the newer half is full, it becomes the older one, and what that
/// held is forgotten unless it was used meanwhile. A client that writes its values into its SQL cannot make it grow.
package final class KnownStatements {
  /// At most so many statements make a half.
  private static let halfCapacity = 256
  /// A longer one is not kept.
  private static let maximumLength = 8192

  /// By their digests; of two with the same one the last is kept.
  private var newer: [TextDigest: SQLText] = [:]
  private var older: [TextDigest: SQLText] = [:]

  package init() {}

  var count: Int { newer.count + older.count }

  /// The statement that stands in the document: a known one, or else one that is checked now.
  func sql(_ node: JSONNode, _ json: borrowing JSONReader) throws(RequestError) -> SQLText {
    try json.expect(.string, node)
    let digest = json.digest(of: node)
    if let known = statement(node, digest, json) { return known }
    guard !json.holdsNUL(node) else {
      throw json.error(.invalidRequest, at: node, "must not hold U+0000")
    }
    do {
      let text = try SQLText(json.string(node))
      keep(text, digest)
      return text
    } catch {
      switch error {
      case .transactionControl:
        throw json.error(.transactionControl, at: node, error.detail)
      case .clientCopy:
        throw json.error(.copyNotSupported, at: node, error.detail)
      }
    }
  }

  /// The statement that stands in the document, if it is known.
  func statement(_ node: JSONNode, _ digest: TextDigest, _ json: borrowing JSONReader) -> SQLText? {
    if let known = newer[digest], json.text(of: node, equals: known.text) { return known }
    guard let known = older[digest], json.text(of: node, equals: known.text) else { return nil }
    older[digest] = nil
    keep(known, digest)
    return known
  }

  func keep(_ statement: SQLText, _ digest: TextDigest) {
    guard statement.text.utf8.count <= Self.maximumLength else { return }
    if newer.count >= Self.halfCapacity {
      older = exchange(&newer, with: Dictionary(minimumCapacity: Self.halfCapacity))
    }
    newer[digest] = statement
  }
}
