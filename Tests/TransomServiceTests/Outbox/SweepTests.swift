import TestSupport
import Testing
import TransomService

/// What is old is removed, and nothing that has still to be delivered.
@Suite struct SweepTests {
  @Test func `what is still to be delivered keeps nothing behind it`() async throws {
    try await withExecutor {
      $0.hasOutbox = true
    } _: { harness, db in
      let outbox = try #require(harness.outbox)
      try await db.addWebhook("*")
      try await db.query("select transom.emit('a', '{}') from generate_series(1, 1001)")
      try await outbox.fanOut()
      try await db.query(
        """
        update transom.events set created_at = now() - interval '2 days';
        update transom.deliveries set status = 'delivered' where event_seq > 1000
        """)
      var last: Int?
      repeat {
        last = try await outbox.sweep(olderThan: .seconds(86_400), behind: last ?? 0)
      } while last != nil
      #expect(
        try await db.query("select count(*), max(seq) from transom.events") == [["1000", "1000"]])
    }
  }

  @Test
  func `deliveries that are done are removed when they are old, and events with the last of them`()
    async throws
  {
    try await withExecutor {
      $0.hasOutbox = true
    } _: { harness, db in
      let outbox = try #require(harness.outbox)
      let open = try await db.addWebhook("*")
      let disabled = try await db.addWebhook("a")
      for event in ["a", "a", "b"] { try await db.query("select transom.emit('\(event)', '{}')") }
      try await outbox.fanOut()
      try await db.query(
        """
        update transom.events set created_at = now() - interval '2 days' where event = 'a';
        update transom.webhooks set disabled_at = now() where id = \(disabled);
        update transom.deliveries set status = 'delivered'
        where webhook_id = \(open) and (event_seq = 1 or event_seq = 3)
        """)
      #expect(try await outbox.sweep(olderThan: .seconds(86_400)) == nil)
      // The first event is gone; the second is still on its way; the third is too young.
      #expect(try await db.query("select seq from transom.events order by seq") == [["2"], ["3"]])
      #expect(
        try await db.query("select event_seq, webhook_id from transom.deliveries order by 1") == [
          ["2", "\(open)"], ["3", "\(open)"],
        ])
    }
  }
}
