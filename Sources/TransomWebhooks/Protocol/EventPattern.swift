/// Which events a webhook takes: `*` all but Transom's own, `account.*` those that begin with `account.`, `account.created` that one.
///
/// It is SQL that finds the webhooks which take an event: the dispatcher's, when it fans new events out.
package struct EventPattern: Hashable, Sendable {
  package let text: String

  package static let maximumLength = 128

  /// Takes a pattern; nil if it is none.
  package init?(_ text: String) {
    guard text.utf8.count <= Self.maximumLength else { return nil }
    let words = text.split(separator: ".", omittingEmptySubsequences: false)
    for (index, word) in words.enumerated() {
      if word == "*", index == words.count - 1 { continue }
      guard Self.isWord(word.utf8) else { return nil }
    }
    self.text = text
  }

  /// Whether it is one of the words that dots join in an event's name.
  package static func isWord(_ text: Substring.UTF8View) -> Bool {
    !text.isEmpty && text.allSatisfy(isWordByte)
  }

  private static func isWordByte(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
      UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: "-"):
      true
    default: false
    }
  }
}
