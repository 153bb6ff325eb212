import TestSupport
import Testing

@Suite(.timeLimit(.minutes(2))) struct HeaderTests {
  private static let select = #"{"statements": [{"sql": "select pg_sleep(0.02)"}]}"#

  @Test func `an answer tells how long it waited and ran, in milliseconds`() async throws {
    try await withDatabase { db in
      try await withService(for: db.connectionString) { service in
        let answer = try await service.post(Self.select)
        let timing = try #require(answer.response["Server-Timing"])
        let parts = try #require(
          timing.wholeMatch(
            of: /queue;dur=(\d+\.\d{3}), execute;dur=(\d+\.\d{3}), encode;dur=(\d+\.\d{3})/))
        let execute = try #require(Double(parts.output.2))
        let encode = try #require(Double(parts.output.3))
        #expect(execute >= 20)
        #expect(encode < execute)
      }
    }
  }

  @Test func `every answer has a request id: the client's own, or a new one`() async throws {
    try await withDatabase { db in
      try await withService(for: db.connectionString) { service in
        var names: Set<String> = []
        for body in [Self.select, Self.select, "{}", #"{"statements": [{"sql": "nonsense"}]}"#] {
          let name = try await service.post(body).response["X-Request-Id"]
          #expect(name?.wholeMatch(of: /req_[0-9a-z]+-\d+/) != nil, "\(name ?? "none")")
          names.insert(name ?? "")
        }
        #expect(names.count == 4)
        for (given, isTaken) in [
          ("my-id/1~", true), (String(repeating: "x", count: 128), true),
          (String(repeating: "x", count: 129), false), ("two words", false), ("é", false),
        ] {
          let answer = try await service.request(
            "POST", "/transactions",
            headers: [("Content-Type", "application/json"), ("X-Request-Id", given)],
            body: Self.select)
          #expect((answer.response["X-Request-Id"] == given) == isTaken, "\(given)")
          #expect(answer.response["X-Request-Id"] != nil)
        }
      }
    }
  }
}
