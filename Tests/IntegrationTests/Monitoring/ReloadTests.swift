import FoundationEssentials
import Glibc
import TestSupport
import Testing
import TransomCluster

/// SIGHUP: what changes while the service runs, what does not, and what is wrong with a file.
@Suite(.timeLimit(.minutes(2))) struct ReloadTests {
  private static let select = #"{"statements": [{"sql": "select 1"}]}"#

  /// A service with a configuration file that can be written again.
  private struct Reloadable {
    let service: Service
    let file: String
    /// How often it was read again.
    private(set) var count = 0

    init(_ service: Service, _ file: String) {
      self.service = service
      self.file = file
    }

    /// Writes the file, sends SIGHUP and returns what the log says of it.
    mutating func reload(_ yaml: String, expecting text: String) async throws -> String {
      try yaml.write(toFile: file, atomically: true, encoding: .utf8)
      count += 1
      service.process.send(SIGHUP)
      let expected = count
      var lines: [Substring] = []
      try await eventually("\(expected) times \(text)") {
        lines = service.process.log.split(separator: "\n").filter {
          $0.contains("the configuration ")
        }
        return lines.count >= expected
      }
      let last = String(lines.last ?? "")
      #expect(last.contains(text), "\(last)")
      return service.process.log
    }
  }

  private static func withReloadable(
    _ yaml: String, _ body: (TestDatabase, inout Reloadable) async throws -> Void
  ) async throws {
    let file = "/tmp/transom-reload-\(UInt64.random(in: 0...UInt64.max)).yaml"
    defer { try? FileManager.default.removeItem(atPath: file) }
    try yaml.write(toFile: file, atomically: true, encoding: .utf8)
    try await withDatabase { db in
      try await withService(for: db.connectionString, ["--config", file]) { service in
        var reloadable = Reloadable(service, file)
        try await body(db, &reloadable)
      }
    }
  }

  @Test func `keys and limits change, for connections that are open as well`() async throws {
    let writer = "keys: {writer: {sha256: \(TestKey.writer.hash)}}"
    let both =
      "keys: {writer: {sha256: \(TestKey.writer.hash), read_only: true}, reader: {sha256: \(TestKey.reader.hash)}}"
    try await Self.withReloadable(writer) { db, reloadable in
      let service = reloadable.service
      #expect(try await service.post(Self.select, as: .reader).status == 401)
      let insert = #"{"statements": [{"sql": "create table t (a int)"}]}"#
      let client = try await service.connect()
      let field = [(name: "Authorization", value: "Bearer \(TestKey.writer.text)")]
      let first = try await client.request(
        "POST", "/transactions", headers: field, body: Self.select)
      #expect(first.status == 200)
      let log = try await reloadable.reload(both, expecting: "was read again")
      #expect(log.contains("changed=[keys.reader, keys.writer.read_only]"), "\(log)")
      #expect(try await service.post(Self.select, as: .reader).status == 200)
      // On the connection that was open.
      let second = try await client.request("POST", "/transactions", headers: field, body: insert)
      #expect(second.status == 422, "\(second.text)")
      _ = try await reloadable.reload(
        both + "\nlimits: {timeout_ms: 100, body: 1KiB}", expecting: "was read again")
      let slow = try await service.post(
        #"{"statements": [{"sql": "select pg_sleep(9)"}]}"#, as: .reader)
      #expect(slow.status == 504)
      let large = Self.select + String(repeating: " ", count: 2000)
      #expect(try await service.post(large, as: .reader).status == 413)
      // A key that is gone.
      _ = try await reloadable.reload(writer, expecting: "was read again")
      #expect(try await service.post(Self.select, as: .reader).status == 401)
      let page = try await service.request("GET", "/metrics")
      #expect(page.status == 401)
    }
  }

  @Test func `a configuration that is broken changes nothing, and is named`() async throws {
    let good = "keys: {writer: {sha256: \(TestKey.writer.hash)}}"
    try await Self.withReloadable(good) { _, reloadable in
      let service = reloadable.service
      for (yaml, name) in [
        ("keys: {reader: {sha256: \(TestKey.reader.hash), rate: many}}", "keys.reader.rate in "),
        ("keys: {reader: {sha256: \(TestKey.reader.hash)}}\nlimits: {body: 8MB}", "limits.body in"),
        ("keys: {reader: {sha256: \(TestKey.reader.hash)}}\nlimit: 5", "limit in"),
        ("keys: [", "yaml"),
      ] {
        _ = try await reloadable.reload(yaml, expecting: "is broken, and nothing is changed")
        let lines = service.process.log.split(separator: "\n").filter { $0.contains("broken") }
        #expect(lines.last?.contains(name) == true, "\(lines)")
        #expect(try await service.post(Self.select, as: .writer).status == 200)
        #expect(try await service.post(Self.select, as: .reader).status == 401)
      }
      _ = try await reloadable.reload(good, expecting: "was read again")
    }
  }

  @Test func `tokens are verified by what is configured now`() async throws {
    let (old, new, hmac) = (
      try TestIssuer("ES256"), try TestIssuer("ES256"), try TestIssuer("HS256")
    )
    func status(_ issuer: TestIssuer, _ service: Service) async throws -> Int {
      let token = try issuer.token(TestIssuer.claims("ada"))
      return try await service.request(
        "POST", "/transactions", headers: [("Authorization", "Bearer \(token)")],
        body: Self.select
      ).status
    }
    func keySet(_ issuer: TestIssuer) throws -> String { #"{"keys": [\#(try issuer.jwk)]}"# }
    try await withFolder(["jwks.json": try keySet(old)]) { folder in
      let file = "\(folder)/jwks.json"
      let yaml = "jwt: {algorithm: ES256, jwks_file: \(file), allow_sql: true}"
      try await Self.withReloadable(yaml) { _, reloadable in
        let service = reloadable.service
        // One that is known already, too.
        let known = try old.token(TestIssuer.claims("bob"))
        let field = [(name: "Authorization", value: "Bearer \(known)")]
        let first = try await service.request(
          "POST", "/transactions", headers: field, body: Self.select)
        #expect(first.status == 200)
        #expect(try await status(new, service) == 401)

        try (try keySet(new)).write(toFile: file, atomically: true, encoding: .utf8)
        let told = try await reloadable.reload(yaml, expecting: "was read again")
        #expect(told.contains("changed=[jwt.jwks_file]"), "\(told)")
        #expect(try await status(new, service) == 200)
        #expect(try await status(old, service) == 401)
        let second = try await service.request(
          "POST", "/transactions", headers: field, body: Self.select)
        #expect(second.status == 401)

        try #"{"keys": []}"#.write(toFile: file, atomically: true, encoding: .utf8)
        _ = try await reloadable.reload(yaml, expecting: "is broken, and nothing is changed")
        #expect(try await status(new, service) == 200)

        let secret = "jwt: {algorithm: HS256, secret: '\(hmac.secret.replacing("'", with: "''"))'"
        let log = try await reloadable.reload(
          secret + ", allow_sql: true}", expecting: "was read again")
        #expect(log.contains("jwt.algorithm") && log.contains("jwt.secret"))
        #expect(!log.contains(hmac.secret))
        #expect(try await status(hmac, service) == 200)
        #expect(try await status(new, service) == 401)
        // What tokens may do changes as well.
        _ = try await reloadable.reload(secret + "}", expecting: "was read again")
        #expect(try await status(hmac, service) == 403)
      }
    }
  }

  @Test func `SIGHUP while the private PostgreSQL starts waits until the service is up`()
    async throws
  {
    let directory = "/tmp/transom-reload-\(UInt64.random(in: 0...UInt64.max))"
    let file = "\(directory).yaml"
    defer {
      try? FileManager.default.removeItem(atPath: directory)
      try? FileManager.default.removeItem(atPath: file)
    }
    try "limits: {body: 1KiB}".write(toFile: file, atomically: true, encoding: .utf8)
    let transom = try await TransomProcess.start([
      "serve", "--listen", "127.0.0.1:0", "--data-directory", directory, "--config", file,
    ])
    _ = try await transom.line(with: "starting a private PostgreSQL")
    try "limits: {body: 2MiB}".write(toFile: file, atomically: true, encoding: .utf8)
    transom.send(SIGHUP)
    let service = Service(process: transom, port: try await transom.listeningPort())
    let line = try await transom.line(with: "the configuration was read again")
    #expect(line.contains("changed=[limits.body]"))
    let large = Self.select + String(repeating: " ", count: 2000)
    #expect(try await service.post(large).status == 200)
    transom.terminate()
    #expect(try await transom.waitForExit() == 0)
  }

  @Test func `what takes a restart is said, and stays as it was`() async throws {
    try await Self.withReloadable("log: {level: info}") { db, reloadable in
      let service = reloadable.service
      let log = try await reloadable.reload(
        "log: {level: debug}\nshutdown: {limit_ms: 7}\ndatabases: {other: {url: \"host=none\"}}",
        expecting: "was read again")
      #expect(log.contains("changed=[log.level]"), "\(log)")
      let line = try await service.process.line(with: "take a restart")
      #expect(line.contains("settings=[databases.other, shutdown.limit_ms]"), "\(line)")
      #expect(
        try await service.post(#"{"database": "other", "statements": []}"#).status == 404)
      // Nothing of a password that has changed is told.
      let again = try await reloadable.reload("", expecting: "was read again")
      #expect(again.split(separator: "\n").last?.contains("changed=[log.level]") == true)
    }
  }

  @Test func `a pool grows and shrinks`() async throws {
    // Each of the loops has one connection at least.
    let loops = 2
    func pool(of size: Int) -> String {
      "loops: \(loops)\ndatabases: {default: {pool: {size: \(size), wait_ms: 100}}}"
    }
    try await Self.withReloadable(pool(of: 1)) { db, reloadable in
      let service = reloadable.service
      let sleep = #"{"statements": [{"sql": "select pg_sleep(3), 'pooled'"}]}"#
      /// Runs so many at a time, and tells how many of them got a connection.
      func runs(_ count: Int) async throws -> Int {
        try await withThrowingTaskGroup { group in
          for _ in 0..<count { group.addTask { try await service.post(sleep).status } }
          var succeeded = 0
          for try await status in group where status == 200 { succeeded += 1 }
          return succeeded
        }
      }
      #expect(try await runs(8) < 8)
      _ = try await reloadable.reload(pool(of: 40), expecting: "was read again")
      let health = try await service.request("GET", "/health")
      #expect(health.body["databases"]["default"]["pool"]["size"] == 40)
      try await eventually("all get a connection", within: .seconds(60)) {
        try await runs(8) == 8
      }
      _ = try await reloadable.reload(pool(of: 1), expecting: "was read again")
      try await eventually("connections are closed") {
        let counts = try await service.request("GET", "/health").body["databases"]["default"][
          "pool"]
        guard case .number(let idle) = counts["idle"], case .number(let leased) = counts["leased"]
        else { return false }
        return Int(idle + leased) <= loops
      }
    }
  }

  @Test func `reloads are counted`() async throws {
    try await Self.withReloadable("") { _, reloadable in
      _ = try await reloadable.reload("a: 1", expecting: "is broken")
      _ = try await reloadable.reload("", expecting: "was read again")
      let page = try await MetricsTests.page(reloadable.service)
      let name = "transom_configuration_reloads_total"
      #expect(page.value(name, ["result": "ok"]) == 1)
      #expect(page.value(name, ["result": "failed"]) == 1)
    }
  }
}
