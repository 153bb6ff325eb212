import InMemoryTracing
import Metrics
import MetricsTestKit
import TestSupport
import Testing
import Tracing
import TransomPostgres

struct InstrumentationTests {
  // They can be chosen once for each process. Tests are told apart by the names of their databases.
  private static let tracer = {
    let tracer = InMemoryTracer()
    InstrumentationSystem.bootstrap(tracer)
    return tracer
  }()
  private static let metrics = {
    let metrics = TestMetrics()
    MetricsSystem.bootstrap(metrics)
    return metrics
  }()

  private func run(
    _ instrumentation: Instrumentation, _ body: (Database, String) async throws -> Void
  ) async throws {
    _ = (Self.tracer, Self.metrics)
    try await withDatabase { server in
      let databases = try Databases(
        ["default": DatabaseConfiguration(url: server.connectionString)],
        instrumentation: instrumentation)
      let result = await Result { () async throws in
        try await body(databases.default, server.name)
      }
      await databases.shutdown()
      try result.get()
    }
  }

  private func spans(of name: String) -> [FinishedInMemorySpan] {
    Self.tracer.finishedSpans.filter { $0.attributes.get("db.namespace") == .string(name) }
  }

  @Test func `a block and its statements are spans, as OpenTelemetry names them`() async throws {
    try await run(Instrumentation(emitsSpans: true)) { database, name in
      try await database.atomic { tx in
        try await tx.execute("select \(1)::int")
        _ = try? await tx.atomic { try await $0.execute("select 1/0") }
        try await tx.executeMany(1...3) { "select \($0)::int" }
      }
      let spans = spans(of: name)
      #expect(
        spans.map(\.operationName) == ["SELECT", "SELECT", "SAVEPOINT", "SELECT", "TRANSACTION"])
      let block = try #require(spans.last)
      #expect(spans[0].parentSpanID == block.spanID)
      #expect(spans[1].parentSpanID == spans[2].spanID)
      #expect(spans[2].parentSpanID == block.spanID)
      #expect(spans.allSatisfy { $0.kind == .client })
      #expect(spans.allSatisfy { $0.attributes.get("db.system.name") == .string("postgresql") })
      #expect(spans[0].attributes.get("db.operation.name") == .string("SELECT"))
      // Values are not in it.
      #expect(spans[0].attributes.get("db.query.text") == .string("select $1::int"))
      #expect(spans[0].attributes.get("error.type") == nil)
      #expect(spans[3].attributes.get("db.operation.batch.size") == .int64(3))
      for failed in spans[1...2] {
        #expect(failed.attributes.get("db.response.status_code") == .string("22012"))
        #expect(failed.attributes.get("error.type") == .string("22012"))
        #expect(failed.errors.count == 1)
      }
    }
  }

  @Test func `durations, waits and transactions are metrics`() async throws {
    try await run(Instrumentation(emitsMetrics: true)) { database, name in
      try await database.atomic { try await $0.execute("select 1") }
      try? await database.atomic { tx in
        try await tx.execute("select 2")
        throw Boom()
      }
      _ = try? await database.query("select 1/0")
      func has(_ dimensions: [(String, String)], _ key: String, _ value: String) -> Bool {
        dimensions.contains { $0 == (key, value) } && dimensions.contains { $0.1 == name }
      }
      let durations = Self.metrics.timers(label: "db.client.operation.duration")
        .filter { has($0.dimensions, "db.operation.name", "SELECT") }
      #expect(durations.flatMap(\.values).count == 3)
      #expect(durations.filter { has($0.dimensions, "error.type", "22012") }.count == 1)
      #expect(durations.flatMap(\.values).allSatisfy { $0 > 0 })
      let waits = Self.metrics.timers(label: "db.client.connection.wait_time")
        .filter { has($0.dimensions, "db.system.name", "postgresql") }
      #expect(waits.flatMap(\.values).count == 3)
      for outcome in ["committed", "rolled_back"] {
        let counters = Self.metrics.counters(label: "transom.transactions")
          .filter { has($0.dimensions, "outcome", outcome) }
        #expect(counters.map(\.totalValue) == [1])
      }
    }
  }

  @Test func `by default there is neither`() async throws {
    try await run(Instrumentation()) { database, name in
      try await database.atomic { try await $0.execute("select 1") }
      #expect(spans(of: name).isEmpty)
      let counters = Self.metrics.counters(label: "transom.transactions")
      #expect(!counters.contains { $0.dimensions.contains { $0.1 == name } })
    }
  }
}
