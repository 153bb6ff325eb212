import FoundationEssentials
import TestSupport
import Testing
import TransomCluster

/// README.md and docs/*.md: what they tell a newcomer to type is typed here.
@Suite(.timeLimit(.minutes(5))) struct DocumentTests {
  private static let documents: [String] = {
    let chapters = try? FileManager.default.contentsOfDirectory(
      atPath: "\(PythonEnvironment.root)/docs")
    return ["README.md"]
      + (chapters ?? []).filter { $0.hasSuffix(".md") }.sorted().map { "docs/\($0)" }
  }()

  private static let shell = documents.flatMap { MarkdownBlock.all(in: $0) }
    .filter { $0.language == "sh" }

  /// A shell in which programs that take long, change the machine or are not here say whether they would do what the
  /// document says: `make` knows the target, `transom serve` all settings. Everything else runs as it stands.
  private static let prelude = """
    set -eu
    make() { command make --directory "$TOP" --dry-run "$@" >/dev/null; }
    transom() {
      case $1 in
        serve) shift; "$TRANSOM" config "$@" >/dev/null ;;
        check|healthcheck) "$TRANSOM" help "$1" >/dev/null ;;
        *) "$TRANSOM" "$@" ;;
      esac
    }
    curl() { command curl --silent --show-error --fail-with-body "$@"; }
    docker() { docker_asks "$1"; }
    docker_asks() { case $1 in build|run) test -e "$TOP/Dockerfile" ;; compose) test -e "$TOP/compose.yaml" ;; *) false ;; esac; }
    apt() { test "$1" = install; }
    systemctl() { case $1 in daemon-reload) ;; enable) test -e "$TOP/deploy/systemd/$3" ;; *) false ;; esac; }
    systemd-sysusers() { test -e "$TOP/deploy/systemd/transom.sysusers"; }
    systemd-tmpfiles() { test -e "$TOP/deploy/systemd/transom.tmpfiles"; }
    SHA256=0

    """

  @Test func `every shell block of the documents does what it says, one after the other`()
    async throws
  {
    #expect(Self.shell.count >= 12)
    let receiverPort = try await Self.freePort()
    let folder = "/tmp/transom-documents-\(UInt64.random(in: 0...UInt64.max))"
    defer { try? FileManager.default.removeItem(atPath: folder) }
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    try await withDatabase { db in
      var arguments = ["--webhooks-allow-networks", "127.0.0.0/8"]
      let definition = try #require(Self.definition)
      try Data(definition.text.utf8).write(to: URL(filePath: folder + "/transfer.yaml"))
      arguments += ["--transactions-folder", folder]
      try await db.query(Self.accounts)
      try await withService(for: db.connectionString, arguments) { service in
        var receiver: TransomProcess?
        for block in Self.shell {
          let outcome = try await run(block, service, receiverPort)
          #expect(outcome.succeeded, "\(block.testDescription): \(outcome.text)")
          if block.text.contains("127.0.0.1:9000") {
            receiver = try await Self.receiver(for: outcome.output, on: receiverPort)
          }
        }
        // The README's own receiver has verified the event that the README's transaction has emitted.
        let line = try await #require(receiver).line(with: "account.created")
        #expect(line.contains("evt_") && line.contains("'source': 'web'"), "\(line)")
        receiver?.send(9)
      }
    }
  }

  /// The documents' named transaction.
  private static let definition = MarkdownBlock.all(in: "docs/named-transactions.md").first {
    $0.language == "yaml" && $0.text.contains("params:") && $0.text.contains("statements:")
  }

  /// What it works on; the README's first example makes the same table without the money.
  private static let accounts = """
    create table account (id serial primary key, owner text unique, cents int default 100);
    create table transfer (payer bigint, payee bigint, cents int, note text);
    insert into account (id, owner) values (2, 'bob')
    """

  /// Starts the README's receiver with the secret that an answer holds.
  private static func receiver(for answer: String, on port: Int) async throws -> TransomProcess {
    let secret = try #require(JSON(parsing: Array(answer.utf8))["secret"].text)
    let program = try program("python", with: "standardwebhooks", port: 0)
      .replacing(", 9000)", with: ", \(port))")
    let python = try PythonEnvironment.command("python", [])
    return try await TransomProcess.start(
      ["-c", program], environment: ["SECRET": secret], executable: python.executable)
  }

  /// One that nobody listened on a moment ago.
  private static func freePort() async throws -> Int {
    let script =
      "import socket; s = socket.socket(); s.bind(('127.0.0.1', 0)); print(s.getsockname()[1])"
    let output = try await Command("/usr/bin/python3", ["-c", script]).runChecked().output
    return try #require(Int(output.trimmingPrefix(while: \.isWhitespace).prefix(while: \.isNumber)))
  }

  private func run(
    _ block: MarkdownBlock, _ service: Service, _ receiverPort: Int
  ) async throws -> Command.Outcome {
    let text = block.text.replacing("127.0.0.1:8080", with: "127.0.0.1:\(service.port)")
      .replacing("127.0.0.1:9000", with: "127.0.0.1:\(receiverPort)")
      .replacing(".build/release/transom", with: "transom")
    var command = Command("/bin/bash", ["-c", Self.prelude + text])
    command.environment = [
      "TOP": PythonEnvironment.root, "TRANSOM": TransomProcess.executable, "HOME": "/tmp",
      "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1",
    ]
    return try await command.run()
  }

  private static func text(_ document: String) throws -> String {
    try String(contentsOfFile: "\(PythonEnvironment.root)/\(document)", encoding: .utf8)
  }

  /// What links within a document lead to, as GitHub names headings.
  private static func anchors(_ document: String) throws -> Set<String> {
    let headings = try text(document).split(separator: "\n").filter { $0.hasPrefix("#") }
    return Set(
      headings.map { heading in
        let title = heading.drop { $0 == "#" }.trimmingPrefix(" ").lowercased()
        return String(
          title.compactMap { character in
            if character == " " { return "-" }
            return character.isLetter || character.isNumber || "-_".contains(character)
              ? character : nil
          })
      })
  }

  @Test(arguments: documents + ["CONTRIBUTING.md"])
  func `every link within the checkout leads somewhere`(_ document: String) throws {
    let folder = document.split(separator: "/").dropLast().map { $0 + "/" }.joined()
    let links = try Self.text(document).matches(of: #/\]\((?!https?:)([^)#\s]*)(?:#([^)\s]+))?\)/#)
    for link in links {
      let path = link.output.1.isEmpty ? document : folder + link.output.1
      let place = URL(filePath: "\(PythonEnvironment.root)/\(path)").standardized.path
      #expect(FileManager.default.fileExists(atPath: place), "\(document): \(link.output.0)")
      if let anchor = link.output.2 {
        let target = String(place.dropFirst(PythonEnvironment.root.count + 1))
        #expect(
          try Self.anchors(target).contains(String(anchor)), "\(document): \(link.output.0)")
      }
    }
    #expect(document != "README.md" || links.count > 10)
  }

  /// The first program of the README in a language, for a service.
  private static func program(_ language: String, with text: String, port: Int) throws -> String {
    let block = MarkdownBlock.all(in: "README.md").first {
      $0.language == language && $0.text.contains(text)
    }
    return try #require(block, "the README has no example in \(language)").text
      .replacing("127.0.0.1:8080", with: "127.0.0.1:\(port)")
  }

  @Test(arguments: [
    ("python", "py", "/usr/bin/python3 $1"), ("js", "mjs", "node $1"), ("go", "go", "go run $1"),
    ("swift", "swift", "swiftc -swift-version 6 -o $1.out $1 && $1.out"),
  ])
  func `the README's client gets the rows`(
    _ language: String, _ suffix: String, _ script: String
  ) async throws {
    let folder = "/tmp/transom-readme-\(UInt64.random(in: 0...UInt64.max))"
    defer { try? FileManager.default.removeItem(atPath: folder) }
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    let tool = String(script.prefix { $0 != " " })
    guard try await Command("/bin/sh", ["-c", "command -v \(tool)"]).run().succeeded else {
      try Test.cancel("\(tool) is not on this machine")
    }
    try await withDatabase { db in
      try await db.query("create table account (id serial primary key, owner text unique)")
      try await db.query("insert into account (owner) values ('ada')")
      try await withService(for: db.connectionString) { service in
        // So that each is seen to tell of a failure, the second time the table is gone.
        let text = try Self.program(language, with: "/transactions", port: service.port)
        let file = "\(folder)/main.\(suffix)"
        try Data(text.utf8).write(to: URL(filePath: file))
        var command = Command("/bin/sh", ["-c", script, "sh", file])
        command.limit = .seconds(200)
        command.environment = [
          "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1", "HOME": folder, "GO111MODULE": "off",
          "GOFLAGS": "-buildvcs=false", "SWIFT_BACKTRACE": "enable=no",
        ]
        let first = try await command.run()
        #expect(first.succeeded, "\(first.text)")
        let rows = first.output.split(separator: "\n")
        #expect(rows.count == 2 && rows[0] == "1 ada", "\(first.output)")
        try await db.query("drop table account")
        let second = try await command.run()
        #expect(!second.succeeded)
        #expect(second.text.contains("outcome: rolled_back"), "\(second.text)")
      }
    }
  }
}
