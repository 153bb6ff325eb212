import Testing
import TransomService

@testable import TransomConfiguration

/// What is in the sources of settings and is no setting, or none that can be.
struct SourcesTests {
  private func error(
    _ arguments: [String] = [], _ environment: [String: String] = [:], yaml: String? = nil
  ) -> String? {
    do {
      let file = try yaml.map { try YAMLSettings(yaml: $0, file: "t.yaml") }
      _ = try Settings.decode(
        FlagArguments(arguments, shapes: Settings.flagShapes), environment, file)
      return nil
    } catch {
      return "\(error)"
    }
  }

  @Test(arguments: [
    (
      ["--limits-bodi", "1"], "--limits-bodi: there is no such setting; did you mean --limits-body?"
    ),
    (["--xyz=1"], "--xyz: there is no such setting"), (["8080"], "\"8080\" is no flag"),
    (["--loops"], "--loops needs a value"), (["--loops", "--migrate"], "--loops needs a value"),
    (["--no-loops"], "--no-loops"), (["--webhooks-secret-keys", "x"], "--webhooks-secret-keys"),
    (["-l", "1"], "\"-l\" is no flag"), (["--"], "\"--\" is no flag"),
  ]) func `what is no flag is named`(_ arguments: [String], _ message: String) {
    let error = error(arguments)
    #expect(error?.contains(message) == true, "\(error ?? "none")")
  }

  @Test func `a flag that is true or false is given alone, with no- or with its value`() throws {
    for (arguments, migrates) in [
      (["--migrate"], true), (["--no-migrate"], false), (["--migrate=false"], false),
      (["--migrate", "false", "--access-log"], false), (["--no-migrate", "--migrate"], true),
    ] {
      let flags = try FlagArguments(arguments, shapes: Settings.flagShapes)
      #expect(try Settings.decode(flags, [:], nil).settings.service.migrates == migrates)
    }
  }

  @Test(arguments: [
    ("TRANSOM_LIMIT_BODY", "did you mean TRANSOM_LIMITS_BODY?"), ("TRANSOM_X", "no such setting"),
    ("TRANSOM_DATABASES_REPLICA_USER", "no such setting"), ("TRANSOM_KEYS_SHA256", "no such"),
    ("TRANSOM_LIMITS_body", "did you mean TRANSOM_LIMITS_BODY?"),
  ]) func `a variable of ours that is no setting is named`(_ variable: String, _ message: String) {
    let error = error([], [variable: "1"])
    #expect(error?.hasPrefix("\(variable):") == true && error?.contains(message) == true)
  }

  @Test(arguments: [
    (["--database-url="], [:], "--database-url"), (["--listen="], [:], "--listen"),
    ([], ["DATABASE_URL": ""], "DATABASE_URL"),
    ([], ["TRANSOM_DATABASE_URL": "", "DATABASE_URL": "postgresql:///x"], "TRANSOM_DATABASE_URL"),
    ([], ["TRANSOM_LISTEN": ""], "TRANSOM_LISTEN"),
  ])
  func `what must not be empty is named if it is`(
    _ arguments: [String], _ environment: [String: String], _ name: String
  ) {
    let error = error(arguments, environment)
    #expect(error?.hasPrefix(name) == true, "\(error ?? "none")")
  }

  @Test(arguments: [
    (["--config="], [:], "--config"), ([], ["TRANSOM_CONFIG": ""], "TRANSOM_CONFIG"),
  ])
  func `a file without a name is an error of who names it`(
    _ arguments: [String], _ environment: [String: String], _ name: String
  ) {
    let error = #expect(throws: SettingError.self) {
      try Settings.load(arguments: arguments, environment: environment)
    }
    #expect("\(error, default: "")".hasPrefix(name))
  }

  @Test func `variables of others are theirs, those of Kubernetes for a service named transom too`()
  {
    let foreign = [
      "PATH", "TRANSOMETHING", "TRANSOM", "TRANSOM_SERVICE_HOST", "TRANSOM_SERVICE_PORT",
      "TRANSOM_SERVICE_PORT_HTTP", "TRANSOM_PORT", "TRANSOM_PORT_8080_TCP",
      "TRANSOM_PORT_8080_TCP_ADDR", "TRANSOM_PORT_8080_TCP_PROTO",
      "TRANSOM_METRICS_SERVICE_HOST", "TRANSOM_METRICS_PORT_9464_TCP_ADDR",
      "TRANSOM_METRICS_PORT_9464_TCP",
    ]
    #expect(error([], Dictionary(uniqueKeysWithValues: foreign.map { ($0, "x") })) == nil)
    let others = [
      "TRANSOM_METRICS_PORT": "tcp://10.0.0.7:9464", "TRANSOM_METRICS_SERVICE_PORT": "9464",
      "TRANSOM_DB_SERVICE_PORT_POSTGRES": "5432",
    ]
    #expect(error([], others) == nil)
    let hash = String(repeating: "0f", count: 32)
    for (name, value) in [
      ("TRANSOM_METRICS_PORT", "9464"), ("TRANSOM_LISTEN_PORT", "80"),
      ("TRANSOM_DATABASES_X_PORT", "5432"), ("TRANSOM_KEYS_SERVICE_PORT_SHA256", hash + "0"),
    ] { #expect(error([], [name: value])?.hasPrefix(name) == true) }
  }

  @Test(arguments: [
    (
      "limit: {body: 1}",
      "limit.body in t.yaml, line 1: there is no such setting; did you mean limits.body?"
    ),
    ("a: 1\nlimits: {body: 8MiB}", "a in t.yaml, line 1"),
    ("limits:\n  body: 8MiB\n  bodi: 1\n", "limits.bodi in t.yaml, line 3"),
    ("limits: 5", "limits in t.yaml, line 1"), ("- a", "no mapping"), ("text", "no mapping"),
    ("{limits: {body: 1KiB}, limits: {body: 2KiB}}", "t.yaml"), ("a: [", "t.yaml"),
    ("listen: [{host: a}]", "listen"),
    ("listen: [[a]]", "listen, line 1: allowed is a list of single values"),
    ("keys: [{sha256: ab}]", "keys, line 1: each element needs a \"name\""),
    ("keys: [{name: a}, {name: a}]", "the name \"a\" occurs twice"),
    ("keys: [{name: a}]", "keys.a.sha256 is missing"),
    ("keys: {a: {read_only: true}}", "keys.a.sha256 is missing"),
    ("keys: {a: }", "keys.a.sha256 is missing"),
    ("keys: {a b: {read_only: true}}", "keys.a b: allowed as a name"),
    ("keys: [{name: a, sha256: x, secret: y}]", "keys.a.secret in t.yaml, line 1"),
    ("keys: {a: [x]}", "keys.a in t.yaml"),
    ("databases: {b: {pool: {size: 1}}}", "databases.b.url is missing"),
    (
      "databases: {default: {pool: {size: 1}}, b: {url: \"host=b\"}}",
      "databases.default.url is missing"
    ),
    ("databases: {default: {uri: x}}", "did you mean databases.default.url?"),
    ("databases: {default: x}", "databases.default in t.yaml"),
  ]) func `what is wrong with a file is named with its line`(_ yaml: String, _ message: String) {
    let error = error(yaml: yaml)
    #expect(error?.contains(message) == true, "\(error ?? "none")")
  }

  @Test(arguments: ["", "# nothing\n", "~", "limits:\n", "keys: []", "keys:\ndatabases:\n", "{}"])
  func `a file may be empty, and so may a part of it`(_ yaml: String) {
    let error = error(yaml: yaml)
    #expect(error == nil, "\(error ?? "")")
  }

  private static let hash = String(repeating: "ab", count: 32)

  @Test(arguments: [
    (
      "keys: [{name: a, sha256: \(hash)}, {name: b, sha256: \(hash.uppercased())}]",
      "keys.b.sha256 is that of the key \"a\""
    ),
    ("keys: [{name: a, sha256: \(hash), burst: 3}]", "keys.a.burst is \"3\""),
    ("keys: [{name: a, sha256: \(hash), databases: [default, c]}]", "there is no database \"c\""),
    ("keys: [{name: a, sha256: \(hash), databases: [\"c*\"]}]", "there is no database \"c*\""),
  ]) func `keys that cannot be meant so are refused`(_ yaml: String, _ message: String) {
    let error = error(yaml: yaml)
    #expect(error?.contains(message) == true, "\(error ?? "none")")
  }

  @Test func `an address that others can reach takes keys, or the word that it shall be so`() {
    let refused = error(["--listen", "0.0.0.0:0"])
    #expect(refused?.hasPrefix("--listen is \"0.0.0.0:0\"") == true)
    #expect(refused?.contains("--allow-unauthenticated") == true)
    #expect(error(["--listen", "0.0.0.0:0", "--allow-unauthenticated"]) == nil)
    #expect(error(["--listen", "0.0.0.0:0"], ["TRANSOM_KEYS_A_SHA256": Self.hash]) == nil)
    #expect(
      error([], ["TRANSOM_LISTEN": "127.0.0.1:0, [::]:0"])?.contains("TRANSOM_LISTEN") == true)
  }

  @Test(arguments: [
    ("postgres://u:p@h/d?sslmode=require", "postgres://u:***@h/d?sslmode=require"),
    ("postgresql://u:p@@h:5/d", "postgresql://u:***@h:5/d"),
    ("postgres://u@h/a@b", "postgres://u@h/a@b"),
    (
      "postgres://h/d?password=p&user=u&sslpassword=q",
      "postgres://h/d?password=***&user=u&sslpassword=***"
    ),
    ("host=h password=p user=u", "host=h password=*** user=u"),
    ("password = 'a b\\' c' user=u", "password = *** user=u"),
    ("password=a\\ b host=h", "password=*** host=h"),
    ("host=h user=u", "host=h user=u"), ("password='open", "password=***"),
  ]) func `passwords are masked`(_ url: String, _ masked: String) {
    #expect(Mask.connection(url) == masked)
  }
}
