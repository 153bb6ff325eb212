import Glibc
import Synchronization
import TestSupport
import Testing
import TransomCluster

/// Requests with an Idempotency-Key, as clients send them.
@Suite(.timeLimit(.minutes(3))) struct IdempotencyTests {
  private static let insert = #"{"statements": [{"sql": "insert into t values (1) returning n"}]}"#

  private func post(
    _ body: String, keys: String..., to service: Service
  ) async throws -> Answer {
    try await service.request(
      "POST", "/transactions", headers: keys.map { ("Idempotency-Key", $0) }, body: body)
  }

  @Test func `the same request again is answered as before, and says so`() async throws {
    try await withDatabase { db in
      try await db.query("create table t (n int)")
      let first = try await withService(for: db.connectionString) { service in
        try await post(Self.insert, keys: "6f2d 7c1e", to: service)
      }
      #expect(first.status == 200 && first.response["Idempotency-Replayed"] == nil)
      // Another process, such as another replica.
      try await withService(for: db.connectionString) { service in
        let second = try await post(Self.insert, keys: "6f2d 7c1e", to: service)
        #expect(second.status == 200 && second.response["Idempotency-Replayed"] == "true")
        #expect(second.response.body == first.response.body)
        let other = try await post(Self.insert + " ", keys: "6f2d 7c1e", to: service)
        #expect(other.status == 422 && other.code == "idempotency-key-reused")
        #expect(other.outcome == "not_started")
        let twice = try await post(Self.insert, keys: "a", "b", to: service)
        #expect(twice.status == 400 && twice.code == "invalid-idempotency-key")
        let long = try await post(
          Self.insert, keys: String(repeating: "k", count: 256), to: service)
        #expect(long.status == 400 && long.code == "invalid-idempotency-key")
      }
      #expect(try await db.query("select n from t") == [["1"]])
    }
  }

  /// Where the service listens now, and how far the clients are.
  private final class Field: Sendable {
    let port = Mutex<Int?>(nil)
    let acknowledged = Mutex<[String]>([])
    let isOver = Atomic(false)
    var count: Int { acknowledged.withLock { $0.count } }
  }

  private static let accounts = 8
  private static let transfersOfClient = 40

  @Test func `transfers happen once each, whatever is killed meanwhile`() async throws {
    try await withCluster { cluster in
      try await withDatabase(in: cluster) { db in
        try await db.query("create table account (id int primary key, balance int not null)")
        try await db.query(
          "insert into account select n, 1000 from generate_series(1, \(Self.accounts)) n")
        try await db.query("create table transfer (key text not null, amount int not null)")
        let field = Field()
        try await withThrowingTaskGroup { tasks in
          tasks.addTask { try await serve(field, db.connectionString) }
          tasks.addTask { try await breakServer(cluster, db, field) }
          tasks.addTask {
            defer { field.isOver.store(true, ordering: .relaxed) }
            try await withThrowingTaskGroup { clients in
              for client in 0..<6 { clients.addTask { try await transfer(client, field) } }
              try await clients.waitForAll()
            }
          }
          try await tasks.waitForAll()
        }
        let keys = try await db.query("select key from transfer order by key").compactMap { $0[0] }
        #expect(keys == field.acknowledged.withLock { $0.sorted() })
        #expect(
          try await db.value("select sum(balance) from account") == "\(1000 * Self.accounts)")
      }
    }
  }

  /// Runs the service, and kills it again and again, until all is done.
  private func serve(_ field: Field, _ connectionString: String) async throws {
    let arguments = ["serve", "--listen", "127.0.0.1:0", "--database-url", connectionString]
    while !field.isOver.load(ordering: .relaxed) {
      let process = try await TransomProcess.start(arguments, environment: [:])
      let port = try await process.listeningPort()
      field.port.withLock { $0 = port }
      let before = field.count
      try await eventually("work is done", within: .seconds(60)) {
        field.count >= before + 40 || field.isOver.load(ordering: .relaxed)
      }
      field.port.withLock { $0 = nil }
      process.send(SIGKILL)
      _ = try await process.waitForExit()
    }
  }

  /// Kills backends, and stops the server without a checkpoint, in turns.
  private func breakServer(
    _ cluster: PrivateCluster, _ db: TestDatabase, _ field: Field
  ) async throws {
    for round in 0..<4 {
      let before = field.count
      try await eventually("work is done", within: .seconds(60)) {
        field.count >= before + 25 || field.isOver.load(ordering: .relaxed)
      }
      if field.isOver.load(ordering: .relaxed) { return }
      if round % 2 == 0 {
        let backend = try? await db.value(
          """
          select pid from pg_stat_activity where application_name = 'transom'
          and datname = current_database() limit 1
          """)
        if let backend, let process = Int32(backend) { kill(process, SIGKILL) }
      } else {
        try await cluster.restart(mode: .immediate)
      }
    }
  }

  /// Makes transfers one after the other, each again until it is acknowledged.
  private func transfer(_ client: Int, _ field: Field) async throws {
    var generator = SystemRandomNumberGenerator()
    for number in 0..<Self.transfersOfClient {
      let key = "\(client)-\(number)"
      let from = Int.random(in: 1...Self.accounts, using: &generator)
      let to = from % Self.accounts + 1
      let amount = Int.random(in: 1...9, using: &generator)
      let body = """
        {"max_attempts": 20, "statements": [
          {"sql": "insert into transfer values ($1, $2)", "params": ["\(key)", \(amount)]},
          {"sql": "update account set balance = balance - $1 where id = $2", "params": [\(amount), \(from)],
            "expect": {"row_count": 1}},
          {"sql": "update account set balance = balance + $1 where id = $2", "params": [\(amount), \(to)]}]}
        """
      try await eventually("transfer \(key)", within: .seconds(90)) {
        guard let port = field.port.withLock({ $0 }),
          let client = try? await RawHTTPClient.connect(toPort: port)
        else { return false }
        let response = try? await client.request(
          "POST", "/transactions", headers: [("Idempotency-Key", key)], body: body)
        await client.close()
        guard let response, response.status == 200 else { return false }
        return true
      }
      field.acknowledged.withLock { $0.append(key) }
    }
  }
}
