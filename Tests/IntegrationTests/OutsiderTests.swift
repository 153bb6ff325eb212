import TestSupport
import Testing

/// What those may not who only reach the service: pages of other sites, and who has no key.
@Suite(.timeLimit(.minutes(2))) struct OutsiderTests {
  @Test(arguments: [
    "/webhooks/wh_1/rotate-secret", "/webhooks/wh_1/test", "/webhooks/wh_1/redeliver",
  ])
  func `a page of another site changes nothing by what it may send without asking`(
    _ path: String
  ) async throws {
    try await withDatabase { db in
      try await withService(for: db.connectionString) { service in
        try await eventually("webhooks can be made") {
          try await service.request(
            "POST", "/webhooks", body: #"{"url": "http://example.com/", "events": ["a"]}"#
          ).status == 201
        }
        func post(_ headers: [(name: String, value: String)]) async throws -> Answer {
          try await service.request("POST", path, headers: headers)
        }
        for type in [nil, "text/plain;charset=UTF-8"] {
          let headers = type.map { [(name: "Content-Type", value: $0)] } ?? []
          let refused = try await post([("Origin", "http://evil.example")] + headers)
          #expect(refused.status == 415 && refused.outcome == "not_started")
        }
        // A program, and a page that has asked, or is our own.
        let isJSON = (name: "Content-Type", value: "application/json")
        #expect(try await post([]).status != 415)
        #expect(try await post([("Origin", "http://127.0.0.1"), isJSON]).status != 415)
        let list = try await service.request("GET", "/webhooks", headers: [("Origin", "http://a")])
        #expect(list.status == 200)
      }
    }
  }

  @Test func `who has no key is not told why a database does not answer`() async throws {
    try await withDatabase { db in
      let proxy = try FaultProxy.start(before: db.cluster)
      defer { proxy.stop() }
      proxy.refuseConnections()
      try await withService(
        for: proxy.connectionString(database: db.name),
        environment: TestKey.reader.environment(["MONITORING": "true"])
      ) { service in
        let told = try await service.request("GET", "/readyz")
        #expect(told.status == 503 && told.code == "database-unavailable")
        #expect(told.body["detail"].text == "A required database does not answer.")
        let why = try await service.request(
          "GET", "/readyz", headers: [("Authorization", "Bearer \(TestKey.reader.text)")])
        #expect(why.body["detail"].text?.contains("\(proxy.port)") == true)
      }
    }
  }
}
