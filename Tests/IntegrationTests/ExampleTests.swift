import FoundationEssentials
import Glibc
import TestSupport
import Testing
import TransomCluster

/// The first example of the README, which is the one that `transom serve` prints: run as it stands,
/// by programs that are not ours.
@Suite(.timeLimit(.minutes(2))) struct ExampleTests {
  /// Where these stand in PostgreSQL's source differs from one version to the next.
  private static let sourcePlace: Set<String> = ["file", "line", "routine"]

  private static let documented: JSON = [
    "status": "committed",
    "attempts": 1,
    "results": [
      ["command": "CREATE TABLE", "row_count": 0],
      [
        "id": "ada", "command": "INSERT", "row_count": 1,
        "columns": [["name": "id", "type": "int4"]], "rows": [["id": 1]],
      ],
      [
        "savepoint": "rolled_back",
        "error": [
          "type": "/problems/statement-failed",
          "title": "A statement failed",
          "status": 409,
          "detail": #"duplicate key value violates unique constraint "account_owner_key""#,
          "outcome": "rolled_back",
          "retryable": false,
          "statement": "/statements/2/savepoint/0",
          "sqlstate": "23505",
          "severity": "ERROR",
          "server_detail": "Key (owner)=(ada) already exists.",
          "schema": "public",
          "table": "account",
          "constraint": "account_owner_key",
        ],
        "results": [],
      ],
      [
        "command": "SELECT", "row_count": 1,
        "columns": [["name": "id", "type": "int4"], ["name": "owner", "type": "text"]],
        "rows": [["id": 1, "owner": "ada"]],
      ],
    ],
  ]

  @Test func `the curl command that a first start prints returns the documented answer`()
    async throws
  {
    let directory = "/tmp/transom-example-\(getpid())"
    defer { try? FileManager.default.removeItem(atPath: directory) }
    let arguments = ["serve", "--listen", "127.0.0.1:0", "--data-directory", directory]
    try await withTransom(arguments) { transom, port in
      _ = try await transom.line(with: "Stop with Ctrl-C")
      let command = try #require(transom.log.firstMatch(of: /curl http[^']+'[^']+'/)).output
      #expect(command.contains("127.0.0.1:\(port)/transactions"))
      let outcome = try await run("/bin/sh", ["-c", String(command) + " --silent --fail"])
      let answer = try JSON(parsing: Array(outcome.utf8))
      #expect(answer.without(Self.sourcePlace) == Self.documented)
    }
  }

  /// Docker gives root no CAP_SYS_PTRACE, without which it may not look at other accounts' processes.
  @Test(.enabled(if: geteuid() == 0))
  func `root of a container has a PostgreSQL of its own, too, and leaves none behind`() async throws
  {
    let directory = "/tmp/transom-example-root-\(getpid())"
    defer { try? FileManager.default.removeItem(atPath: directory) }
    for _ in 0..<2 {
      let transom = try await TransomProcess.start(
        [
          "--bounding-set=-sys_ptrace", "--inh-caps=-sys_ptrace", TransomProcess.executable,
          "serve", "--listen", "127.0.0.1:0", "--data-directory", directory,
        ], executable: "/usr/bin/setpriv")
      _ = try await transom.line(with: "Stop with Ctrl-C")
      transom.terminate()
      #expect(try await transom.waitForExit() == 0)
      let pidFile = "\(directory)/data/postmaster.pid"
      #expect(!FileManager.default.fileExists(atPath: pidFile))
    }
  }

  @Test func `where there are keys, the command that is printed has a place for one`() async throws
  {
    let directory = "/tmp/transom-example-key-\(getpid())"
    defer { try? FileManager.default.removeItem(atPath: directory) }
    let arguments = ["serve", "--listen", "127.0.0.1:0", "--data-directory", directory]
    let transom = try await TransomProcess.start(
      arguments, environment: TestKey.writer.environment())
    _ = try await transom.line(with: "Stop with Ctrl-C")
    #expect(transom.log.contains("with the key of writer for KEY"))
    let pattern = /curl http[^ ]+ -H 'Authorization: Bearer KEY' [^']+'[^']+'/
    let command = try #require(transom.log.firstMatch(of: pattern)).output
      .replacing("KEY", with: TestKey.writer.text)
    let answer = try await run("/bin/sh", ["-c", command + " --silent --fail"])
    #expect(try JSON(parsing: Array(answer.utf8)).without(Self.sourcePlace) == Self.documented)
    transom.terminate()
    #expect(try await transom.waitForExit() == 0)
  }

  @Test func `Python's requests gets the documented answer`() async throws {
    let script = """
      import requests, sys
      answer = requests.post(sys.argv[1] + "/transactions", json={"statements": [
        {"sql": "create table if not exists account (id serial primary key, owner text unique)"},
        {"id": "ada", "params": ["ada"], "sql":
          "insert into account (owner) values ($1) on conflict do nothing returning id"},
        {"on_error": "continue", "savepoint": [
          {"sql": "insert into account (owner) values ($1)", "params": ["ada"]}]},
        {"sql": "select * from account"}]})
      assert answer.status_code == 200, answer.text
      assert answer.headers["Content-Type"] == "application/json", answer.headers
      assert answer.json()["results"][1]["rows"] == [{"id": 1}], answer.text
      print(answer.text)
      """
    try await withDatabase { db in
      try await withService(for: db.connectionString) { service in
        let output = try await run(
          "/usr/bin/python3", ["-c", script, "http://127.0.0.1:\(service.port)"])
        let answer = try JSON(parsing: Array(output.utf8))
        #expect(answer.without(Self.sourcePlace) == Self.documented)
        #expect(try await db.query("select * from account") == [["1", "ada"]])
      }
    }
  }

  /// The shell command of the README that holds this text, for a service on this port, and the answer that
  /// stands below it.
  private static func example(
    with text: String, on port: Int
  ) throws -> (command: String, answer: JSON) {
    let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent()
    let readme = try String(contentsOf: root.appending(path: "README.md"), encoding: .utf8)
    let example = try #require(readme.split(separator: "```sh\n").first { $0.contains(text) })
    let command = try #require(example.split(separator: "```").first)
    let answer = try #require(
      example.split(separator: "```json\n").dropFirst().first?.split(separator: "```").first)
    return (
      command.split(separator: "\n").joined(separator: "\n")
        .replacing("127.0.0.1:8080", with: "127.0.0.1:\(port)"),
      try JSON(parsing: Array(answer.utf8))
    )
  }

  @Test func `the README's types return the answer that stands below them`() async throws {
    try await withDatabase { db in
      try await withService(for: db.connectionString) { service in
        let (command, documented) = try Self.example(with: "create type mood", on: service.port)
        let answer = try await run("/bin/sh", ["-c", command + " --silent --fail"])
        #expect(try JSON(parsing: Array(answer.utf8)) == documented)
      }
    }
  }

  @Test func `the README's transfer returns the answer that stands below it`() async throws {
    try await withDatabase { db in
      try await withService(for: db.connectionString) { service in
        let (command, documented) = try Self.example(with: "\"id\": \"debit\"", on: service.port)
        let answer = try await run("/bin/sh", ["-c", command + " --silent --fail"])
        #expect(try JSON(parsing: Array(answer.utf8)) == documented)
        let refused = try await run(
          "/bin/sh", ["-c", command.replacing("[30, ", with: "[300, ") + " --silent"])
        #expect(refused.contains("/problems/expectation-failed"), "\(refused)")
        #expect(refused.contains(#""outcome":"rolled_back""#), "\(refused)")
        #expect(try await db.query("select count(*) from log") == [["1"]])
      }
    }
  }

  @Test func `the README's stream has the lines that stand below it`() async throws {
    try await withDatabase { db in
      try await withService(for: db.connectionString) { service in
        let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
          .deletingLastPathComponent()
        let readme = try String(contentsOf: root.appending(path: "README.md"), encoding: .utf8)
        let example = try #require(
          readme.split(separator: "```sh\n").first {
            $0.prefix(200).contains("-H 'Accept: application/x-ndjson' --json")
          })
        let parts = example.split(separator: "```", omittingEmptySubsequences: false)
        let command = parts[0].replacing("127.0.0.1:8080", with: "127.0.0.1:\(service.port)")
        let answer = try await run(
          "/bin/sh",
          ["-c", command.split(separator: "\n").joined(separator: "\n") + " --silent --fail"])
        #expect(answer == parts[2].drop { $0.isNewline })
      }
    }
  }

  /// Runs a program to its end, past any proxy that the machine may have, and returns its output.
  private func run(_ executable: String, _ arguments: [String]) async throws -> String {
    var command = Command(executable, arguments)
    command.environment = ["NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"]
    return try await command.runChecked().output
  }
}
