import Synchronization
import Testing

@testable import TransomService

@Suite struct OutboxWakeTests {
  @Test func `a dispatcher is woken however many transactions were committed before`() async throws
  {
    try await withExecutor {
      $0.hasOutbox = true
    } _: { harness, _ in
      let outbox = try #require(harness.outbox)
      let wakes = Atomic(0)
      outbox.onCommit { wakes.wrappingAdd(1, ordering: .relaxed) }
      for _ in 0..<200_000 { outbox.committed() }
      #expect(wakes.load(ordering: .relaxed) == 200_000)
      outbox.onCommit(nil)
      outbox.committed()
      #expect(wakes.load(ordering: .relaxed) == 200_000)
    }
  }
}
