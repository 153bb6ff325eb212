import Glibc
import TestSupport
import Testing
import TransomCluster

/// What the service says when PostgreSQL goes away under it, and that it goes on by itself.
@Suite(.timeLimit(.minutes(3))) struct CrashTests {
  /// Where the COMMIT was on its way, it may be in doubt; elsewhere it must not be.
  @Test(arguments: [("", true), (#", "dry_run": true"#, false), (#", "read_only": true"#, false)])
  func `kill -9 of a backend in mid-transaction is answered without a false certainty`(
    _ option: String, _ sendsCommit: Bool
  ) async throws {
    try await withCluster { cluster in
      try await withDatabase(in: cluster) { db in
        try await db.query("create table t (id int)")
        try await withService(for: db.connectionString) { service in
          let write = option.contains("read_only") ? "select 1" : "insert into t values (1)"
          async let pending = service.post(
            #"{"statements": [{"sql": "\#(write)"}, {"sql": "select pg_sleep(60)"}]\#(option)}"#)
          let backend = try await backend(running: "pg_sleep", in: db)
          kill(backend, SIGKILL)

          let answer = try await pending
          #expect(answer.status == 503)
          switch answer.code {
          case "commit-in-doubt":
            #expect(sendsCommit && answer.outcome == "unknown")
            #expect(answer.response["Retry-After"] == nil)
          case "connection-lost":
            #expect(answer.outcome == "rolled_back" && answer.body["retryable"] == true)
            #expect(answer.response["Retry-After"] != nil)
          default:
            Issue.record("\(answer.response.text)")
          }
          try await goesOn(service)
          #expect(try await db.query("select * from t") == [])
        }
      }
    }
  }

  @Test func `a COMMIT whose answer is lost is in doubt, not rolled back`() async throws {
    try await withDatabase { db in
      try await db.query("create table t (id int)")
      let proxy = try FaultProxy.start(before: db.cluster)
      defer { proxy.stop() }
      try await withService(for: proxy.connectionString(database: db.name)) { service in
        let client = try await service.connect()
        #expect(try await client.post(#"{"statements": [{"sql": "select 1"}]}"#).status == 200)
        proxy.stall(.toClient)
        async let pending = client.post(#"{"statements": [{"sql": "insert into t values (1)"}]}"#)
        try await eventually("it is committed") { try await db.query("select * from t") == [["1"]] }
        proxy.cutAll()
        let answer = try await pending
        #expect(answer.status == 503 && answer.code == "commit-in-doubt")
        #expect(answer.outcome == "unknown" && answer.body["retryable"] == false)
        #expect(answer.response["Retry-After"] == nil)
        proxy.pass()
        try await goesOn(service)
      }
    }
  }

  @Test(arguments: [PrivateCluster.ShutdownMode.fast, .immediate])
  func `a restart of the server under load leaves each answer true`(
    _ mode: PrivateCluster.ShutdownMode
  ) async throws {
    try await withCluster { cluster in
      try await withDatabase(in: cluster) { db in
        try await db.query("create table entry (id int primary key)")
        let ledger = Ledger()
        try await withService(for: db.connectionString) { service in
          try await withThrowingTaskGroup { tasks in
            for _ in 0..<8 { tasks.addTask { try await write(ledger, service) } }
            tasks.addTask {
              defer { ledger.close() }
              for _ in 0..<3 {
                let before = ledger.committed
                try await eventually("load", within: .seconds(60)) {
                  ledger.committed >= before + 50
                }
                try await cluster.restart(mode: mode)
              }
              let before = ledger.committed
              try await eventually("load afterwards", within: .seconds(60)) {
                ledger.committed >= before + 50
              }
            }
            try await tasks.waitForAll()
          }
          try await goesOn(service)
        }
        try await compare(ledger, with: db)
      }
    }
  }

  @Test func `connections that the server ends while they idle are replaced without an error`()
    async throws
  {
    try await withDatabase { db in
      try await withService(for: db.connectionString) { service in
        let client = try await service.connect()
        for _ in 0..<5 {
          #expect(try await client.post(#"{"statements": [{"sql": "select 1"}]}"#).status == 200)
          // It returns once the backends are gone, and so are their ends of the sockets.
          let ended = try await db.query(
            """
            select pg_terminate_backend(pid, 30000) from pg_stat_activity
            where datname = current_database() and application_name = 'transom'
            """)
          #expect(!ended.isEmpty && ended.allSatisfy { $0 == ["t"] })
        }
        #expect(try await client.post(#"{"statements": [{"sql": "select 1"}]}"#).status == 200)
      }
    }
  }

  // MARK: Parts

  /// Posts numbered transactions one after the other until the ledger is closed. Each stores its
  /// number and, a round trip later, behind a group that fails, the negative of it.
  private func write(_ ledger: Ledger, _ service: Service) async throws {
    let client = try await service.connect()
    while let number = ledger.next() {
      let answer = try await client.post(
        """
        {"statements": [
          {"sql": "insert into entry values ($1)", "params": [\(number)]},
          {"on_error": "continue", "savepoint": [
            {"sql": "insert into entry values ($1)", "params": [\(number)]}]},
          {"sql": "insert into entry values ($1)", "params": [-\(number)]}]}
        """)
      #expect(answer.status == 200 || answer.status == 503, "\(answer.response.text)")
      ledger.note(answer.outcome ?? "none", of: number)
    }
    await client.close()
  }

  private func compare(_ ledger: Ledger, with db: TestDatabase) async throws {
    let rows = try await db.query("select id from entry").compactMap { $0[0].flatMap { Int($0) } }
    let stored = Set(rows)
    for (number, outcome) in ledger.outcomes {
      #expect(stored.contains(number) == stored.contains(-number), "\(number) is stored in half")
      switch outcome {
      case "committed": #expect(stored.contains(number), "\(number) is lost")
      case "rolled_back", "not_started": #expect(!stored.contains(number), "\(number) is stored")
      default: #expect(outcome == "unknown", "\(number)")
      }
    }
    #expect(ledger.committed >= 200)
  }

  /// Transactions succeed again, without a restart of the service.
  private func goesOn(_ service: Service) async throws {
    try await eventually("the service goes on", within: .seconds(30)) {
      let answer = try await service.post(#"{"statements": [{"sql": "select 1"}]}"#)
      if answer.status != 200 { #expect(answer.status == 503, "\(answer.response.text)") }
      return answer.status == 200
    }
    try await eventually("it is ready") {
      try await service.request("GET", "/readyz").status == 200
    }
  }

  private func backend(running text: String, in db: TestDatabase) async throws -> pid_t {
    var found: pid_t?
    try await eventually("a backend that runs \(text)") {
      let row = try await db.value(
        """
        select pid from pg_stat_activity where datname = current_database()
        and pid <> pg_backend_pid() and state = 'active' and query like '%\(text)%'
        """)
      found = row.flatMap { pid_t($0) }
      return found != nil
    }
    return try #require(found)
  }
}
