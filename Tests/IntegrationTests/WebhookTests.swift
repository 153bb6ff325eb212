import Glibc
import TestSupport
import Testing
import TransomPostgres

/// Webhooks, from the transaction to the receiver.
@Suite(.timeLimit(.minutes(3))) struct WebhookTests {
  @Test func `a committed event is delivered, signed, and known by its id`() async throws {
    try await withReceiver { service, receiver, _ in
      let webhook = try await service.addWebhook(receiver.url("/ok"), "account.*")
      #expect(webhook["secret"].text?.hasPrefix("whsec_") == true)
      let answer = try await service.post(Service.emit("account.created", #"{"owner": "ada"}"#))
      _ = try await service.post(Service.emit("email.added"))
      let message = try await receiver.messages(1)[0]
      #expect(message["headers"]["webhook-id"] == answer.body["events"][0]["id"])
      #expect(message["headers"]["webhook-signature"].text?.hasPrefix("v1,") == true)
      #expect(message["headers"]["content-type"] == "application/json")
      #expect(message["body"]["type"] == "account.created")
      #expect(message["body"]["data"] == ["owner": "ada"])

      let list = "/webhooks/\(webhook["id"].text ?? "")/deliveries"
      try await eventually("it is recorded") {
        try await service.request("GET", list + "?status=delivered").body["deliveries"][0]
          != .absent
      }
      let id = try await service.request("GET", list).body["deliveries"][0]["id"].text ?? ""
      let delivery = try await service.request("GET", "/deliveries/\(id)").body
      #expect(delivery["status"] == "delivered" && delivery["attempts"][0]["status"] == 200)
      #expect(delivery["attempts"][0]["answer"] == "thanks")
      #expect(try receiver.messages().count == 1)
    }
  }

  @Test
  func `what fails is tried again with the same id, and then is dead until somebody redelivers it`()
    async throws
  {
    try await withReceiver { service, receiver, _ in
      let webhook = try await service.addWebhook(receiver.url("/fail/3"))
      _ = try await service.post(Service.emit("a"))
      let path = "/webhooks/\(webhook["id"].text ?? "")"
      try await eventually("it is dead") {
        try await service.request("GET", path + "/deliveries?status=dead").body["deliveries"][0]
          != .absent
      }
      let failed = try await service.request("GET", path).body
      #expect(failed["failing_since"].text != nil)
      let since = #"{"since": "2020-01-01T00:00:00Z"}"#
      let all = try await service.request("POST", path + "/redeliver", body: since)
      #expect(all.status == 202 && all.body["deliveries"] == 1)
      try await eventually("it is delivered") {
        try await service.request("GET", path + "/deliveries?status=delivered").body["deliveries"][
          0]
          != .absent
      }
      let ids = Set(try receiver.messages().map { $0["headers"]["webhook-id"].text })
      #expect(try receiver.messages().count == 4 && ids.count == 1)
      #expect(try await service.request("GET", path).body["failing_since"] == .null)
    }
  }

  @Test func `410 disables a webhook, and it can be enabled again`() async throws {
    try await withReceiver { service, receiver, _ in
      let webhook = try await service.addWebhook(receiver.url("/gone"))
      let path = "/webhooks/\(webhook["id"].text ?? "")"
      _ = try await service.post(Service.emit("a"))
      try await eventually("it is disabled") {
        try await service.request("GET", path).body["enabled"] == false
      }
      let changed = try await service.request(
        "PATCH", path, body: #"{"enabled": true, "url": "\#(receiver.url("/ok"))"}"#)
      #expect(changed.body["enabled"] == true && changed.body["disabled_reason"] == .null)
      let test = try await service.request("POST", path + "/test")
      #expect(test.status == 202)
      let message = try await receiver.messages(2)[1]
      #expect(message["body"]["type"] == "webhook.test" && message["path"] == "/ok")
    }
  }

  @Test func `Retry-After is honoured, and redirects are not followed`() async throws {
    try await withReceiver { service, receiver, _ in
      _ = try await service.addWebhook(receiver.url("/busy"), "busy")
      _ = try await service.addWebhook(receiver.url("/moved"), "moved")
      _ = try await service.post(Service.emit("busy"))
      _ = try await service.post(Service.emit("moved"))
      let messages = try await receiver.messages(5)
      let busy = messages.filter { $0["path"] == "/busy" }
      guard case .number(let first) = busy[0]["at"], case .number(let second) = busy[1]["at"] else {
        Issue.record("no times")
        return
      }
      #expect(second - first >= 1)
      #expect(messages.count { $0["path"] == "/moved" } == 3)
      #expect(!messages.contains { $0["path"] == "/ok" })
    }
  }

  @Test func `an address that is not public is refused when it is connected to`() async throws {
    try await withDatabase { db in
      try await WebhookReceiver.with { receiver in
        try await withService(for: db.connectionString, ["--webhooks-poll-ms", "50"]) { service in
          for host in ["127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "0x7f000001", "0"] {
            _ = try await service.addWebhook("http://\(host):\(receiver.port)/ok")
          }
          _ = try await service.post(Service.emit("a"))
          try await eventually("all have been tried") {
            try await db.value(
              "select count(*) from transom.deliveries where cardinality(attempts) > 0") == "6"
          }
          let reasons = try await db.query(
            "select distinct attempts[1]->>'failure' like '%is not public%' from transom.deliveries"
          )
          #expect(reasons == [["t"]])
          #expect(try receiver.messages().isEmpty)
        }
      }
    }
  }

  @Test func `a receiver that hangs delays no other one`() async throws {
    try await withReceiver(["--webhooks-timeout-ms", "3000"]) { service, receiver, _ in
      for _ in 0..<5 { _ = try await service.addWebhook(receiver.url("/hang")) }
      _ = try await service.addWebhook(receiver.url("/ok"))
      for number in 0..<50 { _ = try await service.post(Service.emit("a", #"{"n": \#(number)}"#)) }
      try await eventually("the other one has all") {
        try receiver.messages().count { $0["path"] == "/ok" } == 50
      }
    }
  }

  @Test func `deliveries go on while transactions wait for a connection`() async throws {
    let pool = ["--loops", "1", "--pool-size", "1", "--pool-wait-ms", "60000"]
    try await withReceiver(pool) { service, receiver, db in
      _ = try await service.addWebhook(receiver.url("/ok"))
      let sleeping = "query like '%pg_sleep(100)%' and pid <> pg_backend_pid()"
      async let busy = service.post(#"{"statements": [{"sql": "select pg_sleep(100)"}]}"#)
      try await eventually("the only connection is busy") {
        try await db.value("select count(*) from pg_stat_activity where \(sleeping)") == "1"
      }
      async let waiting = service.post(Service.emit("late"))
      try await eventually("a transaction waits") {
        let metrics = try await service.request("GET", "/metrics").response
        return metrics.text.contains(#"transom_pool_waiting{database="default"} 1"#)
      }
      try await db.query("select transom.emit('a', '{}') from generate_series(1, 100)")
      #expect(try await receiver.messages(100).allSatisfy { $0["body"]["type"] == "a" })
      try await db.query("select pg_cancel_backend(pid) from pg_stat_activity where \(sleeping)")
      #expect(try await waiting.status == 200)
      #expect(try await busy.status != 200)
      #expect(try await receiver.messages(101)[100]["body"]["type"] == "late")
    }
  }

  @Test func `an ordered webhook gets events in their order, whatever fails in between`()
    async throws
  {
    try await withReceiver { service, receiver, _ in
      _ = try await service.addWebhook(receiver.url("/fail/1"), "*", #", "ordered": true"#)
      for number in 0..<10 { _ = try await service.post(Service.emit("a", #"{"n": \#(number)}"#)) }
      let messages = try await receiver.messages(20)
      let numbers = messages.compactMap { message -> Double? in
        guard message["status"] == 200, case .number(let n) = message["body"]["data"]["n"] else {
          return nil
        }
        return n
      }
      #expect(numbers == (0..<10).map(Double.init))
    }
  }

  @Test
  func `what is fanned out while a webhook is changed to be ordered is delivered in order, too`()
    async throws
  {
    try await withReceiver { service, receiver, db in
      let added = try await service.addWebhook(receiver.url("/ok"), "a")
      let webhook = try #require(added["id"].text.flatMap { Int($0.dropFirst("wh_".count)) })
      let databases = try Databases(["default": DatabaseConfiguration(url: db.connectionString)])
      let changed = try await databases.default.atomic { tx in
        // As another service does it.
        try await tx.execute("select pg_advisory_xact_lock(\(0x7472_616E_736F_6D02))")
        try await tx.execute(
          """
          insert into transom.deliveries (event_seq, webhook_id, is_ordered, due_at)
          values (1, \(webhook)::bigint, false, now() + interval '1 hour')
          """)
        let change = Task {
          try await service.request(
            "PATCH", "/webhooks/wh_\(webhook)", body: #"{"ordered": true}"#)
        }
        try await eventually("it is changed, or waits beside the service's own fan-out") {
          try await db.value(
            """
            select is_ordered or (select count(*) >= 2 from pg_locks where locktype = 'advisory' and not granted)
            from transom.webhooks
            """) == "t"
        }
        return change
      }
      #expect(try await changed.value.status == 200)
      await databases.shutdown()
      #expect(try await db.value("select is_ordered from transom.deliveries") == "t")
    }
  }

  @Test func `every commit is told to a webhook that wants to know`() async throws {
    try await withReceiver { service, receiver, _ in
      _ = try await service.addWebhook(receiver.url("/ok"), "transaction.committed")
      let select = #"{"statements": [{"sql": "select 1"}, {"savepoint": [{"sql": "select 2"}]}]}"#
      let answer = try await service.request(
        "POST", "/transactions", headers: [("X-Request-Id", "mine")], body: select)
      #expect(answer.status == 200 && answer.response["X-Request-Id"] == "mine")
      _ = try await service.post(#"{"read_only": true, "statements": [{"sql": "select 1"}]}"#)
      let message = try await receiver.messages(1)[0]
      #expect(message["body"]["type"] == "transaction.committed")
      let data = message["body"]["data"]
      #expect(
        data["request_id"] == "mine" && data["database"] == "default" && data["statements"] == 2)
      #expect(data["transaction_id"].text.flatMap { Int($0) } != nil)
    }
  }

  @Test func `whatever emits in the database is delivered, too`() async throws {
    try await withReceiver { service, receiver, db in
      _ = try await service.addWebhook(receiver.url("/ok"))
      try await db.query("select transom.emit('by.hand', '{}')")
      #expect(try await receiver.messages(1)[0]["body"]["type"] == "by.hand")
    }
  }

  @Test(arguments: [
    ("POST", "/webhooks", #"{"events": ["a"]}"#, 400), ("POST", "/webhooks", "[]", 400),
    ("POST", "/webhooks", #"{"url": "http://x", "events": []}"#, 400),
    ("POST", "/webhooks", #"{"url": "http://x", "events": ["a*"]}"#, 400),
    ("POST", "/webhooks", #"{"url": "http://a:b@x", "events": ["*"]}"#, 400),
    ("POST", "/webhooks", #"{"url": "http://x", "events": ["*"], "x": 1}"#, 400),
    ("GET", "/webhooks?limit=0", nil, 400), ("GET", "/webhooks/wh_1", nil, 404),
    ("GET", "/webhooks/1", nil, 404), ("PUT", "/webhooks", nil, 405),
    ("PATCH", "/webhooks/wh_1", "{}", 404), ("DELETE", "/webhooks/wh_1", nil, 404),
    ("POST", "/webhooks/wh_1/test", nil, 404), ("GET", "/webhooks/wh_1/deliveries", nil, 404),
    ("GET", "/deliveries/dlv_1_1", nil, 404), ("POST", "/deliveries/dlv_1_1/redeliver", nil, 404),
    ("GET", "/deliveries/dlv_1", nil, 404),
  ])
  func `a wrong request is a problem`(
    _ method: String, _ path: String, _ body: String?, _ status: Int
  ) async throws {
    try await withDatabase { db in
      try await withService(for: db.connectionString) { service in
        let answer = try await service.request(method, path, body: body)
        #expect(answer.status == status && answer.code != nil && answer.outcome == "not_started")
      }
    }
  }

  @Test func `webhooks are listed page by page, and a deleted one is gone`() async throws {
    try await withDatabase { db in
      try await withService(for: db.connectionString) { service in
        for number in 0..<3 { _ = try await service.addWebhook("http://x/\(number)") }
        let first = try await service.request("GET", "/webhooks?limit=2").body
        #expect(first["webhooks"][1]["url"] == "http://x/1")
        #expect(first["webhooks"][1]["secret"] == .absent)
        let cursor = first["next_cursor"].text ?? ""
        let second = try await service.request("GET", "/webhooks?limit=2&cursor=\(cursor)").body
        #expect(second["webhooks"][0]["url"] == "http://x/2" && second["next_cursor"] == .null)
        let id = second["webhooks"][0]["id"].text ?? ""
        #expect(try await service.request("DELETE", "/webhooks/\(id)").status == 204)
        #expect(try await service.request("GET", "/webhooks/\(id)").status == 404)
      }
    }
  }
}
