import Logging
import TestSupport
import Testing
import TransomPostgres
import TransomService

/// A database with the schema `transom` and a table `t (n int)`, and an executor for it.
private func withSchema(
  _ change: (inout ExecutorHarness.Configuration) -> Void = { _ in },
  _ body: (ExecutorHarness, TestDatabase) async throws -> Void
) async throws {
  try await withDatabase { database in
    try await database.query("create table t (n int)")
    let schema = SchemaInstallation()
    let databases = try Databases(["default": .init(url: database.connectionString)])
    await schema.find(in: try databases.default, migrates: true, logger: Logger(label: "test"))
    await databases.shutdown()
    try await withExecutor(for: database) {
      $0.schema = schema
      change(&$0)
    } _: { harness in
      try await body(harness, database)
    }
  }
}

extension ExecutorHarness {
  /// The answer to a document with a key: its text, and whether it is that of an earlier request.
  fileprivate func send(
    _ document: String, key: String, onLoop loop: Int = 0
  ) async throws -> (text: String, isReplay: Bool) {
    let name = try #require(IdempotencyKey(key, body: Array(document.utf8)))
    let answer = try await answer(to: decode(document), key: name, onLoop: loop)
    return (String(decoding: answer.body, as: UTF8.self), answer.isReplay)
  }

  fileprivate func refusal(_ document: String, key: String) async throws -> Problem {
    let error = await #expect(throws: ServiceError.self) { try await send(document, key: key) }
    return try #require(error?.problem)
  }
}

extension TestDatabase {
  fileprivate func numbers() async throws -> [String?] {
    try await query("select n from t order by n").map { $0[0] }
  }
}

@Suite struct IdempotencyTests {
  private static func insert(_ number: Int, _ fields: String = "") -> String {
    """
    {\(fields)"statements": [{"id": "é\\u0000", "sql": "insert into t values ($1) returning n, 'ü' as text",
      "params": [\(number)]}]}
    """
  }

  @Test func `the same request again gets the same answer, and runs nothing`() async throws {
    try await withSchema { harness, database in
      let first = try await harness.send(Self.insert(1), key: "a")
      let second = try await harness.send(Self.insert(1), key: "a")
      #expect(first.text == second.text && first.text.contains(#""status":"committed""#))
      #expect(!first.isReplay && second.isReplay)
      _ = try await harness.send(Self.insert(1), key: "b")
      #expect(try await database.numbers() == ["1", "1"])
    }
  }

  @Test func `a key belongs to one body`() async throws {
    try await withSchema { harness, database in
      _ = try await harness.send(Self.insert(1), key: "a")
      let problem = try await harness.refusal(Self.insert(2), key: "a")
      #expect(problem.code == "idempotency-key-reused" && problem.outcome == .notStarted)
      #expect(try await database.numbers() == ["1"])
    }
  }

  private func waiting(_ count: Int, in database: TestDatabase) async throws {
    try await eventually("\(count) wait for a lock") {
      try await database.value(
        """
        select count(*) from pg_stat_activity
        where datname = current_database() and wait_event_type = 'Lock'
        """
      ) == "\(count)"
    }
  }

  @Test(.timeLimit(.minutes(2)))
  func `a kept answer that cannot be read is not waited for longer than the request may take`()
    async throws
  {
    try await withSchema {
      $0.connections = 2
    } _: { harness, database in
      // A first transaction has the key, a second one waits for it, and a lock on the whole table waits for both.
      try await withSideConnection(database) { first in
        try await withSideConnection(database) { lock in
          try await first.run(
            """
            begin; insert into transom.idempotency_keys (key, fingerprint, expires_at)
            values ('a', '', now() + interval '1 hour')
            """)
          let answer = Task {
            try await harness.refusal(Self.insert(1, #""timeout_ms": 3000, "#), key: "a")
          }
          try await waiting(1, in: database)
          let locked = Task {
            try await lock.run(
              "begin; lock table transom.idempotency_keys in access exclusive mode")
          }
          try await waiting(2, in: database)
          try await first.run("commit")
          let problem = try await answer.value
          // The first has stored something, and so the request that the key stands for.
          #expect(problem.code == "commit-in-doubt" && problem.outcome == .unknown)
          try await locked.value
        }
      }
    }
  }

  @Test
  func `who waits for another request with the key in vain is not told that nothing is stored`()
    async throws
  {
    try await withSchema { harness, database in
      try await withSideConnection(database) { first in
        try await first.run(
          """
          begin; insert into transom.idempotency_keys (key, fingerprint, expires_at)
          values ('a', '', now() + interval '1 hour')
          """)
        let problem = try await harness.refusal(Self.insert(1, #""timeout_ms": 300, "#), key: "a")
        #expect(problem.code == "commit-in-doubt" && problem.outcome == .unknown)
        try await first.run("rollback")
        // Nobody has used it after all.
        #expect(try await !harness.send(Self.insert(1), key: "a").isReplay)
        #expect(try await database.numbers() == ["1"])
      }
    }
  }

  @Test func `with another role it is another request`() {
    func key(_ role: String?, _ name: String? = nil) -> IdempotencyKey? {
      IdempotencyKey("a", body: Array("{}".utf8), of: "ada", as: role, for: name)
    }
    #expect(key("x") == key("x"))
    let all = [key(nil), key("x"), key("y"), key(nil, "x"), key("x", "x")]
    for (index, one) in all.enumerated() {
      #expect(all[(index + 1)...].allSatisfy { $0 != one })
    }
  }

  @Test func `a transaction that fails leaves its key free`() async throws {
    try await withSchema { harness, database in
      let document = #"""
        {"statements": [{"sql": "insert into t values (1)"}, {"sql": "insert into u values (1)"}]}
        """#
      #expect(try await harness.refusal(document, key: "a").serverError?.sqlState == "42P01")
      #expect(try await harness.refusal(document, key: "a").serverError?.sqlState == "42P01")
      try await database.query("create table u (n int)")
      #expect(try await !harness.send(document, key: "a").isReplay)
      #expect(try await harness.send(document, key: "a").isReplay)
      #expect(try await database.numbers() == ["1"])
    }
  }

  @Test func `of requests at the same time one runs, and all get its answer`() async throws {
    try await withSchema {
      $0.loops = 2
      $0.connections = 8
    } _: { harness, database in
      let document = """
        {"statements": [{"sql": "insert into t values (1)"}, {"sql": "select pg_sleep(0.05)::text, random()"}]}
        """
      let answers = try await withThrowingTaskGroup(of: (String, Bool).self) { tasks in
        for number in 0..<16 {
          tasks.addTask { try await harness.send(document, key: "a", onLoop: number % 2) }
        }
        return try await tasks.reduce(into: []) { $0.append($1) }
      }
      #expect(Set(answers.map(\.0)).count == 1)
      #expect(answers.filter { !$0.1 }.count == 1)
      #expect(try await database.numbers() == ["1"])
    }
  }

  @Test func `a key that has expired can be used again`() async throws {
    try await withSchema { harness, database in
      _ = try await harness.send(Self.insert(1), key: "a")
      try await database.query("update transom.idempotency_keys set expires_at = now()")
      let again = try await harness.send(Self.insert(2), key: "a")
      #expect(!again.isReplay)
      #expect(try await harness.send(Self.insert(2), key: "a").isReplay)
      #expect(try await database.numbers() == ["1", "2"])
    }
  }

  @Test func `the lifetime of a key is the configured one`() async throws {
    try await withSchema {
      $0.limits.idempotencyLifetime = .seconds(90)
    } _: { harness, database in
      _ = try await harness.send(Self.insert(1), key: "a")
      let seconds = try await database.value(
        "select extract(epoch from expires_at - created_at)::int from transom.idempotency_keys")
      #expect(seconds == "90")
    }
  }

  @Test func `groups that fail, references and expectations go with a key`() async throws {
    try await withSchema { harness, database in
      let document = #"""
        {"statements": [
          {"id": "a", "sql": "insert into t values (1) returning n", "expect": {"row_count": 1}},
          {"sql": "insert into t values ($1)", "refs": {"1": "/a/rows/0/n"}},
          {"savepoint": [{"sql": "insert into t values (1/0)"}], "on_error": "continue"}]}
        """#
      let first = try await harness.send(document, key: "a")
      #expect(first.text.contains(#""savepoint":"rolled_back""#))
      let second = try await harness.send(document, key: "a")
      #expect(second.isReplay && second.text == first.text)
      #expect(try await database.numbers() == ["1", "1"])
    }
  }

  @Test func `a role needs no rights of its own for the key`() async throws {
    try await withSchema { harness, database in
      let role = "\(database.name)_poor"
      try await database.query("create role \(role)")
      try await database.query("grant insert, select on t to \(role)")
      let document = Self.insert(1, #""role": "\#(role)", "#)
      #expect(try await !harness.send(document, key: "a").isReplay)
      #expect(try await harness.send(document, key: "a").isReplay)
      let attack = #"""
        {"role": "\#(role)", "statements": [{"sql": "select body from transom.idempotency_keys"}]}
        """#
      #expect(try await harness.refusal(attack, key: "b").status == 403)
      #expect(try await database.numbers() == ["1"])
      try await database.query("drop owned by \(role)")
      try await database.query("drop role \(role)")
    }
  }

  @Test(arguments: [#""dry_run": true, "#, #""read_only": true, "#])
  func `a transaction that stores nothing needs no key, and runs each time`(
    _ fields: String
  ) async throws {
    try await withSchema { harness, database in
      let document = "{\(fields)\"statements\": [{\"sql\": \"select 1\"}]}"
      let first = try await harness.send(document, key: "a")
      let second = try await harness.send(document, key: "a")
      #expect(!first.isReplay && !second.isReplay)
      #expect(try await database.value("select count(*) from transom.idempotency_keys") == "0")
    }
  }

  @Test func `statements that take their own key away store nothing`() async throws {
    try await withSchema { harness, database in
      let document = #"""
        {"statements": [{"sql": "insert into t values (1)"}, {"sql": "delete from transom.idempotency_keys"}]}
        """#
      let problem = try await harness.refusal(document, key: "a")
      #expect(problem.outcome == .rolledBack && problem.serverError?.sqlState == "55000")
      #expect(try await database.numbers() == [])
    }
  }

  @Test func `without the schema a key is refused, and nothing runs`() async throws {
    try await withExecutor { harness, database in
      try await database.query("create table t (n int)")
      let problem = try await harness.refusal(Self.insert(1), key: "a")
      #expect(problem.code == "idempotency-not-installed" && problem.status == 422)
      #expect(try await database.numbers() == [])
    }
  }

  @Test(arguments: ["", "ä", "a\nb", String(repeating: "k", count: 256)])
  func `what is no key is not taken for one`(_ name: String) {
    #expect(IdempotencyKey(name, body: []) == nil)
  }

  private static func result<Value: Sendable>(
    _ body: @Sendable () async throws -> Value
  ) async -> Result<Value, any Error> {
    do { return .success(try await body()) } catch { return .failure(error) }
  }

  /// Wherever the line is cut, the one request is enough: what became of its transaction is found out by the key.
  @Test(arguments: FaultProxy.Direction.allCases)
  func `wherever the line is cut, a request with a key is answered, and stored once`(
    _ direction: FaultProxy.Direction
  ) async throws {
    try await withSchema { _, database in
      let proxy = try FaultProxy.start(before: database.cluster)
      defer { proxy.stop() }
      let schema = SchemaInstallation()
      let databases = try Databases(["default": .init(url: database.connectionString)])
      await schema.find(in: try databases.default, migrates: false, logger: Logger(label: "test"))
      await databases.shutdown()
      try await withExecutor(for: database) {
        $0.connectionString = proxy.connectionString(database: database.name)
        $0.schema = schema
      } _: { harness in
        var number = 1
        var isWhole = false
        while !isWhole {
          let key = "k\(number)"
          try await eventually("a new connection") {
            (try? await harness.send(Self.insert(0), key: "w\(number)")) != nil
          }
          let before = proxy.bytesPassed(direction)
          proxy.cutOpen(after: number, direction, by: number % 2 == 0 ? .close : .reset)
          let document = Self.insert(number)
          let answer = await Self.result { try await harness.send(document, key: key) }
          proxy.pass()
          let text: String
          switch answer {
          case .success(let sent):
            text = sent.text
            isWhole = proxy.bytesPassed(direction) - before < number
          case .failure(let error):
            // It was cut before the transaction's end.
            let problem = try #require((error as? ServiceError)?.problem)
            #expect(problem.outcome != .committed && problem.retryable, "cut after \(number)")
            text = try await harness.send(document, key: key).text
          }
          #expect(text.contains("\"n\":\(number)"))
          number += 23
        }
        let twice = try await database.query(
          "select n from t where n > 0 group by n having count(*) > 1")
        #expect(twice.isEmpty)
        #expect(
          try await database.value("select count(*) from t where n > 0") == "\((number - 1) / 23)")
      }
    }
  }

  @Test func `expired keys are removed in batches, others stay`() async throws {
    try await withSchema { _, database in
      try await database.query(
        """
        insert into transom.idempotency_keys (key, fingerprint, body, expires_at)
        select n, '', '', now() + case when n > 1500 then interval '1 h' else '0' end
        from generate_series(1, 1510) n
        """)
      let databases = try Databases(["default": .init(url: database.connectionString)])
      let expired = ExpiredKeys(in: try databases.default, logger: Logger(label: "test"))
      #expect(try await expired.removeBatch() == 1000)
      #expect(try await expired.removeBatch() == 500)
      #expect(try await expired.removeBatch() == 0)
      await databases.shutdown()
      #expect(try await database.value("select count(*) from transom.idempotency_keys") == "10")
    }
  }
}
