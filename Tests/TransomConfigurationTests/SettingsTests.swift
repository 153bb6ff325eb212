import Testing
import TransomService

@testable import TransomConfiguration

struct SettingsTests {
  /// What a database and a key need beside the setting that a test is about.
  private static let beside = [
    "TRANSOM_DATABASES_B_URL": "postgres:///b",
    "TRANSOM_KEYS_WEB_SHA256": String(repeating: "cd", count: 32),
    "TRANSOM_KEYS_WEB_RATE": "9", "TRANSOM_KEYS_WEB_DATABASES": "b",
    "DATABASE_URL": "postgres:///a",
  ]

  private static let samples =
    Sample.general + Sample.tokens + Sample.tracing
    + Sample.database.map { $0.below("databases", "b") }
    + Sample.key.map { $0.below("keys", "web") }

  private func load(
    _ arguments: [String] = [], _ environment: [String: String] = [:], yaml: String? = nil
  ) throws(SettingError) -> LoadedSettings {
    var file: YAMLSettings?
    if let yaml { file = try YAMLSettings(yaml: yaml, file: "t.yaml") }
    return try Settings.decode(
      FlagArguments(arguments, shapes: Settings.flagShapes), environment, file)
  }

  private func error(
    _ arguments: [String] = [], _ environment: [String: String] = [:], yaml: String? = nil
  ) -> String {
    do {
      _ = try load(arguments, environment, yaml: yaml)
      return "no error"
    } catch {
      return error.description
    }
  }

  /// The line of a setting, without its indentation.
  private func line(of sample: Sample, in yaml: String) -> String? {
    var depth = 0
    for line in yaml.split(separator: "\n") {
      let indent = line.prefix { $0 == " " }.count / 2
      let text = line.drop { $0 == " " }
      guard indent == depth, text.hasPrefix("\(sample.path[depth]):") else { continue }
      depth += 1
      if depth == sample.path.count { return String(text) }
    }
    return nil
  }

  @Test func `the samples go through all settings`() {
    let samples = Sample.general + Sample.tokens + Sample.tracing
    #expect(samples.map(\.path) == Catalogue.all.map(\.path))
    #expect(Sample.database.map(\.path) == Catalogue.database.map(\.path))
    #expect(Sample.key.map(\.path) == Catalogue.key.map(\.path))
  }

  @Test(arguments: samples) func `each setting is taken from a file, a variable and a flag`(
    _ sample: Sample
  ) throws {
    var beside = Self.beside.merging(sample.beside) { $1 }
    beside[sample.variable] = nil
    let value = sample.isList ? "[" : ""
    var ways: [(LoadedSettings, String)] = [
      (try load([], beside, yaml: sample.yaml(sample.good)), "t.yaml, line 1"),
      (try load([], beside.merging([sample.variable: sample.good]) { $1 }), sample.variable),
    ]
    if Settings.flagShapes[sample.flag] != nil {
      ways.append((try load(["--\(sample.flag)=\(sample.good)"], beside), "--\(sample.flag)"))
    }
    for (loaded, source) in ways {
      let found = line(of: sample, in: loaded.yaml)
      let line = try #require(found, "\(loaded.yaml)")
      #expect(line.contains(sample.shown), "\(line)")
      #expect(line.contains(": \(value)") && line.hasSuffix("# \(source)"), "\(line)")
    }
    let secret = sample.isSecret
    #expect(secret == (sample.good != sample.shown && sample.shown.contains("***")))
  }

  @Test(arguments: samples) func `each setting that is broken is named, with its source`(
    _ sample: Sample
  ) {
    var beside = Self.beside.merging(sample.beside) { $1 }
    beside[sample.variable] = nil
    let isSecret = sample.isSecret
    let file = error([], beside, yaml: "\n" + sample.yaml(sample.bad))
    #expect(file.hasPrefix(sample.testDescription), "\(file)")
    #expect(file.contains("t.yaml, line 2"), "\(file)")
    let variable = error([], beside.merging([sample.variable: sample.bad]) { $1 })
    // An empty list with commas is no value that is broken: it is an empty list.
    if !(sample.isList && sample.bad.isEmpty) {
      #expect(variable.hasPrefix(sample.variable), "\(variable)")
      #expect(isSecret || variable.contains(sample.bad), "\(variable)")
    }
    if Settings.flagShapes[sample.flag] != nil {
      let flag = error(["--\(sample.flag)=\(sample.bad)"], beside)
      #expect(flag.hasPrefix("--\(sample.flag)") && flag.contains(sample.bad), "\(flag)")
    }
    // Two values where one belongs.
    let list = sample.yaml(sample.good).replacing("\"\(sample.good)\"", with: "[a, b]")
    #expect(sample.isList || error([], beside, yaml: list).contains("one value"))
    // A mapping where a value belongs.
    let mapping = sample.yaml("x").replacing("\"x\"", with: "{x: 1}")
    let deep = error([], beside, yaml: mapping)
    #expect(deep.contains(sample.path.joined(separator: ".")), "\(deep)")
  }

  @Test(arguments: Sample.database) func `those of the default database have short names`(
    _ sample: Sample
  ) throws {
    let isShort = !["url", "required"].contains(sample.path[0])
    let short = isShort ? sample.path : ["database"] + sample.path
    let url = ["DATABASE_URL": "postgres:///a"]
    let variable = SettingsDecoder.variable(short)
    let flag = SettingsDecoder.flag(short)
    for loaded in [
      try load(["--\(flag)", sample.good], url),
      try load([], url.merging([variable: sample.good]) { $1 }),
      try load(
        [],
        url.merging(["TRANSOM_DATABASES_DEFAULT_" + sample.variable.dropFirst(8): sample.good]) {
          $1
        }),
    ] {
      let line = line(of: sample.below("databases", "default"), in: loaded.yaml)
      #expect(line?.contains(sample.shown) == true, "\(loaded.yaml)")
    }
    #expect(error(["--\(flag)", sample.bad], url).hasPrefix("--\(flag)"))
    #expect(error([], [variable: sample.bad]).hasPrefix(variable))
  }

  @Test func `what is printed is a file that means the same`() throws {
    for loaded in [
      try load(),
      try load(
        ["--listen", "[::1]:80", "--listen", "unix:/tmp/a b\"\\", "--no-migrate"], Self.beside,
        yaml: "{keys: [{name: web, roles: [a, \"#\"]}], cors: {origins: [\"*\"]}}"),
    ] {
      let again = try load(yaml: loaded.yaml)
      let comment = #/ +# (?:--|TRANSOM_|DATABASE_URL|t\.yaml).*/#
      #expect(again.yaml.replacing(comment, with: "") == loaded.yaml.replacing(comment, with: ""))
    }
  }

  @Test func `a flag counts before a variable, and that before the file`() throws {
    let yaml = "limits: {body: 1MiB, headers: 2KiB, connections: 3}"
    let environment = ["TRANSOM_LIMITS_BODY": "2MiB", "TRANSOM_LIMITS_HEADERS": "3KiB"]
    let limits = try load(["--limits-body", "3MiB"], environment, yaml: yaml).settings.service
      .limits
    #expect(limits.body == 3 << 20 && limits.headers == 3 << 10 && limits.connections == 3)
  }

  @Test func `the example of the wire contract is read as it is meant`() throws {
    let settings = try load(
      yaml: """
        listen: 127.0.0.1:8080          # port 0: any free one; the log line that says "listening" names it
        databases:
          default: {url: "postgres://app@db/app", pool: {size: 16, wait_ms: 2000}, prepared_statements: true}
          replica: {url: "host=r dbname=app"}
        keys:                            # none: loopback only
          - {name: web, sha256: "\(String(repeating: "0f", count: 32))", databases: [default], read_only: false, webhooks: true}
          - {name: reports, sha256: "\(String(repeating: "0e", count: 32))", databases: ["*"], read_only: true, rate: 5}
        webhooks: {allow_networks: [], allow_urls: false, retry_schedule: [5s, 5m, 30m], timeout_ms: 15000, disable_after: 5d}
        limits: {body: 8MiB, response: 64MiB, headers: 32KiB, timeout_ms: 30000, connections: 10000}
        idempotency: {ttl: 24h}
        cors: {origins: []}
        log: {level: info}
        """
    ).settings
    #expect(settings.service.listen == ["127.0.0.1:8080"])
    #expect(settings.service.databases.keys.sorted() == ["default", "replica"])
    #expect(settings.service.databases["replica"]?.url == "host=r dbname=app")
    let keys = settings.service.keys
    #expect(keys.map(\.name) == ["reports", "web"])
    #expect(
      keys[0].rights.isReadOnly && keys[0].rights.databases == .any && keys[0].limits.rate == 5)
    #expect(keys[1].rights.managesWebhooks && keys[1].rights.databases == .these(["default"]))
    #expect(keys[1].hash.hexadecimal == String(repeating: "0f", count: 32))
    #expect(settings.service.webhooks.delays == [.seconds(5), .seconds(300), .seconds(1800)])
    #expect(settings.service.webhooks.disableAfter == .seconds(5 * 86_400))
    #expect(settings.service.limits.body == 8 << 20 && settings.service.crossOrigin == nil)
  }
}
