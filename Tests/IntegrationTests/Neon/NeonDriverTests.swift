import Testing
import TransomCluster

/// The programs of Tests/Neon, which speak to the service as `@neondatabase/serverless` does.
@Suite(.timeLimit(.minutes(2))) struct NeonDriverTests {
  @Test func `programs for Neon's driver work`() async throws {
    let root = #filePath.split(separator: "/").dropLast(3).joined(separator: "/")
    try await withSQL { _, service in
      let program = "/\(root)/Neon/driver.test.mjs"
      var command = Command("/usr/bin/node", ["--test", "--test-reporter=tap", program])
      command.environment = [
        "ENDPOINT": "http://127.0.0.1:\(service.port)/sql",
        "CONNECTION_STRING": "postgresql://web:secret@db.example.org/default?sslmode=require",
      ]
      let outcome = try await command.run()
      #expect(outcome.succeeded, "\(outcome.text)")
      #expect(outcome.output.contains("# pass 8") && outcome.output.contains("# fail 0"))
    }
  }
}
