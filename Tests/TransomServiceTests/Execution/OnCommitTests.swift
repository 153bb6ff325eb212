import TestSupport
import Testing
import TransomPostgres
import TransomService

/// `on_commit` of a request: what it stores, and what the answer says of it.
@Suite struct OnCommitTests {
  private func withOutbox(
    allowsAddresses: Bool = false, _ body: (ExecutorHarness, TestDatabase) async throws -> Void
  ) async throws {
    try await withExecutor {
      $0.hasOutbox = true
      $0.allowsAddresses = allowsAddresses
    } _: { harness, db in
      try await db.addWebhook("*")
      try await db.query("create table t (n int primary key, name text)")
      try await body(harness, db)
    }
  }

  /// The names and ids that an answer holds.
  private func events(_ answer: JSONTree) -> [[String?]] {
    (answer["events"]?.elements ?? []).map { [$0["event"]?.text, $0["id"]?.text] }
  }

  /// The names and ids that are stored.
  private func stored(_ db: TestDatabase) async throws -> [[String?]] {
    try await db.query(
      "select event, 'evt_' || replace(id::text, '-', '') from transom.new_events order by seq")
  }

  @Test(arguments: [
    // Without BEGIN and COMMIT, and with.
    #"{"sql": "insert into t values (1)"}"#, #"{"savepoint": []}"#, "",
  ])
  func `events are stored with the transaction, and the answer holds their ids`(
    _ statement: String
  ) async throws {
    try await withOutbox { harness, db in
      let answer = try await harness.execute(
        """
        {"statements": [\(statement)], "on_commit": [
          {"event": "a.b", "data": {"x": 12345678901234567890.5, "y": [null, "\u{1F600}"]}},
          {"event": "c"}]}
        """)
      let stored = try await stored(db)
      #expect(events(answer) == stored && stored.map(\.first) == ["a.b", "c"])
      let ids = Set(stored.compactMap(\.last))
      #expect(ids.count == 2)
      #expect(
        ids.allSatisfy {
          $0?.wholeMatch(of: /evt_01[0-9a-f]{10}7[0-9a-f]{3}[89ab][0-9a-f]{15}/) != nil
        })
      #expect(
        try await db.query("select data::text from transom.new_events order by seq") == [
          ["{\"x\": 12345678901234567890.5, \"y\": [null, \"\u{1F600}\"]}"], ["{}"],
        ])
    }
  }

  @Test func `a group's events are kept or dropped with it, and with the groups around it`()
    async throws
  {
    try await withOutbox { harness, db in
      let answer = try await harness.execute(
        """
        {"statements": [
          {"savepoint": [{"sql": "insert into t values (1)"}], "on_commit": [{"event": "kept"}]},
          {"savepoint": [
            {"savepoint": [], "on_commit": [{"event": "dropped.inner"}]},
            {"sql": "insert into t values (1)"}],
           "on_error": "continue", "on_commit": [{"event": "dropped"}]},
          {"savepoint": [
            {"savepoint": [{"sql": "select 1/0"}], "on_error": "continue",
             "on_commit": [{"event": "dropped.too"}]},
            {"savepoint": [], "on_commit": [{"event": "kept.inner"}]}],
           "on_commit": [{"event": "kept.outer"}]}],
         "on_commit": [{"event": "last"}]}
        """)
      let stored = try await stored(db)
      #expect(stored.map(\.first) == ["kept", "kept.inner", "kept.outer", "last"])
      #expect(events(answer) == stored)
    }
  }

  @Test(arguments: [
    #"{"statements": [{"sql": "select 1/0"}], "on_commit": [{"event": "a"}]}"#,
    #"{"statements": [{"savepoint": [], "on_commit": [{"event": "a"}]}, {"sql": "select 1/0"}]}"#,
  ])
  func `what is rolled back emits nothing`(_ document: String) async throws {
    try await withOutbox { harness, db in
      let failure = try await harness.failure(of: document)
      let stored = try await stored(db)
      #expect(failure != nil && stored.isEmpty)
    }
  }

  @Test func `a dry run emits nothing, and says so`() async throws {
    try await withOutbox { harness, db in
      let answer = try await harness.execute(
        #"{"statements": [], "dry_run": true, "on_commit": [{"event": "a"}]}"#)
      #expect(answer["events"] == .array([]))
      #expect(try await stored(db).isEmpty)
    }
  }

  @Test func `data take values out of results`() async throws {
    try await withOutbox { harness, db in
      let answer = try await harness.execute(
        #"""
        {"statements": [
          {"id": "ada", "sql": "insert into t values (7, 'A\"da') returning *"},
          {"savepoint": [{"sql": "select 1"}], "on_commit": [
            {"event": "plain", "data": {"a": 1}},
            {"event": "group", "data": {"list": [null, 2], "o": {"p": null}},
             "refs": {"/list/0": "/ada/rows/0/n", "/o/p": "/ada/rows/0", "/o/q~1": "/ada/row_count"}}]}],
         "on_commit": [
           {"event": "top", "refs": {"/name": "/ada/rows/0/name"}}, {"event": "end", "data": {}}]}
        """#)
      #expect(events(answer) == (try await stored(db)))
      #expect(
        try await db.query("select event, data::text from transom.new_events order by seq") == [
          ["plain", #"{"a": 1}"#],
          ["group", #"{"o": {"p": {"n": 7, "name": "A\"da"}, "q/": 1}, "list": [7, 2]}"#],
          ["top", #"{"name": "A\"da"}"#], ["end", "{}"],
        ])
    }
  }

  @Test func `a hook that refers to what was rolled back is an error of that hook`() async throws {
    try await withOutbox { harness, db in
      let document = #"""
        {"statements": [
          {"savepoint": [{"id": "ada", "sql": "select 1"}, {"sql": "select 1/0"}], "on_error": "continue"}],
         "on_commit": [{"event": "a"}, {"event": "b", "refs": {"/x": "/ada/rows/0"}}]}
        """#
      guard
        case .unresolvedReference(let pointer, let detail) = try await harness.failure(of: document)
      else {
        Issue.record("no such error")
        return
      }
      #expect(pointer == "/on_commit/1" && detail.contains("/ada/rows/0"))
      #expect(try await stored(db).isEmpty)
    }
  }

  @Test func `data that become larger than 1 MiB are an error of their hook`() async throws {
    try await withOutbox { harness, db in
      let document = #"""
        {"statements": [{"id": "a", "sql": "select repeat('x', 1048600) as x"}],
         "on_commit": [{"event": "a"}, {"event": "b", "refs": {"/x": "/a/rows/0/x"}}]}
        """#
      guard
        case .unresolvedReference(let pointer, let detail) = try await harness.failure(of: document)
      else {
        Issue.record("no such error")
        return
      }
      #expect(pointer == "/on_commit/1" && detail.contains("1 MiB"))
      #expect(try await stored(db).isEmpty)
    }
  }

  @Test func `data of one MiB of small numbers are stored, though they take six times as much`()
    async throws
  {
    try await withOutbox { harness, db in
      let numbers = String(repeating: "1,", count: (1 << 19) - 5) + "1"
      _ = try await harness.execute(
        #"{"statements": [], "on_commit": [{"event": "a", "data": {"n": [\#(numbers)]}}]}"#)
      #expect(
        try await db.value(
          "select data->'n'->>0 || jsonb_array_length(data->'n') from transom.new_events")
          == "1\((1 << 19) - 4)")
    }
  }

  @Test func `the rights of the request's role do not matter`() async throws {
    try await withOutbox { harness, db in
      let role = "\(db.name)_nobody"
      try await db.query("create role \(role)")
      let answer = try await harness.execute(
        #"{"role": "\#(role)", "statements": [], "on_commit": [{"event": "a"}]}"#)
      #expect(events(answer).count == 1)
      try await db.query("drop role \(role)")
    }
  }

  @Test func `events cost no round trip`() async throws {
    try await withOutbox { harness, _ in
      let backend = try await harness.backend()
      try await withTrace(harness) { trace in
        for document in [
          #"{"statements": [{"sql": "insert into t values (1)"}], "on_commit": [{"event": "a"}]}"#,
          #"{"statements": [{"savepoint": [], "on_commit": [{"event": "a"}]}]}"#,
        ] {
          _ = try await harness.execute(document)
        }
        let syncs = try trace.syncs
        #expect(syncs == 2)
      }
      #expect(try await harness.backend() == backend)
    }
  }

  @Test func `an address of a hook's own gets its event, where that is allowed`() async throws {
    try await withOutbox(allowsAddresses: true) { harness, db in
      _ = try await harness.execute(
        #"{"statements": [], "on_commit": [{"event": "a", "url": "https://example.org/hook"}]}"#)
      #expect(
        try await db.query(
          """
          select url, event, data from transom.new_events
          """) == [["https://example.org/hook", "a", "{}"]])
    }
  }
}
