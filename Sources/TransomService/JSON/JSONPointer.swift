/// Where a value stands in a document (RFC 6901).
package struct JSONPointer: Hashable, Sendable, CustomStringConvertible {
  /// The pointer as it is written; empty for the whole document.
  package private(set) var description: String

  /// The whole document.
  package init() {
    description = ""
  }

  package mutating func append(_ token: String) {
    description += "/"
    for scalar in token.unicodeScalars {
      switch scalar {
      case "~": description += "~0"
      case "/": description += "~1"
      default: description.unicodeScalars.append(scalar)
      }
    }
  }

  package mutating func append(_ index: Int) {
    description += "/\(index)"
  }

  package func appending(_ token: String) -> JSONPointer {
    var longer = self
    longer.append(token)
    return longer
  }

  package func appending(_ index: Int) -> JSONPointer {
    var longer = self
    longer.append(index)
    return longer
  }
}

extension JSONPointer {
  /// The tokens of a pointer that somebody wrote, without its escapes; nil if it is none.
  package static func tokens(of text: String) -> [String]? {
    guard !text.isEmpty else { return [] }
    guard text.utf8.first == UInt8(ascii: "/") else { return nil }
    var tokens: [String] = []
    for token in text.utf8.dropFirst().split(
      separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
    {
      var octets: [UInt8] = []
      var isEscape = false
      for octet in token {
        switch (isEscape, octet) {
        case (true, UInt8(ascii: "0")): octets.append(UInt8(ascii: "~"))
        case (true, UInt8(ascii: "1")): octets.append(UInt8(ascii: "/"))
        case (true, _): return nil
        case (false, UInt8(ascii: "~")):
          isEscape = true
          continue
        case (false, _): octets.append(octet)
        }
        isEscape = false
      }
      guard !isEscape else { return nil }
      tokens.append(String(decoding: octets, as: UTF8.self))
    }
    return tokens
  }
}

extension JSONPointer: ExpressibleByStringLiteral {
  /// Takes a pointer that is already written as one.
  package init(stringLiteral value: String) {
    description = value
  }
}

extension JSONReader {
  /// Where a value stands; for an object's key, where that key's value does.
  ///
  /// Found from the root downwards, so that reading a document keeps no path. Takes the time to
  /// step over all that stands before the value: for errors.
  package func pointer(to target: JSONNode) -> JSONPointer {
    var pointer = JSONPointer()
    var node = root
    while node != target {
      let isObject = kind(of: node) == .object
      var children = children(of: node)
      var position = 0
      var found: JSONNode?
      while found == nil, let child = next(&children) {
        guard isObject else {
          if self.contains(target, in: child) {
            pointer.append(position)
            found = child
          }
          position += 1
          continue
        }
        guard let value = next(&children) else { break }
        guard child == target || self.contains(target, in: value) else { continue }
        pointer.append(string(child))
        guard child != target else { return pointer }
        found = value
      }
      guard let found else { return pointer }
      node = found
    }
    return pointer
  }
}
