import FoundationEssentials
import Glibc
import Synchronization
import TestSupport
import Testing
import TransomCluster

/// No event is lost, and none is made up, whatever is killed meanwhile.
@Suite(.timeLimit(.minutes(20))) struct WebhookCrashTests {
  /// In full by `make test-webhooks`.
  private static func scale(_ name: String, _ normal: Int) -> Int {
    ProcessInfo.processInfo.environment["TRANSOM_WEBHOOK_" + name].flatMap { Int($0) } ?? normal
  }

  private final class Progress: Sendable {
    let port = Mutex(0)
    let next = Mutex(0)
  }

  /// One of four is rolled back: in turn as a whole, and in a group whose event must not come.
  private static func transaction(_ n: Int) -> String {
    let hook = #"[{"event": "kept", "data": {"n": \#(n)}}]"#
    let dropped = #"[{"event": "dropped", "data": {"n": \#(n)}}]"#
    switch n % 8 {
    case 0:
      return #"""
        {"statements": [{"sql": "insert into t values (\#(n))"}, {"sql": "select 1/0"}], "on_commit": \#(dropped)}
        """#
    case 4:
      return #"""
        {"statements": [{"sql": "insert into t values (\#(n))"},
          {"savepoint": [{"savepoint": [], "on_commit": \#(dropped)}, {"sql": "select 1/0"}],
           "on_error": "continue"}], "on_commit": \#(hook)}
        """#
    default:
      return #"{"statements": [{"sql": "insert into t values (\#(n))"}], "on_commit": \#(hook)}"#
    }
  }

  @Test
  func
    `every committed event arrives, none of what was rolled back, and duplicates have the same id`()
    async throws
  {
    let count = Self.scale("TRANSACTIONS", 600)
    let kills = Self.scale("KILLS", 2)
    let restarts = Self.scale("RESTARTS", 1)
    try await withCluster { cluster in
      try await withDatabase(in: cluster) { db in
        try await db.query("create table t (n int primary key)")
        try await WebhookReceiver.with { receiver in
          let progress = Progress()
          let arguments = [
            "serve", "--listen", "127.0.0.1:0", "--database-url", db.connectionString,
            "--webhooks-allow-networks", "127.0.0.0/8", "--webhooks-timeout-ms", "2000",
            "--webhooks-poll-ms", "100",
          ]
          func start() async throws -> TransomProcess {
            let process = try await TransomProcess.start(arguments)
            let listening = try await process.listeningPort()
            progress.port.withLock { $0 = listening }
            return process
          }
          var process = try await start()
          let service = Service(process: process, port: progress.port.withLock { $0 })
          _ = try await service.addWebhook(receiver.url("/ok"))
          try await withThrowingTaskGroup { tasks in
            for _ in 0..<8 {
              tasks.addTask {
                while true {
                  let n = progress.next.withLock { next in
                    next += 1
                    return next
                  }
                  guard n <= count else { return }
                  var connected: RawHTTPClient?
                  try await eventually("a service to connect to") {
                    connected = try? await RawHTTPClient.connect(
                      toPort: progress.port.withLock { $0 })
                    return connected != nil
                  }
                  // Once each: what is not answered may be stored or not.
                  _ = try? await connected?.post(Self.transaction(n))
                  await connected?.close()
                }
              }
            }
            let faults = kills + restarts
            for fault in 0..<faults {
              let due = count * (fault + 1) / (faults + 1)
              try await eventually("transaction \(due)", within: .seconds(600)) {
                progress.next.withLock { $0 } >= due
              }
              // Every so often it is PostgreSQL that goes.
              if restarts > 0, fault % (faults / restarts) == faults / restarts - 1 {
                try await cluster.restart()
              } else {
                process.send(SIGKILL)
                try await process.waitForExit()
                process = try await start()
              }
            }
            try await tasks.waitForAll()
          }
          try await eventually("the outbox is empty", within: .seconds(300)) {
            try await db.value(
              """
              select (select count(*) from transom.new_events)
                + (select count(*) from transom.deliveries where status = 'pending')
              """) == "0"
          }
          process.terminate()
          try await process.waitForExit()

          var ids: [Int: Set<String>] = [:]
          var received = 0
          for message in try receiver.messages() {
            #expect(message["body"]["type"] == "kept")
            guard case .number(let n) = message["body"]["data"]["n"],
              let id = message["headers"]["webhook-id"].text
            else { continue }
            received += 1
            ids[Int(n), default: []].insert(id)
          }
          let stored = try await db.query("select n from t").compactMap {
            $0[0].flatMap { Int($0) }
          }
          #expect(Set(stored) == Set(ids.keys))
          #expect(ids.values.allSatisfy { $0.count == 1 })
          #expect(stored.count > count / 2)
          print(
            "webhooks: \(count) transactions, \(stored.count) committed, \(received - ids.count) duplicates"
          )
        }
      }
    }
  }
}
