/// How much of a request is accepted before it is refused.
package struct RequestLimits: Sendable, Equatable {
  /// Bytes of the request line without its line end; more is a 414.
  package var requestLine = 8 * 1024
  /// Bytes of the header section, and of the trailer section; more is a 431.
  package var headerSection = 32 * 1024
  /// Field lines of the header section, and of the trailer section; more is a 431.
  package var fieldCount = 100
  /// Bytes of the decoded body; more is a 413.
  package var body = 8 * 1024 * 1024
  /// Bytes that a chunked body may spend on chunk extensions, which nobody reads; more is a 400.
  package var chunkExtensions = 4 * 1024
  /// Bytes that are read ahead of the request that is being answered: pipelined requests beyond that wait in the
  /// kernel's buffers, and the client's, until it is their turn.
  package var pipelined = 64 * 1024
  /// Requests that one connection may send; the last one's answer says `Connection: close`.
  package var requests = Int.max

  package init() {}
}
