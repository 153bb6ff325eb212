import FoundationEssentials
import Glibc
import TestSupport
import Testing
import TransomCluster

/// `transom check` and `transom healthcheck`.
@Suite(.timeLimit(.minutes(2))) struct CheckTests {
  private func run(
    _ arguments: [String], _ environment: [String: String] = [:]
  ) async throws -> (status: Int32, text: String) {
    let process = try await TransomProcess.start(arguments, environment: environment)
    let status = try await process.waitForExit()
    return (status, process.log)
  }

  private func check(
    _ arguments: [String], _ environment: [String: String] = [:]
  ) async throws -> (status: Int32, text: String) {
    try await run(["check", "--listen", "127.0.0.1:0"] + arguments, environment)
  }

  /// A report without the breaks of its long lines.
  private static func unwrapped(_ text: String) -> String { text.replacing("\n    ", with: " ") }

  @Test func `a configuration that works is told so, with all that was tried`() async throws {
    try await withDatabase { db in
      let keys = TestKey.reader.environment(["READ_ONLY": "true", "RATE": "5"])
      let (status, text) = try await check(["--database-url", db.connectionString], keys)
      #expect(status == 0, "\(text)")
      let version = try #require(try await db.value("show server_version"))
      for part in [
        "✓ 127.0.0.1:0 is free", "✓ PostgreSQL \(version), a primary, answers in",
        "✓ the schema transom will be installed at the start",
        "✓ reader: databases default; read-only; 5 requests a second",
        "20 connections at most", "that are no defaults",
      ] {
        #expect(text.contains(part), "\(part) in \(text)")
      }
      // Nothing was changed.
      #expect(try await db.query("select from pg_namespace where nspname = 'transom'") == [])
    }
  }

  @Test(arguments: [
    "postgres://app:50%off@127.0.0.1/app", "host=127.0.0.1 password=my 50%off",
    "host=127.0.0.1 password='50%off", "host=127.0.0.1 password=my 50\"off",
    "postgres://app:50/off@127.0.0.1/app", "postgres://app:50@off@127.0.0.1/app",
  ])
  func `a password is not told with what is wrong about it`(_ url: String) async throws {
    let (status, text) = try await check(["--database-url", url])
    #expect(status != 0)
    #expect(!text.contains("off"), "\(text)")
  }

  @Test func `each thing that would not work is a problem, and the others are tried nevertheless`()
    async throws
  {
    try await withDatabase { db in
      let (status, text) = try await check(
        ["--database-url", db.connectionString, "--listen", "192.0.2.1:80", "--pool-size", "5000"],
        [
          "TRANSOM_DATABASES_REPORTS_URL": "postgres://127.0.0.1:1/none",
          "TRANSOM_DATABASES_MAYBE_URL": "postgres://127.0.0.1:1/none",
          "TRANSOM_DATABASES_MAYBE_REQUIRED": "false",
        ].merging(TestKey.reader.environment()) { $1 })
      #expect(status == 1)
      for part in [
        "✗ 192.0.2.1:80: bind", "Database reports\n  ✗ it cannot be used", "✓ PostgreSQL",
        "Database maybe\n  ! it cannot be used", "! 5004 connections at most", "2 problems,",
      ] {
        #expect(text.contains(part), "\(part) in \(text)")
      }
    }
  }

  @Test func `named transactions are prepared, and what is wrong with one is a problem`()
    async throws
  {
    try await withDatabase { db in
      try await db.query("create table account (id bigint, owner text)")
      let files = [
        "look.yaml":
          "params: {id: bigint}\nstatements: [{sql: select owner from account where id = :id}]",
        "tell.yaml": "statements: [{sql: \"select transom.emit('a', '{}')\"}]",
      ]
      try await withFolder(files) { folder in
        let arguments = ["--database-url", db.connectionString, "--transactions-folder", folder]
        let (status, wrapped) = try await check(arguments)
        let text = Self.unwrapped(wrapped)
        #expect(status == 0, "\(text)")
        #expect(text.contains("Named transactions\n"), "\(text)")
        #expect(text.contains("✓ look: prepared"), "\(text)")
        #expect(text.contains("! \(folder)/tell.yaml, line 1"), "\(text)")
        #expect(text.contains("it will be installed at the start"), "\(text)")

        let broken = """
          params: {id: text}
          statements:
            - {sql: "select owner from account where id = $1", params: [!param id]}
            - {sql: select nothing from account}
          """
        try broken.write(toFile: "\(folder)/broken.yaml", atomically: true, encoding: .utf8)
        let (again, wrappedAgain) = try await check(arguments)
        let report = Self.unwrapped(wrappedAgain)
        #expect(again == 1 && report.contains("2 problems"), "\(report)")
        #expect(report.contains("✗ \(folder)/broken.yaml, line 3"), "\(report)")
        #expect(report.contains("PostgreSQL takes $1 for bigint"), "\(report)")
        #expect(report.contains("✓ look: prepared"), "\(report)")

        let (down, warnings) = try await check([
          "--database-url", "postgres://127.0.0.1:1/none", "--transactions-folder", folder,
        ])
        #expect(down == 1 && warnings.contains("! look: it cannot be tried"), "\(warnings)")
      }
      // Nothing was run.
      #expect(try await db.query("select from pg_namespace where nspname = 'transom'") == [])
    }
  }

  @Test func `tokens are told with their keys, and a key that is none is a problem`() async throws {
    let issuer = try TestIssuer("ES256")
    // On no curve.
    let zero = String(repeating: "A", count: 43)
    let wrong = try issuer.jwk.replacing(/"y": "[^"]*"/, with: #""y": "\#(zero)""#)
    try await withDatabase { db in
      try await withFolder(["jwks.json": "", "wrong.json": #"{"keys": [\#(wrong)]}"#]) { folder in
        func check(_ keys: String, _ others: [String: String] = [:]) async throws -> (
          status: Int32, text: String
        ) {
          try keys.write(toFile: "\(folder)/jwks.json", atomically: true, encoding: .utf8)
          let (status, text) = try await self.check(
            ["--database-url", db.connectionString],
            [
              "TRANSOM_JWT_ALGORITHM": "ES256", "TRANSOM_JWT_JWKS_FILE": "\(folder)/jwks.json",
              "TRANSOM_JWT_ROLE_CLAIM": "role", "TRANSOM_JWT_ROLES": "web_*",
            ].merging(others) { $1 })
          return (status, Self.unwrapped(text))
        }
        let good = try await check(#"{"keys": [\#(try issuer.jwk)]}"#)
        #expect(good.status == 0, "\(good.text)")
        for part in [
          "Tokens\n", "✓ ES256, verified by the key k1", "✓ issuers: any; audiences: none",
          "✓ role: by the claim role, of web_*", "✓ databases default; reads and writes",
        ] {
          #expect(good.text.contains(part), "\(part) in \(good.text)")
        }
        let sql = try await check(
          #"{"keys": [\#(try issuer.jwk)]}"#, ["TRANSOM_JWT_ALLOW_SQL": "true"])
        #expect(sql.status == 0 && sql.text.contains("! whoever has a token may send SQL"))
        for (keys, part) in [
          (#"{"keys": [\#(wrong)]}"#, #"jwt.jwks_file: the key "k1" is none"#),
          (#"{"keys": [{"kty": "RSA", "kid": "old"}]}"#, #"no key for ES256; the key "old""#),
          ("{", "it is not JSON"),
        ] {
          let bad = try await check(keys)
          #expect(bad.status == 1 && bad.text.contains(part), "\(part) in \(bad.text)")
        }
        let missing = try await check("", ["TRANSOM_JWT_JWKS_FILE": "\(folder)/none.json"])
        #expect(missing.status == 1)
        #expect(missing.text.contains("none.json\"; allowed is a file that can be read"))
      }
    }
  }

  @Test func `a role that may not install the schema is told what to do`() async throws {
    try await withDatabase { db in
      let role = "\(db.name)_guest"
      try await db.query("create role \(role) login")
      let url = db.connectionString.replacing("user=postgres", with: "user=\(role)")
      let (status, text) = try await check(["--database-url", url])
      #expect(
        status == 0 && text.contains("! \(role) may not create the schema transom"), "\(text)")
      #expect(text.contains("transom migrate") && text.contains("1 warning."))
    }
  }

  @Test func `a setting that is broken is the report`() async throws {
    let (status, text) = try await check(["--pool-size", "none"])
    #expect(status == 1)
    #expect(text.contains("✗ --pool-size is \"none\"; allowed is a whole number"), "\(text)")
  }

  @Test func `an address that is in use is a warning, as the service itself may have it`()
    async throws
  {
    try await withDatabase { db in
      try await withService(for: db.connectionString) { service in
        let arguments = [
          "check", "--listen", "127.0.0.1:\(service.port)", "--database-url", db.connectionString,
        ]
        let (status, text) = try await run(arguments)
        #expect(status == 0 && text.contains("! 127.0.0.1:\(service.port) is in use"), "\(text)")
        #expect(text.contains("✓ the schema transom has version 2; 2 is needed"), "\(text)")
      }
    }
  }

  // MARK: transom healthcheck

  @Test func `healthcheck tells by its exit status whether the service is ready, or alive`()
    async throws
  {
    try await withCluster { cluster in
      try await withService(for: cluster.connectionString()) { service in
        let listen = ["healthcheck", "--listen", "127.0.0.1:\(service.port)"]
        let ready = try await run(listen)
        #expect(ready.status == 0 && ready.text == "127.0.0.1:\(service.port) is ready\n")
        // As a container has it, whose service may have its keys from elsewhere. Neither lets anybody in.
        let inside = ["TRANSOM_LISTEN": "0.0.0.0:\(service.port)"]
        let asked = try await run(["healthcheck"], inside)
        #expect(asked.status == 0, "\(asked.text)")
        let url = ["--database-url", cluster.connectionString()]
        let migrated = try await run(["migrate"] + url, inside)
        #expect(migrated.status == 0, "\(migrated.text)")
        let served = try await run(["serve"] + url, inside)
        #expect(served.status != 0 && served.text.contains("TRANSOM_LISTEN"), "\(served.text)")
        try await cluster.stop(mode: .immediate)
        let down = try await run(listen)
        #expect(down.status == 1 && down.text.contains("HTTP/1.1 503"), "\(down.text)")
        let live = try await run(listen + ["--live"])
        #expect(live.status == 0 && live.text.contains("is alive"), "\(live.text)")
      }
    }
  }

  @Test func `healthcheck asks over a Unix-domain socket, too`() async throws {
    try await withDatabase { db in
      let path = "/tmp/transom-check-\(UInt32.random(in: 0...UInt32.max))"
      try await withService(for: db.connectionString, ["--listen", "unix:\(path)"]) { _ in
        let answer = try await run(["healthcheck", "--listen", "unix:\(path)"])
        #expect(answer.status == 0, "\(answer.text)")
      }
    }
  }

  @Test(arguments: [
    (["--listen", "127.0.0.1:1"], "connect to 127.0.0.1:1"),
    (["--listen", "unix:/tmp/there-is-none"], "connect to unix:"),
    (["--listen", "127.0.0.1:0"], "any free port"), (["--timeout", "0"], "--timeout is from 1"),
  ]) func `healthcheck fails where nobody answers, and says why`(
    _ arguments: [String], _ message: String
  ) async throws {
    let (status, text) = try await run(["healthcheck"] + arguments)
    #expect(status != 0 && text.contains(message), "\(text)")
  }

  @Test func `healthcheck does not wait longer than it was told to`() async throws {
    // A listener that never answers.
    let script = """
      import socket, time
      s = socket.socket(); s.bind(("127.0.0.1", 0)); s.listen(); print(f"127.0.0.1:{s.getsockname()[1]}", flush=True)
      time.sleep(120)
      """
    let silent = try await TransomProcess.start(["-c", script], executable: "/usr/bin/python3")
    let address = try await silent.line(with: "127.0.0.1:")
    let (status, text) = try await run(["healthcheck", "--listen", address, "--timeout", "1"])
    #expect(status == 1 && text.contains("does not answer within"), "\(text)")
    silent.send(SIGKILL)
    _ = try await silent.waitForExit()
  }
}
