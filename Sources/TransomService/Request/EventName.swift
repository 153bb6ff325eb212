internal import TransomWebhooks

/// An event's data: JSON.
enum EventData {
  /// In octets of its text.
  static let maximumLength = 1 << 20
}

/// The name of an event: words of letters, digits, `_` and `-`, joined by dots, such as `account.created`.
///
/// The function `transom.emit` and the view `transom.on_commit` check the same.
package enum EventName {
  /// What is wrong with a name, in words.
  package enum Flaw: Error, Equatable, CustomStringConvertible {
    case malformed
    case reserved

    package var description: String {
      switch self {
      case .malformed:
        "must be words of letters, digits, _ and -, joined by dots, of at most \(maximumLength) characters"
      case .reserved: "events that begin with transaction. or webhook. are Transom's own"
      }
    }
  }

  package static let maximumLength = 128

  /// Checks a name that a client gives.
  package static func check(_ name: String) throws(Flaw) {
    guard name.utf8.count <= maximumLength, isWords(name.utf8[...]) else { throw .malformed }
    if name.hasPrefix("transaction.") || name.hasPrefix("webhook.") { throw .reserved }
  }

  /// Whether a text is words joined by dots.
  private static func isWords(_ text: Substring.UTF8View) -> Bool {
    text.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false).allSatisfy(
      EventPattern.isWord)
  }
}
