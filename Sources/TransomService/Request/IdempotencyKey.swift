internal import Crypto

/// What makes a request one and the same, however often it is sent (draft-ietf-httpapi-idempotency-key-header).
package struct IdempotencyKey: Equatable, Sendable {
  /// A key may have so many characters, all of them printable ASCII.
  package static let maximumLength = 255

  /// The key as it is stored: behind the caller's name, so that nobody gets the answers of others.
  package let name: String
  /// SHA-256 of the request's body, behind the transaction's name and in front of the role that the caller has by a token, if there
  /// are any.
  private let fingerprint: [UInt8]

  /// Nil if the name is none.
  package init?(
    _ name: String, body: [UInt8], of caller: String? = nil, as role: String? = nil,
    for transaction: String? = nil
  ) {
    guard 1...Self.maximumLength ~= name.utf8.count, name.utf8.allSatisfy({ 0x20...0x7e ~= $0 })
    else { return nil }
    // A line break, which stands in no key.
    self.name = caller.map { "\($0)\n\(name)" } ?? name
    // No body without a name is the same: it would not be JSON.
    let prefix = transaction.map { Array("\($0)\n".utf8) } ?? []
    // Behind a NUL, which neither has: with another role it is another request.
    let suffix: [UInt8] = role.map { [0] + Array($0.utf8) } ?? []
    fingerprint = Array(SHA256.hash(data: prefix + body + suffix))
  }

  /// Appends the fingerprint as bytea.
  func appendFingerprint(to text: inout [UInt8]) { Hexadecimal.append(fingerprint, to: &text) }
}
