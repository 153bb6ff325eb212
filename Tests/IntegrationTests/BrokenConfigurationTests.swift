import FoundationEssentials
import TestSupport
import Testing
import TransomCluster

/// Every field of a configuration, broken one at a time in a file that the real executable reads.
@Suite(.timeLimit(.minutes(5))) struct BrokenConfigurationTests {
  /// A database, a key and tokens, so that their fields are there, too.
  private static let beside = """
    databases: {default: {url: "postgres:///a"}, other: {url: "postgres:///b"}}
    keys: {web: {sha256: "\(TestKey.writer.hash)", rate: 5, burst: 5, concurrency: 5}}
    jwt: {algorithm: HS256, secret: "0123456789abcdef0123456789abcdef"}
    webhooks: {secret_keys: ["AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="]}
    data_directory: /tmp/x
    tracing: {endpoint: "http://127.0.0.1:4318"}
    """

  /// What `transom config` makes of a file: its standard output and error.
  private static func configuration(_ yaml: String) async throws -> Command.Outcome {
    let file = "/tmp/transom-broken-\(UInt64.random(in: 0...UInt64.max)).yaml"
    defer { try? FileManager.default.removeItem(atPath: file) }
    try yaml.write(toFile: file, atomically: true, encoding: .utf8)
    var command = Command(TransomProcess.executable, ["config", "--config", file])
    command.environment = ["PATH": "/usr/bin:/bin"]
    return try await command.run()
  }

  /// The paths of all fields that the configuration has, as it is printed.
  private static func fields() async throws -> [[String]] {
    let printed = try await configuration(beside)
    #expect(printed.succeeded, "\(printed.text)")
    let script = """
      import json, sys, yaml
      def leaves(value, path):
        if isinstance(value, dict) and value:
          for name, one in value.items(): yield from leaves(one, path + [name])
        else: yield path
      print(json.dumps(list(leaves(yaml.safe_load(sys.argv[1]), []))))
      """
    let output = try await Command("/usr/bin/python3", ["-c", script, printed.output]).runChecked()
      .output
    return try JSONDecoder().decode([[String]].self, from: Data(output.utf8))
  }

  /// The file with another value, in flow style, at a path.
  private static func file(_ path: [String], _ value: String) async throws -> String {
    let script = """
      import json, sys, yaml
      whole, path, value = yaml.safe_load(sys.argv[1]), json.loads(sys.argv[2]), yaml.safe_load(sys.argv[3])
      place = whole
      for name in path[:-1]: place = place.setdefault(name, {})
      place[path[-1]] = value
      print(yaml.safe_dump(whole, allow_unicode=True))
      """
    let names = String(decoding: try JSONEncoder().encode(path), as: UTF8.self)
    return try await Command("/usr/bin/python3", ["-c", script, beside, names, value]).runChecked()
      .output
  }

  /// Fields that take any text, and so cannot be broken by one.
  private static func takesAnyText(_ path: [String]) -> Bool {
    path == ["data_directory"] || path == ["tracing", "service_name"]
      || path[0] == "keys" && ["roles", "settings"].contains(path[2])
      || path[0] == "jwt" && ["issuer", "audience", "role_claim", "settings"].contains(path[1])
  }

  @Test func `a configuration with any one field broken gives an error that names it`()
    async throws
  {
    let fields = try await Self.fields()
    #expect(fields.count > 60, "\(fields)")
    try await withThrowingTaskGroup(of: Void.self) { group in
      for (number, path) in fields.enumerated() {
        // A few at a time.
        if number >= 6 { try await group.next() }
        group.addTask {
          let name = path.joined(separator: ".")
          // A mapping, and a text that means nothing, where a value belongs; and a name with a slip in it.
          for (value, path) in [
            ("{x: 1}", path), ("☠", path), ("1", path.dropLast() + [(path.last ?? "") + "x"]),
          ] where value != "☠" || !Self.takesAnyText(path) {
            let outcome = try await Self.configuration(try await Self.file(path, value))
            #expect(!outcome.succeeded, "\(name): \(value) is taken")
            #expect(outcome.text.contains(name), "\(name): \(outcome.text)")
          }
        }
      }
      try await group.waitForAll()
    }
  }
}
