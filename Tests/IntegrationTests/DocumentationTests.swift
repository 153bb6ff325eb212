import FoundationEssentials
import TestSupport
import Testing
import TransomCluster

/// What the service says of itself: openapi.yaml, the same as JSON, and the page made from it.
@Suite(.timeLimit(.minutes(4))) struct DocumentationTests {
  private static let root = PythonEnvironment.root

  @Test func `the document is valid OpenAPI`() async throws {
    let arguments = ["\(Self.root)/openapi.yaml"]
    let outcome = try await PythonEnvironment.command("openapi-spec-validator", arguments).run()
    #expect(outcome.succeeded, "\(outcome.text)")
  }

  @Test func `openapi_json says what openapi_yaml says`() async throws {
    let script = """
      import json, sys, yaml
      # Timestamps are strings in JSON, so let YAML have none; numbers are compared as they are written.
      class Loader(yaml.SafeLoader): pass
      Loader.yaml_implicit_resolvers = {first: [(tag, regex) for tag, regex in resolvers if not tag.endswith("timestamp")]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()}
      Loader.add_constructor("tag:yaml.org,2002:float", lambda loader, node: "number " + node.value)
      written = yaml.load(open(sys.argv[1]), Loader)
      served = json.loads(sys.stdin.read(), parse_float=lambda text: "number " + text)
      assert served == written
      assert json.dumps(served) == json.dumps(written), "the members are in another order"
      """
    try await withDatabase { db in
      try await withService(for: db.connectionString) { service in
        let answer = try await service.request("GET", "/openapi.json")
        #expect(answer.status == 200)
        #expect(answer.response["Content-Type"] == "application/json")
        let file = "/tmp/transom-openapi-\(service.port).json"
        defer { try? FileManager.default.removeItem(atPath: file) }
        try Data(answer.response.body).write(to: URL(filePath: file))
        let outcome = try await Command(
          "/bin/sh",
          [
            "-c", "/usr/bin/python3 -c \"$0\" \"$1\" <\"$2\"", script,
            "\(Self.root)/openapi.yaml", file,
          ]
        ).run()
        #expect(outcome.succeeded, "\(outcome.text)")
        // The second time it is there already.
        #expect(
          try await service.request("GET", "/openapi.json").response.body == answer.response.body)
      }
    }
  }

  @Test func `the page asks nobody else, and runs no other script than its own`() async throws {
    try await withDatabase { db in
      try await withService(for: db.connectionString) { service in
        let answer = try await service.request("GET", "/docs").response
        #expect(answer.status == 200)
        #expect(answer["Content-Type"] == "text/html; charset=utf-8")
        #expect(answer["X-Content-Type-Options"] == "nosniff")
        let policy = try #require(answer["Content-Security-Policy"])
        #expect(policy.hasPrefix("default-src 'none'; script-src 'sha256-"))
        #expect(policy.contains("connect-src 'self'") && policy.contains("frame-ancestors 'none'"))
        #expect(!policy.contains("unsafe"))
        let page = answer.text
        #expect(page.contains("<!doctype html>") && page.contains("</html>"))
        // Links for people may lead elsewhere; what a browser loads by itself may not, and there is no markup with code.
        #expect(
          !page.contains("//cdn")
            && page.firstMatch(of: /(src|@import|url\()\s*=?\s*["']?https?:/) == nil)
        #expect(page.firstMatch(of: /<[a-z]+[^>]*\son[a-z]+=/) == nil)
        #expect(!page.contains("innerHTML") && !page.contains("insertAdjacentHTML"))
        for (tag, directive) in [("style", "style-src"), ("script", "script-src")] {
          let pattern = try Regex(
            "<\(tag)[^>]*>((?s:.)*?)</\(tag)>", as: (Substring, Substring).self)
          let text = try #require(page.firstMatch(of: pattern)).output.1
          #expect(policy.contains("\(directive) 'sha256-\(try await Self.hash(String(text)))'"))
        }
      }
    }
  }

  /// By a program that is not ours.
  private static func hash(_ text: String) async throws -> String {
    let script = """
      import base64, hashlib, sys
      print(base64.b64encode(hashlib.sha256(sys.argv[1].encode()).digest()).decode(), end="")
      """
    return try await Command("/usr/bin/python3", ["-c", script, text]).runChecked().output
  }

  private static let note = """
    description: Notes something.
    params:
      owner: {type: text, description: Whose it is.}
      amounts: {type: "numeric[]", default: []}
      about: {type: jsonb, nullable: true, default: null}
    statements: [{sql: 'select :owner as owner, :amounts as amounts, :about as about'}]
    """

  @Test func `a client made by openapi-python-client calls every endpoint`() async throws {
    let schema = try String(
      contentsOf: URL(filePath: "\(Self.root)/Tests/OpenAPI/schema.sql"), encoding: .utf8)
    let folder = "/tmp/transom-client-\(UInt64.random(in: 0...UInt64.max))"
    defer { try? FileManager.default.removeItem(atPath: folder) }
    try FileManager.default.createDirectory(
      atPath: folder + "/transactions", withIntermediateDirectories: true)
    try Data(Self.note.utf8).write(to: URL(filePath: folder + "/transactions/note.yaml"))
    try await withDatabase { db in
      try await db.query(schema)
      let environment = TestKey.hooks.environment(["WEBHOOKS": "true", "MONITORING": "true"])
        .merging(
          [
            "TRANSOM_WEBHOOKS_ALLOW_NETWORKS": "127.0.0.0/8",
            "TRANSOM_WEBHOOKS_RETRY_SCHEDULE": "1h",
          ]
        ) { $1 }
      try await withService(
        for: db.connectionString, ["--transactions-folder", folder + "/transactions"],
        environment: environment
      ) { service in
        let url = "http://127.0.0.1:\(service.port)"
        let made = try await PythonEnvironment.command(
          "openapi-python-client",
          [
            "generate", "--url", url + "/openapi.json", "--output-path", folder + "/transom_client",
            "--meta", "none", "--config", "\(Self.root)/Tests/OpenAPI/client.yaml",
            "--fail-on-warning",
          ]
        ).run()
        // With a warning, a part of the document is not in the client.
        #expect(made.succeeded, "\(made.text)")
        let called = try await PythonEnvironment.command(
          "python", ["\(Self.root)/Tests/OpenAPI/client.py", url, TestKey.hooks.text, folder]
        ).run()
        #expect(called.succeeded, "\(called.text)")
      }
    }
  }
}
