import FoundationEssentials
import TestSupport
import Testing

/// JSON Web Tokens against the running service: who comes in, what their transactions know, and what they cannot do.
@Suite(.timeLimit(.minutes(3))) struct TokenAuthenticationTests {
  private static let files = [
    "who.yaml": """
    row_format: arrays
    statements:
      - sql: >-
          select current_user, current_setting('request.jwt.claims')::jsonb ->> 'sub',
            current_setting('request.jwt.claims')::jsonb -> 'n'
    """,
    "mine.yaml": "statements: [{sql: select id from note order by id}]",
    "add.yaml": """
    params: {text: text}
    statements: [{sql: "insert into note (owner, text) values (current_setting('request.jwt.claims')::jsonb ->> 'sub', :text) returning id"}]
    """,
    "after.yaml":
      "row_format: arrays\nstatements: [{sql: \"select current_user, current_setting('request.jwt.claims', true)\"}]",
    "other.yaml": "database: other\nstatements: []",
  ]

  private struct Fixture {
    let db: TestDatabase
    let service: Service
    let issuer: TestIssuer

    func token(_ subject: String, _ role: String = "user", _ others: String = "") throws -> String {
      let role = #""role": "\#(db.name)_\#(role)""#
      return try issuer.token(
        TestIssuer.claims(subject, others.isEmpty ? role : "\(role), \(others)"))
    }

    func run(
      _ path: String, _ token: String, _ body: String = "{}",
      headers: [(name: String, value: String)] = []
    ) async throws -> Answer {
      try await service.request(
        "POST", path, headers: [("Authorization", "Bearer \(token)")] + headers, body: body)
    }
  }

  private static func withTokens(
    _ algorithm: String = "ES256", _ settings: [String: String] = [:],
    _ arguments: [String] = ["--pool-size", "1", "--loops", "1"],
    _ body: (Fixture) async throws -> Void
  ) async throws {
    let issuer = try TestIssuer(algorithm)
    try await withDatabase { db in
      let app = "\(db.name)_app"
      let user = "\(db.name)_user"
      try await db.query(
        """
        create role \(app) login noinherit; create role \(user) role \(app); create role \(db.name)_admin role \(app);
        create table note (id serial, owner text, text text);
        alter table note enable row level security; grant all on note, note_id_seq to \(user);
        create policy own on note to \(user)
          using (owner = current_setting('request.jwt.claims')::jsonb ->> 'sub')
          with check (owner = current_setting('request.jwt.claims')::jsonb ->> 'sub');
        grant create on database \(db.name) to \(app); grant select on note to \(app)
        """)
      var environment = TestKey.writer.environment()
      environment["TRANSOM_JWT_ALGORITHM"] = algorithm
      environment["TRANSOM_JWT_ROLE_CLAIM"] = "role"
      environment["TRANSOM_JWT_ROLES"] = user
      environment["TRANSOM_DATABASES_OTHER_URL"] = db.connectionString
      for (name, value) in settings { environment["TRANSOM_JWT_\(name)"] = value }
      let files = files.merging(["jwks.json": #"{"keys": [\#(try issuer.jwk)]}"#]) { $1 }
      try await withFolder(files) { folder in
        if algorithm == "HS256" {
          environment["TRANSOM_JWT_SECRET"] = issuer.secret
        } else {
          environment["TRANSOM_JWT_JWKS_FILE"] = "\(folder)/jwks.json"
        }
        let url = db.connectionString.replacing("user=postgres", with: "user=\(app)")
        try await withService(
          for: url, ["--transactions-folder", folder] + arguments, environment: environment
        ) {
          try await body(Fixture(db: db, service: $0, issuer: issuer))
        }
      }
      try await db.query(
        "drop owned by \(app), \(user) cascade; drop role \(app), \(user), \(db.name)_admin")
    }
  }

  @Test(arguments: ["HS256", "RS256", "ES256"])
  func `a token's role and claims are those of its transaction, and of no other`(
    _ algorithm: String
  ) async throws {
    try await Self.withTokens(algorithm) { fixture in
      let user = JSON.string("\(fixture.db.name)_user")
      for (subject, number) in [("ada", 1), ("bob", 2), ("ada", 3)] {
        let token = try fixture.token(subject, "user", #""n": [\#(number)]"#)
        for _ in 0..<2 {
          let answer = try await fixture.run("/transactions/who", token)
          #expect(answer.status == 200, "\(answer.body)")
          #expect(
            answer.body["results"][0]["rows"][0] == [
              user, .string(subject), [.number(Double(number))],
            ])
        }
        // There is one connection, and nothing of them is left in it.
        let key = try await fixture.run("/transactions/after", TestKey.writer.text)
        let row = key.body["results"][0]["rows"][0]
        #expect(row[0] == .string("\(fixture.db.name)_app"), "\(key.body)")
        #expect(row[1] == nil || row[1] == "", "\(key.body)")
      }
      // Row level security by the claims.
      for subject in ["ada", "bob"] {
        let added = try await fixture.run(
          "/transactions/add", fixture.token(subject), #"{"params": {"text": "of \#(subject)"}}"#)
        #expect(added.status == 200, "\(added.body)")
        let mine = try await fixture.run("/transactions/mine", fixture.token(subject))
        #expect(
          mine.body["results"][0]["rows"] == [["id": added.body["results"][0]["rows"][0]["id"]]])
      }
    }
  }

  @Test func `a token without an allowed role does nothing`() async throws {
    try await Self.withTokens { fixture in
      for token in [
        try fixture.token("ada", "admin"), try fixture.token("ada", "app"),
        try fixture.issuer.token(TestIssuer.claims("ada")),
        try fixture.issuer.token(TestIssuer.claims("ada", #""role": "none""#)),
        try fixture.issuer.token(TestIssuer.claims("ada", #""role": "postgres""#)),
      ] {
        let answer = try await fixture.run("/transactions/who", token)
        #expect(answer.status == 403 && answer.outcome == "not_started", "\(answer.body)")
      }
    }
  }

  @Test func `a token sends no SQL, unless that is allowed; then it still names no role or claims`()
    async throws
  {
    let select = #"{"row_format": "arrays", "statements": [{"sql": "select current_user"}]}"#
    try await Self.withTokens { fixture in
      let token = try fixture.token("ada")
      let lines = [(name: "Accept", value: "application/x-ndjson")]
      let string = [(name: "Neon-Connection-String", value: "postgresql://a:b@c/default")]
      let answers = [
        try await fixture.run("/transactions", token, select),
        try await fixture.run("/transactions", token, select, headers: lines),
        try await fixture.run("/transactions/other", token),
        try await fixture.run(
          "/webhooks", token, #"{"url": "https://a.example/", "events": ["*"]}"#),
      ]
      for answer in answers { #expect(answer.status == 403, "\(answer.response.text)") }
      let neon = try await fixture.run("/sql", token, #"{"query": "select 1"}"#, headers: string)
      #expect(neon.status == 400 && neon.body["code"] == "42501", "\(neon.response.text)")
      let metrics = try await fixture.service.request(
        "GET", "/metrics", headers: [("Authorization", "Bearer \(token)")])
      #expect(metrics.status == 403)
    }
    try await Self.withTokens("HS256", ["ALLOW_SQL": "true"]) { fixture in
      let token = try fixture.token("ada")
      let answer = try await fixture.run("/transactions", token, select)
      #expect(answer.body["results"][0]["rows"] == [[.string("\(fixture.db.name)_user")]])
      for fields in [
        #""role": "\#(fixture.db.name)_admin""#, #""role": "\#(fixture.db.name)_user""#,
        #""settings": {"request.jwt.claims": "{}"}"#, #""settings": {"ROLE": "none"}"#,
      ] {
        let answer = try await fixture.run(
          "/transactions", token, #"{\#(fields), "statements": []}"#)
        #expect(answer.status == 403, "\(fields): \(answer.body)")
      }
    }
  }

  @Test func `a bad token is a 401 that takes its time, and a line in the log without it`()
    async throws
  {
    try await Self.withTokens("HS256", ["AUDIENCE": "transom"]) { fixture in
      let good = try fixture.issuer.token(
        TestIssuer.claims("ada", #""aud": "transom", "role": "\#(fixture.db.name)_user""#))
      #expect(try await fixture.run("/transactions/who", good).status == 200)
      let parts = good.split(separator: ".").map(String.init)
      let none = TestIssuer.base64(#"{"alg": "none"}"#.utf8)
      let bad = [
        try TestIssuer("HS256").token(TestIssuer.claims("ada", #""aud": "transom""#)),
        try fixture.issuer.token(TestIssuer.claims("ada", #""aud": "transom""#, validFor: -100)),
        try fixture.issuer.token(TestIssuer.claims("ada")), "\(none).\(parts[1]).",
        "\(parts[0]).\(parts[1]).\(parts[2].dropLast(4))AAAA", "a.b.c", "..",
        try fixture.issuer.token(
          TestIssuer.claims("ada"), header: #"{"alg": "HS512", "kid": "k1"}"#),
      ]
      for token in bad {
        let started = ContinuousClock.now
        let answer = try await fixture.run("/transactions/who", token)
        #expect(answer.status == 401 && answer.code == "unauthenticated", "\(token)")
        #expect(answer.response["WWW-Authenticate"] == "Bearer")
        #expect(.now - started >= .milliseconds(450))
      }
      let log = fixture.service.process.log
      #expect(log.contains("authentication failed") && log.contains("client=127.0.0.1"), "\(log)")
      for part in bad.flatMap({ $0.split(separator: ".") }) where part.count > 4 {
        #expect(!log.contains(part))
      }
      #expect(!log.contains(fixture.issuer.secret))
    }
  }

  @Test func `limits and Idempotency-Keys are those of each subject`() async throws {
    try await Self.withTokens("ES256", ["RATE": "1", "BURST": "3"]) { fixture in
      let key = [(name: "Idempotency-Key", value: "same")]
      var ids: Set<Double> = []
      for subject in ["ada", "bob"] {
        for isReplay in [false, true] {
          let answer = try await fixture.run(
            "/transactions/add", fixture.token(subject, "user", #""jti": "\#(isReplay)""#),
            #"{"params": {"text": "x"}}"#, headers: key)
          #expect(answer.status == 200, "\(answer.body)")
          #expect((answer.response["Idempotency-Replayed"] == "true") == isReplay)
          if case .number(let id) = answer.body["results"][0]["rows"][0]["id"] { ids.insert(id) }
        }
      }
      #expect(ids.count == 2)
      var refused: Answer?
      for number in 0..<10 where refused == nil {
        let answer = try await fixture.run(
          "/transactions/who", fixture.token("ada", "user", #""jti": \#(number)"#))
        if answer.status != 200 { refused = answer }
      }
      #expect(refused?.status == 429 && refused?.response["Retry-After"] != nil)
      #expect(try await fixture.run("/transactions/who", fixture.token("bob")).status == 200)
    }
  }

  @Test func `who is refused does not have the body read, be it large`() async throws {
    try await Self.withTokens { fixture in
      let bad = "Authorization: Bearer a.b.c\r\n"
      let good = "Authorization: Bearer \(try fixture.token("ada"))\r\n"
      let neon = "Neon-Connection-String: postgresql://a:b@c/default\r\n"
      for (path, fields, status) in [
        ("/transactions", bad, 401), ("/transactions", "", 401), ("/transactions/who", bad, 401),
        ("/webhooks", bad, 401), ("/sql", bad + neon, 400), ("/sql", neon, 400),
        ("/transactions", good, 403), ("/nothing", good, 404), ("/livez", "", 405),
      ] {
        for length in ["Content-Length: 8000000", "Content-Length: 10\r\nExpect: 100-continue"] {
          let client = try await fixture.service.connect()
          try await client.send(
            "POST \(path) HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\(fields)\(length)\r\n\r\n"
          )
          // Nothing of the body is ever sent.
          let response = try await client.response()
          #expect(response.status == status, "\(path) \(fields) \(length)")
          #expect(response["Connection"] == "close")
          await client.close()
        }
      }
      // Nor where everybody is let in, and nobody looks at a body.
      for (line, status) in [
        ("GET /livez", 200), ("GET /readyz", 200), ("GET /health", 200), ("GET /openapi.yaml", 200),
        ("GET /docs", 200), ("OPTIONS /transactions", 204), ("GET /metrics", 401),
      ] {
        let client = try await fixture.service.connect()
        try await client.send(
          "\(line) HTTP/1.1\r\nHost: localhost\r\nContent-Length: 8000000\r\n\r\n")
        let response = try await client.response()
        #expect(response.status == status && response["Connection"] == "close", "\(line)")
        await client.close()
      }
      // Whoever is let in has the body read.
      let client = try await fixture.service.connect()
      let padding = String(repeating: " ", count: 200_000)
      try await client.send(
        "POST /transactions/who HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\(good)"
          + "Content-Length: 200002\r\nExpect: 100-continue\r\n\r\n")
      try await client.send("{" + padding + "}")
      #expect(try await client.response().status == 200)
      await client.close()
    }
  }

  @Test func `a flood of failures is held back up to a number, and others are served meanwhile`()
    async throws
  {
    try await Self.withTokens("ES256", [:], []) { fixture in
      let good = try fixture.token("ada")
      let before = try await fixture.run("/transactions/who", good)
      #expect(before.status == 200)
      try await withThrowingTaskGroup(of: (Int, Duration).self) { tasks in
        for _ in 0..<1500 {
          tasks.addTask {
            let client = try await fixture.service.connect()
            let started = ContinuousClock.now
            let response = try await client.request(
              "POST", "/transactions", headers: [("Authorization", "Bearer a.b.c")], body: "{}")
            await client.close()
            return (response.status, .now - started)
          }
        }
        for _ in 0..<10 {
          #expect(try await fixture.run("/transactions/who", good).status == 200)
        }
        for try await (status, _) in tasks { #expect(status == 401) }
      }
      // Few lines, the next of which tells how many there were.
      try await eventually("a line tells of the others") {
        _ = try await fixture.run("/transactions/who", "a.b.c")
        return fixture.service.process.log.contains("unnoted_before")
      }
      let lines = fixture.service.process.log.split(separator: "\n")
        .filter { $0.contains("authentication failed") }
      #expect(lines.count < 100, "\(lines.count)")
    }
  }

  @Test func `settings that do not belong together are errors at start`() async throws {
    try await withFolder(["jwks.json": #"{"keys": [\#(try TestIssuer("ES256").jwk)]}"#]) { folder in
      let secret = ("SECRET", String(repeating: "s", count: 32))
      let keys = ("JWKS_FILE", "\(folder)/jwks.json")
      for (settings, expected) in [
        ([secret], "jwt.algorithm is missing"), ([("ALGORITHM", "HS256")], "jwt.secret is missing"),
        ([("ALGORITHM", "ES256"), secret], "jwt.secret is set; ES256 takes jwt.jwks_file"),
        ([("ALGORITHM", "HS256"), keys], "jwt.jwks_file is set; HS256 takes jwt.secret"),
        ([("ALGORITHM", "RS256"), keys], "it holds no key for RS256"),
        ([("ALGORITHM", "ES256")], "jwt.jwks_file is missing"),
        ([("ALGORITHM", "ES256"), keys, ("ROLES", "a")], "jwt.role_claim is missing"),
        ([("ALGORITHM", "ES256"), keys, ("ROLE_CLAIM", "a")], "jwt.roles is missing"),
        ([("ALGORITHM", "ES256"), keys, ("BURST", "7")], "jwt.burst is set"),
        ([("ALGORITHM", "ES256"), keys, ("DATABASES", "b")], "jwt.databases is \"b\""),
        ([("ALGORITHM", "ES256"), keys, ("TRANSACTIONS", "b")], "jwt.transactions is \"b\""),
        ([("ALGORITHM", "none")], "TRANSOM_JWT_ALGORITHM is \"none\"; allowed is HS256"),
      ] {
        var environment: [String: String] = [:]
        for (name, value) in settings { environment["TRANSOM_JWT_\(name)"] = value }
        let transom = try await TransomProcess.start(
          ["config", "--database-url", "postgres:///x"], environment: environment)
        let status = try await transom.waitForExit()
        #expect(status != 0 && transom.log.contains(expected), "\(settings): \(transom.log)")
      }
    }
  }
}
