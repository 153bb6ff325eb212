import FoundationEssentials
import TestSupport
import Testing

/// What browsers, caches and proxies ask of a service.
@Suite(.timeLimit(.minutes(2))) struct EdgeTests {
  private static let page = "https://app.example.org"
  private static let select = #"{"statements": [{"sql": "select 1 as one"}]}"#

  @Test func `OPTIONS tells the methods of a path, and of the service`() async throws {
    try await withService(for: "postgresql:///none") { service in
      for (path, methods) in [
        ("/transactions", "POST, OPTIONS"), ("/livez", "GET, HEAD, OPTIONS"),
        ("/openapi.yaml", "GET, HEAD, OPTIONS"), ("/docs", "GET, HEAD, OPTIONS"),
        ("/openapi.json", "GET, HEAD, OPTIONS"), ("*", "GET, HEAD, OPTIONS, POST, PATCH, DELETE"),
      ] {
        let answer = try await service.request("OPTIONS", path)
        #expect(answer.status == 204, "\(path)")
        #expect(answer.response["Allow"] == methods, "\(path)")
        #expect(answer.response["Access-Control-Allow-Methods"] == nil)
      }
      #expect(try await service.request("OPTIONS", "/nowhere").status == 404)
    }
  }

  @Test func `a page that is allowed may ask, send and read; another one may not`() async throws {
    try await withDatabase { db in
      try await withService(
        for: db.connectionString, environment: ["TRANSOM_CORS_ORIGINS": "\(Self.page), http://b:81"]
      ) { service in
        for (origin, isAllowed) in [
          (Self.page, true), ("http://b:81", true), ("http://b", false), ("null", false),
          ("https://app.example.org.evil.org", false), ("HTTPS://APP.EXAMPLE.ORG", false),
        ] {
          let preflight = try await service.request(
            "OPTIONS", "/transactions",
            headers: [("Origin", origin), ("Access-Control-Request-Method", "POST")])
          #expect(preflight.status == 204)
          let methods = preflight.response["Access-Control-Allow-Methods"]
          #expect((methods == "POST, OPTIONS") == isAllowed, "\(origin)")
          let headers = preflight.response["Access-Control-Allow-Headers"]
          #expect((headers?.contains("Content-Type") == true) == isAllowed, "\(origin)")
          // Errors can be read, too.
          for body in [Self.select, "{"] {
            let answer = try await service.request(
              "POST", "/transactions", headers: [("Origin", origin)], body: body)
            #expect(answer.status == (body == "{" ? 400 : 200))
            #expect(answer.response["Vary"] == "Origin")
            #expect((answer.response["Access-Control-Allow-Origin"] == origin) == isAllowed)
            let exposed = answer.response["Access-Control-Expose-Headers"]
            #expect((exposed?.contains("X-Request-Id") == true) == isAllowed)
          }
        }
        let plain = try await service.post(Self.select)
        #expect(plain.response["Vary"] == "Origin")
        #expect(plain.response["Access-Control-Allow-Origin"] == nil)
      }
    }
  }

  @Test func `with a star every page may, and without a setting none`() async throws {
    try await withService(for: "postgresql:///none", ["--cors-origins", "*"]) { service in
      let answer = try await service.request("GET", "/livez", headers: [("Origin", "http://x")])
      #expect(answer.response["Access-Control-Allow-Origin"] == "*")
      #expect(answer.response["Vary"] == nil)
    }
    try await withService(for: "postgresql:///none") { service in
      let answer = try await service.request("GET", "/livez", headers: [("Origin", "http://x")])
      #expect(answer.response["Access-Control-Allow-Origin"] == nil)
    }
  }

  @Test(arguments: [
    ("Content-Length: 2000", 413), ("Content-Length: x", 400), ("Expect: x", 417),
    ("Bad Field", 400),
  ])
  func `a page may read why its request was refused, where it is known whose it is`(
    _ field: String, _ status: Int
  ) async throws {
    try await withService(
      for: "postgresql:///none", ["--cors-origins", Self.page, "--limits-body", "1024"]
    ) { service in
      let origin = "Origin: \(Self.page)"
      for (fields, isKnown) in [([origin, field], true), ([field, origin], status == 413)] {
        let client = try await service.connect()
        try await client.send(
          "POST /transactions HTTP/1.1\r\nHost: localhost\r\nX-Request-Id: mine\r\n"
            + fields.map { "\($0)\r\n" }.joined() + "\r\n")
        let answer = try await client.response()
        #expect(answer.status == status)
        #expect(answer["Vary"] == "Origin")
        #expect(answer["X-Request-Id"] == "mine")
        #expect((answer["Access-Control-Allow-Origin"] == Self.page) == isKnown)
      }
    }
  }

  @Test func `a page whose own name leads to this machine gets nothing`() async throws {
    try await withDatabase { db in
      try await db.query("create table t (id int)")
      try await withService(for: db.connectionString) { service in
        let insert = #"{"statements": [{"sql": "insert into t values (1)"}]}"#
        func post(_ target: String, host: String) async throws -> Answer {
          let client = try await service.connect()
          try await client.send(
            "POST \(target) HTTP/1.1\r\nHost: \(host)\r\nOrigin: http://\(host)\r\n"
              + "Content-Type: application/json\r\nContent-Length: \(insert.utf8.count)\r\n\r\n\(insert)"
          )
          return try Answer(try await client.response())
        }
        for (target, host) in [
          ("/transactions", "evil.example:\(service.port)"),
          ("http://evil.example/transactions", "localhost"),
        ] {
          let answer = try await post(target, host: host)
          #expect(answer.status == 421 && answer.code == "misdirected-request")
          #expect(answer.outcome == "not_started")
        }
        #expect(try await db.query("select * from t") == [])
        // Whoever checks the health may call the service as they like.
        let client = try await service.connect()
        try await client.send("GET /livez HTTP/1.1\r\nHost: evil.example\r\n\r\n")
        #expect(try await client.response().status == 200)
        #expect(try await post("http://localhost/transactions", host: "evil.example").status == 200)
      }
      for names in [["api.example.org", ".example.net"], ["*"]] {
        let arguments = names.flatMap { ["--allowed-hosts", $0] }
        try await withService(for: db.connectionString, arguments) { service in
          for (host, isAllowed) in [
            ("api.example.org", true), ("x.example.net", true), ("evil.example", names == ["*"]),
          ] {
            let client = try await service.connect()
            try await client.send("GET /openapi.yaml HTTP/1.1\r\nHost: \(host)\r\n\r\n")
            #expect(try await client.response().status == (isAllowed ? 200 : 421), "\(host)")
          }
        }
      }
    }
  }

  @Test func `an encoded body is a 415 that says what is taken, and nothing runs`() async throws {
    try await withDatabase { db in
      try await db.query("create table t (id int)")
      try await withService(for: db.connectionString) { service in
        for coding in ["gzip", "br", "identity, gzip"] {
          let answer = try await service.request(
            "POST", "/transactions", headers: [("Content-Encoding", coding)],
            body: #"{"statements": [{"sql": "insert into t values (1)"}]}"#)
          #expect(answer.status == 415 && answer.code == "unsupported-content-coding")
          #expect(answer.outcome == "not_started")
          #expect(answer.response["Accept-Encoding"] == "identity")
        }
        let plain = try await service.request(
          "POST", "/transactions", headers: [("Content-Encoding", "identity")], body: Self.select)
        #expect(plain.status == 200)
      }
      #expect(try await db.query("select * from t") == [])
    }
  }

  @Test func `a large answer is compressed for curl, and the same as without`() async throws {
    try await withDatabase { db in
      try await withService(for: db.connectionString, ["--compress-from", "500"]) { service in
        let sql = #"{"statements": [{"sql": "select g from generate_series(1, 2000) g"}]}"#
        func curl(_ arguments: [String]) async throws -> String {
          let curl = try await TransomProcess.start(
            ["-s", "http://127.0.0.1:\(service.port)/transactions", "--json", sql] + arguments,
            executable: "/usr/bin/curl")
          #expect(try await curl.waitForExit() == 0)
          return curl.log
        }
        let plain = try await curl([])
        let unpacked = try await curl(["--compressed"])
        #expect(unpacked == plain && plain.contains(#"{"g":2000}"#))
        let sizes = try await curl(["-o", "/dev/null", "-w", "%{size_download}", "--compressed"])
        let size = try #require(Int(sizes))
        #expect(size < plain.utf8.count / 2)
        let headers = try await curl(["-o", "/dev/null", "-D", "-", "--compressed"])
        #expect(headers.contains("Content-Encoding: gzip"))
        #expect(headers.contains("Vary: Accept-Encoding"))
      }
    }
  }
}
