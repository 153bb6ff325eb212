internal import HTTPTypes
internal import TransomEventLoop

extension Response {
  /// How much is compressed before other connections of the loop get their turn.
  private static let encodedPerTurn = 256 * 1024

  /// Whether the body is to be compressed; says in `Vary` that the answer depends on that, where it does.
  mutating func negotiateEncoding(for request: Request, from threshold: Int) -> Bool {
    guard !body.isEmpty else { return false }
    let accepted = request.acceptedCodings
    guard body.count >= threshold || accepted?.needsGzip == true else { return false }
    fields.append(.vary, "Accept-Encoding")
    return accepted?.prefersGzip == true
  }

  /// Compresses the body, on the loop; leaves it as it is if there is no memory for that.
  mutating func encode(on loop: EventLoop) async {
    guard var encoder = GzipEncoder() else { return }
    var encoded: [UInt8] = []
    encoded.reserveCapacity(body.count / 4)
    var start = 0
    repeat {
      let end = min(start + Self.encodedPerTurn, body.count)
      encoder.encode(body, start..<end, isLast: end == body.count, to: &encoded)
      start = end
      if start < body.count { await loop.nextTurn() }
    } while start < body.count
    fields.append(.contentEncoding, "gzip")
    body = encoded
  }
}
