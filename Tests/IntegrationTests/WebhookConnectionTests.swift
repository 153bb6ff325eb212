import TestSupport
import Testing

/// How receivers are connected to: TLS, HTTP/2, and nobody in between.
@Suite(.timeLimit(.minutes(3))) struct WebhookConnectionTests {
  /// A service that delivers to one receiver, which has a certificate.
  private func withTLSReceiver(
    offering protocols: [String], for names: String, trusts: Bool = true,
    _ body: (Service, WebhookReceiver, TestDatabase) async throws -> Void
  ) async throws {
    try await TestCertificate.with(names) { certificate in
      try await WebhookReceiver.withTLS(certificate, offering: protocols) { receiver in
        try await withDatabase { db in
          let trust = trusts ? ["--webhooks-ca-file", certificate.file] : []
          try await withService(for: db.connectionString, WebhookReceiver.settings + trust) {
            try await body($0, receiver, db)
          }
        }
      }
    }
  }

  @Test(arguments: [(["h2", "http/1.1"], "2"), (["h2"], "2"), (["http/1.1"], "1.1")])
  func `HTTP/2 is spoken where it is offered, and connections are kept`(
    _ protocols: [String], _ version: String
  ) async throws {
    try await withTLSReceiver(offering: protocols, for: "IP:127.0.0.1") { service, receiver, _ in
      let webhook = try await service.addWebhook(receiver.url("/there"))
      for number in 0..<20 {
        _ = try await service.post(Service.emit("a", #"{"n": \#(number)}"#))
        let message = try await receiver.messages(number + 1)[number]
        #expect(message["version"] == .string(version) && message["path"] == "/there")
        #expect(message["body"]["data"]["n"] == .number(Double(number)))
        #expect(message["headers"]["webhook-signature"].text?.hasPrefix("v1,") == true)
      }
      let connections = try receiver.messages().map { $0["connection"] }
      #expect(connections.allSatisfy { $0 == 1 })
      let path = "/webhooks/\(webhook["id"].text ?? "")/deliveries?status=delivered"
      try await eventually("all are recorded") {
        try await service.request("GET", path).body["deliveries"][19] != .absent
      }
    }
  }

  /// Whether all attempts failed because of the certificate.
  private func expectRefusal(
    _ service: Service, _ receiver: WebhookReceiver, _ db: TestDatabase
  ) async throws {
    _ = try await service.addWebhook(receiver.url("/there"))
    _ = try await service.post(Service.emit("a"))
    try await eventually("it is dead") {
      try await db.value("select status from transom.deliveries") == "dead"
    }
    let reasons = try await db.query(
      """
      select distinct attempt->>'status', attempt->>'failure' ilike '%certificate%'
      from transom.deliveries, unnest(attempts) as attempt
      """)
    #expect(reasons == [[nil, "t"]])
    #expect(try receiver.messages().isEmpty)
  }

  @Test func `a certificate of an authority that nobody knows is refused, and that is recorded`()
    async throws
  {
    try await withTLSReceiver(offering: ["h2"], for: "IP:127.0.0.1", trusts: false) {
      try await expectRefusal($0, $1, $2)
    }
  }

  @Test func `a certificate for another name is refused, whoever has signed it`() async throws {
    try await withTLSReceiver(offering: ["h2"], for: "DNS:other.example,IP:127.0.0.2") {
      try await expectRefusal($0, $1, $2)
    }
  }

  @Test func `a proxy that the environment names is not asked`() async throws {
    // Nobody listens at port 9.
    let proxy = "http://127.0.0.1:9"
    var environment: [String: String] = [:]
    for name in ["http_proxy", "https_proxy", "all_proxy"] {
      environment[name] = proxy
      environment[name.uppercased()] = proxy
    }
    environment["no_proxy"] = ""
    environment["NO_PROXY"] = ""
    try await withReceiver(environment: environment) { service, receiver, db in
      _ = try await service.addWebhook(receiver.url("/ok"))
      _ = try await service.post(Service.emit("a"))
      _ = try await receiver.messages(1)
      try await eventually("it is recorded") {
        try await db.value("select attempts[1]->>'status' from transom.deliveries") == "200"
      }
    }
  }

  @Test func `an answer that does not end is cut off, and its beginning kept`() async throws {
    try await withReceiver { service, receiver, db in
      _ = try await service.addWebhook(receiver.url("/endless"))
      _ = try await service.post(Service.emit("a"))
      try await eventually("it is recorded") {
        try await db.value("select status from transom.deliveries") == "delivered"
      }
      #expect(
        try await db.query(
          "select attempts[1]->>'status', length(attempts[1]->>'answer') from transom.deliveries")
          == [["200", "1024"]])
      // What the sockets of both sides hold has been sent, too.
      guard case .number(let sent) = try await receiver.messages(1)[0]["sent"] else {
        Issue.record("no number")
        return
      }
      #expect(sent < 64 * 1024 * 1024)
    }
  }
}
