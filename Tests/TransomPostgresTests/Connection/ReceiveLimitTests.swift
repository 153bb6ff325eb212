import TestSupport
import Testing
import TransomPostgres

struct ReceiveLimitTests {
  @Test func `a giant result is cancelled soon after its limit, and the connection is given up`()
    async throws
  {
    try await withProxiedConnection { connection, proxy, _ in
      await connection.limitReceiving(to: 4 << 20)
      // 10 GB.
      let seen = try await outcomes(
        ["BEGIN", "select repeat('x', 1000) from generate_series(1, 10000000)", "COMMIT"],
        on: connection)
      #expect(seen == ["BEGIN", "failed 57014", "skipped"])
      #expect(await connection.receivedTooMuch)
      #expect(await !connection.isReusable)
      // The limit, and what was on its way.
      #expect(proxy.bytesPassed(.toClient) < 64 << 20)
    }
  }

  /// Nothing is read while the server is told, so that it stands still in the middle of its result.
  @Test(arguments: [16 << 20, 24 << 20, 40 << 20])
  func `what stands behind a result over the limit is not carried out`(_ size: Int) async throws {
    for _ in 0..<5 {
      try await withConnection { connection, _ in
        await connection.limitReceiving(to: 1 << 20)
        let seen = try await outcomes(
          ["select repeat('x', 1000) from generate_series(1, \(size / 1011))", "select 1"],
          on: connection)
        #expect(seen == ["failed 57014", "skipped"])
        #expect(await !connection.isReusable)
      }
    }
  }

  /// How much of it is read is libpq's affair: one read goes on as long as there is more.
  @Test func `a single giant row ends the connection when the server does not stop`() async throws {
    try await withProxiedConnection { connection, _, _ in
      await connection.limitReceiving(to: 1 << 20)
      do {
        let seen = try await outcomes(["select repeat('x', 200 << 20)"], on: connection)
        #expect(seen == ["failed 57014"])
      } catch ConnectionError.resultTooLarge {}
      #expect(await connection.receivedTooMuch)
      #expect(await !connection.isReusable)
    }
  }

  @Test(arguments: [10, 1_000, 100_000])
  func `what is below the limit is not refused, whatever the size of its rows`(_ size: Int)
    async throws
  {
    try await withConnection { connection, _ in
      // Each row has 11 bytes more: its message's head, and the value's length.
      let rows = 12_000_000 / (size + 11)
      for _ in 0..<3 {
        await connection.limitReceiving(to: 12_500_000)
        let seen = try await outcomes(
          ["select repeat('x', \(size)) from generate_series(1, \(rows))"], on: connection)
        #expect(seen.first?.utf8.count == "SELECT ".utf8.count + rows * (size + 1) - 1)
        #expect(await !connection.receivedTooMuch)
      }
      #expect(await connection.isReusable)
    }
  }

  @Test func `without a limit nothing is cancelled`() async throws {
    try await withConnection { connection, _ in
      let seen = try await outcomes(["select repeat('x', 40000000)"], on: connection)
      #expect(seen.first?.utf8.count == 40_000_007)
      #expect(await !connection.receivedTooMuch)
    }
  }
}
