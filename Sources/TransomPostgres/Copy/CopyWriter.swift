/// Collects what goes out with a COPY FROM STDIN, and sends it in large parts. It waits for the socket to take each, so
/// that no more than one is in memory.
final class CopyWriter {
  private static let partSize = 64 << 10

  private let connection: PostgresConnection
  private var buffer: [UInt8] = []

  init(_ connection: PostgresConnection) { self.connection = connection }

  func write(_ bytes: some Sequence<UInt8>) async throws {
    buffer.append(contentsOf: bytes)
    if buffer.count >= Self.partSize { try await flush() }
  }

  func flush() async throws {
    try Task.checkCancellation()
    let part = exchange(&buffer, with: [])
    buffer.reserveCapacity(part.count)
    let (failure, _) = await StatementCanceller.cancelling(connection) {
      await connection.putCopy(part)
    }
    if let failure { throw PostgresError(failure) }
  }
}
