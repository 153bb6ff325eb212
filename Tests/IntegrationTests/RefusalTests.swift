import FoundationEssentials
import TestSupport
import Testing

/// Requests that are answered without running anything.
@Suite(.timeLimit(.minutes(2))) struct RefusalTests {
  @Test func `a malformed body is a 400 with the byte where it breaks off`() async throws {
    try await withTable { service in
      let answer = try await service.post(#"{"statements": [}"#)
      expectRefusal(answer, 400, "malformed-json")
      #expect(answer.body["detail"].text?.hasSuffix("(at byte 16)") == true, "\(answer.body)")
    }
  }

  @Test func `an unknown field is a 400 with its pointer`() async throws {
    try await withTable { service in
      let answer = try await service.post(
        """
        {"statements": [{"sql": "insert into t values (1)"},
          {"savepoint": [{"sql": "select 1", "parameters": []}]}]}
        """)
      expectRefusal(answer, 400, "unknown-field")
      #expect(answer.body["pointer"] == "/statements/1/savepoint/0/parameters")
      #expect(answer.body["statement"] == "/statements/1/savepoint/0")
    }
  }

  @Test func `transaction control and COPY are refused in every disguise before anything runs`()
    async throws
  {
    let disguises = [
      ("commit", "transaction-control"),
      (#"/* a /* nested */ comment */\n-- and a line\n\t CoMmIt"#, "transaction-control"),
      (" ; ;rollback", "transaction-control"),
      ("END", "transaction-control"),
      ("start transaction", "transaction-control"),
      ("prepare transaction 'x'", "transaction-control"),
      ("savepoint s", "transaction-control"),
      ("copy t from stdin", "copy-not-supported"),
    ]
    try await withTable { service in
      for (sql, code) in disguises {
        let answer = try await service.post(
          #"{"statements": [{"sql": "insert into t values (1)"}, {"sql": "\#(sql)"}]}"#)
        expectRefusal(answer, 422, code)
        #expect(answer.body["pointer"] == "/statements/1/sql", "\(sql)")
      }
    }
  }

  @Test(arguments: ["text/plain", "application/x-www-form-urlencoded", "application/jsonp", ""])
  func `a body that is not declared as JSON is a 415`(_ type: String) async throws {
    try await withTable { service in
      let answer = try await service.request(
        "POST", "/transactions", headers: [("Content-Type", type)],
        body: #"{"statements": [{"sql": "insert into t values (1)"}]}"#)
      expectRefusal(answer, 415, "unsupported-media-type")
    }
  }

  @Test func `a path, a database and a method that are not there are told apart`() async throws {
    try await withTable { service in
      expectRefusal(try await service.request("GET", "/nowhere"), 404, "not-found")
      let unknown = try await service.post(
        #"{"database": "replica", "statements": [{"sql": "insert into t values (1)"}]}"#)
      expectRefusal(unknown, 404, "unknown-database")
      #expect(unknown.body["pointer"] == "/database")
      let get = try await service.request("GET", "/transactions")
      expectRefusal(get, 405, "method-not-allowed")
      #expect(get.response["Allow"] == "POST, OPTIONS")
      let post = try await service.request("POST", "/readyz", body: "{}")
      expectRefusal(post, 405, "method-not-allowed")
      #expect(post.response["Allow"] == "GET, HEAD, OPTIONS")
    }
  }

  @Test func `a body over the limit is a 413, and one at the limit runs`() async throws {
    try await withTable(environment: ["TRANSOM_LIMITS_BODY": "1024"]) { service in
      let text = #"{"statements": []}"#
      let atLimit = text + String(repeating: " ", count: 1024 - text.utf8.count)
      expectRefusal(try await service.post(atLimit + " "), 413, "body-too-large")
      #expect(try await service.post(atLimit).status == 200)
    }
  }

  @Test func `after any refusal the same connection serves the next request`() async throws {
    try await withTable { service in
      let client = try await service.connect()
      for body in ["", "[]", "{", "\u{1}", #"{"statements": 1}"#, #"{"statements": [{}]}"#] {
        let answer = try await client.post(body)
        #expect(answer.status == 400 && answer.outcome == "not_started", "\(body)")
      }
      #expect(try await client.post(#"{"statements": [{"sql": "select 1"}]}"#).status == 200)
    }
  }

  /// Serves a database with an empty table `t`, and sees that it is still empty afterwards.
  private func withTable(
    environment: [String: String] = [:], _ body: (Service) async throws -> Void
  ) async throws {
    try await withDatabase { db in
      try await db.query("create table t (id int)")
      try await withService(for: db.connectionString, environment: environment, body)
      #expect(try await db.query("select * from t") == [])
    }
  }

  private func expectRefusal(
    _ answer: Answer, _ status: Int, _ code: String, at place: SourceLocation = #_sourceLocation
  ) {
    let comment: Comment = "\(answer.response.text)"
    #expect(answer.status == status, comment, sourceLocation: place)
    #expect(answer.code == code, comment, sourceLocation: place)
    #expect(answer.outcome == "not_started", comment, sourceLocation: place)
    let type = answer.response["Content-Type"]
    #expect(type == "application/problem+json", comment, sourceLocation: place)
  }
}

@Suite(.timeLimit(.minutes(2))) struct ResourceTests {
  @Test(arguments: ["/livez", "/readyz", "/openapi.yaml", "/openapi.json", "/docs"])
  func `HEAD answers as GET does, without the body`(_ path: String) async throws {
    try await withDatabase { db in
      try await withService(for: db.connectionString) { service in
        let client = try await service.connect()
        let get = try await client.request("GET", path)
        let head = try await client.request("HEAD", path)
        #expect(get.status == 200 && head.status == 200)
        #expect(get["Content-Length"] == "\(get.body.count)")
        for field in ["Content-Length", "Content-Type"] { #expect(head[field] == get[field]) }
        // Had the HEAD a body, this answer would not be where it is.
        #expect(try await client.request("GET", path).body == get.body)
      }
    }
  }

  @Test func `the document served is the openapi.yaml at the top`() async throws {
    let top = #filePath.split(separator: "/").dropLast(3).joined(separator: "/")
    let file = try #require(FileManager.default.contents(atPath: "/\(top)/openapi.yaml"))
    try await withDatabase { db in
      try await withService(for: db.connectionString) { service in
        let answer = try await service.request("GET", "/openapi.yaml")
        #expect(answer.response.body == Array(file))
        #expect(answer.response["Content-Type"]?.hasPrefix("application/yaml") == true)
      }
    }
  }
}
