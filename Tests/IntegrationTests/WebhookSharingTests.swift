import Glibc
import TestSupport
import Testing
import TransomCluster

/// Several webhooks, and several services, that share the work.
@Suite(.timeLimit(.minutes(3))) struct WebhookSharingTests {
  /// The ids of what came to a path.
  private static func ids(_ receiver: WebhookReceiver, _ path: String) throws -> [String] {
    try receiver.messages().filter { $0["path"] == .string(path) }.compactMap {
      $0["headers"]["webhook-id"].text
    }
  }

  @Test func `two services share the work, and deliver each event once`() async throws {
    try await withReceiver { first, receiver, db in
      try await withService(for: db.connectionString, WebhookReceiver.settings) { second in
        for number in 0..<4 { _ = try await first.addWebhook(receiver.url("/ok?\(number)")) }
        for _ in 0..<20 {
          try await db.query("select transom.emit('a', '{}') from generate_series(1, 10)")
        }
        try await eventually("all are delivered") {
          try await db.value(
            "select count(*) from transom.deliveries where status = 'delivered'") == "800"
        }
        for number in 0..<4 {
          let ids = try Self.ids(receiver, "/ok?\(number)")
          #expect(ids.count == 200 && Set(ids).count == 200)
        }
        for service in [first, second] {
          let page = try await service.request("GET", "/metrics").response.text
          let line = page.split(separator: "\n").first {
            $0.hasPrefix("transom_webhooks_attempts_total") && $0.contains(#""delivered""#)
          }
          let count = line?.split(separator: " ").last.flatMap { Double($0) } ?? 0
          #expect(count > 0 && count < 800, "\(line ?? "none")")
        }
      }
    }
  }

  @Test func `another service delivers what a killed one had claimed, once its lease is over`()
    async throws
  {
    try await withDatabase { db in
      try await WebhookReceiver.with { receiver in
        let settings = WebhookReceiver.settings + ["--webhooks-timeout-ms", "3000"]
        let killed = try await TransomProcess.start(
          ["serve", "--listen", "127.0.0.1:0", "--database-url", db.connectionString] + settings)
        let first = Service(process: killed, port: try await killed.listeningPort())
        for number in 0..<5 { _ = try await first.addWebhook(receiver.url("/hang/1?\(number)")) }
        _ = try await first.post(Service.emit("a"))
        let before = try await receiver.messages(5)
        killed.send(SIGKILL)
        try await killed.waitForExit()
        #expect(before.allSatisfy { $0["status"] == .null })
        #expect(
          try await db.value("select count(*) from transom.deliveries where leased_until > now()")
            == "5")
        try await withService(for: db.connectionString, settings) { _ in
          let after = try await receiver.messages(10).dropFirst(5)
          #expect(after.count == 5 && after.allSatisfy { $0["status"] == 200 })
          let ids = try receiver.messages().compactMap { $0["headers"]["webhook-id"].text }
          #expect(Set(ids).count == 1)
          #expect(Set(after.map { $0["path"].text }).count == 5)
          for (was, became) in zip(before, after) {
            guard case .number(let was) = was["at"], case .number(let became) = became["at"] else {
              continue
            }
            // Its lease is ten seconds longer than an attempt may take.
            #expect(became - was > 12)
          }
          try await eventually("all are recorded") {
            try await db.value(
              "select count(*) from transom.deliveries where status = 'delivered'") == "5"
          }
        }
      }
    }
  }

  @Test func `a webhook that fails for too long is disabled, and says why`() async throws {
    let schedule = Array(repeating: ["--webhooks-retry-schedule", "0"], count: 20).flatMap(\.self)
    try await withReceiver(schedule + ["--webhooks-disable-after", "1"]) { service, receiver, db in
      let good = try await service.addWebhook(receiver.url("/ok"))
      let bad = try await service.addWebhook(receiver.url("/fail/1000"))
      _ = try await service.post(Service.emit("a"))
      let path = "/webhooks/\(bad["id"].text ?? "")"
      try await eventually("it is disabled") {
        try await service.request("GET", path).body["enabled"] == false
      }
      let shown = try await service.request("GET", path).body
      #expect(shown["disabled_reason"] == "no delivery succeeded for too long")
      #expect(shown["failing_since"].text != nil)
      #expect(
        try await db.value(
          "select max(disabled_at - failing_since) >= interval '1 second' from transom.webhooks")
          == "t")
      // It gets nothing more, and the other one everything.
      let attempts = try Self.ids(receiver, "/fail/1000").count
      _ = try await service.post(Service.emit("b"))
      try await eventually("the other one has both") {
        try Self.ids(receiver, "/ok").count == 2
      }
      let enabled = try await service.request("GET", "/webhooks/\(good["id"].text ?? "")").body
      #expect(enabled["enabled"] == true)
      #expect(try Self.ids(receiver, "/fail/1000").count == attempts)
    }
  }

  /// A few places, which what hangs does not leave while the test runs.
  private static let few = ["--webhooks-concurrency", "16", "--webhooks-timeout-ms", "120000"]

  private static func expectDelivery(
    to count: Int, _ service: Service, _ receiver: WebhookReceiver
  ) async throws {
    let before = try receiver.messages().count { $0["path"].text?.hasPrefix("/ok") == true }
    for _ in 0..<10 { _ = try await service.post(Service.emit("a")) }
    try await eventually("those that answer have all", within: .seconds(30)) {
      try receiver.messages().count { $0["path"].text?.hasPrefix("/ok") == true }
        == before + 10 * count
    }
  }

  @Test func `those that answer are not delayed by more that hang than there are places`()
    async throws
  {
    try await withReceiver(Self.few) { service, receiver, _ in
      for number in 0..<5 { _ = try await service.addWebhook(receiver.url("/ok?\(number)")) }
      try await Self.expectDelivery(to: 5, service, receiver)
      for number in 0..<40 { _ = try await service.addWebhook(receiver.url("/hang?\(number)")) }
      try await Self.expectDelivery(to: 5, service, receiver)
      // Three quarters of the places are what they may have.
      #expect(try receiver.messages().count { $0["path"].text?.hasPrefix("/hang") == true } <= 12)
    }
  }

  @Test func `a service that starts does not try all that are dead before the others`()
    async throws
  {
    try await withDatabase { db in
      try await WebhookReceiver.with { receiver in
        let hasty = WebhookReceiver.settings + ["--webhooks-timeout-ms", "1000"]
        try await withService(for: db.connectionString, hasty) { service in
          for number in 0..<40 { _ = try await service.addWebhook(receiver.url("/hang?\(number)")) }
          for number in 0..<5 { _ = try await service.addWebhook(receiver.url("/ok?\(number)")) }
          try await Self.expectDelivery(to: 5, service, receiver)
          try await eventually("all others have failed") {
            try await db.value("select count(*) from transom.webhooks where failing_since is null")
              == "5"
          }
        }
        let few = WebhookReceiver.settings + Self.few
        try await withService(for: db.connectionString, few) { service in
          try await Self.expectDelivery(to: 5, service, receiver)
        }
      }
    }
  }

  @Test func `a service takes as many descriptors as it may`() async throws {
    try await withDatabase { db in
      let process = try await TransomProcess.start(
        [
          "-c", "ulimit -Sn 64; exec \"$0\" \"$@\"", TransomProcess.executable, "serve",
          "--listen", "127.0.0.1:0", "--database-url", db.connectionString,
        ], executable: "/bin/sh")
      _ = try await process.listeningPort()
      let limits = try await Command("/bin/cat", ["/proc/\(process.processID)/limits"])
        .runChecked().output
      let line = limits.split(separator: "\n").first { $0.hasPrefix("Max open files") }
      let numbers = line?.split(separator: " ").compactMap { Int($0) } ?? []
      #expect(numbers.count == 2 && numbers[0] == min(numbers[1], 65_536), "\(line ?? "")")
      process.terminate()
      #expect(try await process.waitForExit() == 0)
    }
  }
}
