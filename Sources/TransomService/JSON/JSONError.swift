internal import CTransomJSON

/// Why a text is not a JSON document (RFC 8259).
package struct JSONError: Error, Equatable, Sendable {
  package enum Reason: Sendable {
    /// Nothing but white space.
    case empty
    case notUTF8
    case malformed
    /// Arrays and objects nested deeper than the caller allows.
    case tooDeep
    /// More than 256 MiB.
    case tooLarge
  }

  package var reason: Reason
  /// What is wrong, in plain words.
  package var message: String
  /// The octet where it was noticed, from 0; nil if that cannot be told.
  package var offset: Int?
}

extension JSONError {
  init(_ document: TransomJSONDocument) {
    reason =
      switch unsafe document.status {
      case .empty: .empty
      case .notUTF8: .notUTF8
      case .tooDeep: .tooDeep
      case .tooLarge: .tooLarge
      case .malformed, .success: .malformed
      @unknown default: .malformed
      }
    message = unsafe document.message.map { unsafe String(cString: $0) } ?? ""
    offset = unsafe document.offset < 0 ? nil : Int(document.offset)
  }
}
