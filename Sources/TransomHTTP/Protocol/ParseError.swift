/// Why bytes are no request that can be answered, and at which byte that was found out.
///
/// After it nothing that came on the connection may be taken for a request: the framing is lost
/// (RFC 9112, section 11.2).
package struct ParseError: Error, Equatable, Sendable {
  package enum Reason: Equatable, Sendable, CaseIterable {
    case requestLineMalformed
    case requestLineTooLong
    case methodNotImplemented
    case targetMalformed
    case versionMalformed
    case versionNotSupported
    case headerSectionTooLarge
    case tooManyFields
    case bareLineFeed
    case bareCarriageReturn
    case controlCharacter
    case obsoleteFold
    case fieldNameMalformed
    case whitespaceBeforeColon
    case hostMissing
    case hostRepeated
    case hostMalformed
    case contentLengthMalformed
    case contentLengthRepeated
    case transferEncodingMalformed
    case transferEncodingWithContentLength
    case transferEncodingInHTTP10
    case transferEncodingWithoutEnd
    case transferCodingNotSupported
    case expectationNotSupported
    case bodyTooLarge
    case chunkSizeMalformed
    case chunkExtensionMalformed
    case chunkExtensionsTooLarge
    case chunkEndMalformed
    case trailerMalformed
    case trailersTooLarge
  }

  package let reason: Reason
  /// The byte of the request at which it was noticed, counted from 0.
  package let offset: Int

  init(_ reason: Reason, at offset: Int) {
    self.reason = reason
    self.offset = offset
  }
}
