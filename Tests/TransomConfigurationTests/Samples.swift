import Testing

@testable import TransomConfiguration

/// A value for each setting that is not its default, and one that it does not take.
struct Sample: Sendable, CustomTestStringConvertible {
  let path: [String]
  let good: String
  /// As it is shown again, if that is not `good`.
  let shown: String
  let bad: String
  let isList: Bool
  /// Variables without which the setting cannot be.
  let beside: [String: String]

  init(
    _ path: String, _ good: String, shown: String? = nil, bad: String = "☠", isList: Bool = false,
    beside: [String: String] = [:]
  ) {
    self.beside = beside
    self.path = path.split(separator: ".").map(String.init)
    self.good = good
    self.shown = shown ?? good
    self.bad = bad
    self.isList = isList
  }

  var testDescription: String { path.joined(separator: ".") }
  var variable: String { SettingsDecoder.variable(path) }
  var flag: String { SettingsDecoder.flag(path) }

  /// Whether it is shown with a mask.
  var isSecret: Bool {
    ["secret_keys", "secret", "url"].contains(path.last) || path == ["tracing", "headers"]
  }

  /// The setting in a file.
  func yaml(_ value: String) -> String {
    let scalar = "\"\(value)\""
    return path.reversed().reduce(isList ? "[\(scalar)]" : scalar) { "{\($1): \($0)}" }
  }

  static let general: [Sample] = [
    Sample("listen", "127.0.0.1:9000", isList: true),
    Sample("metrics.listen", "127.0.0.1:9001", isList: true),
    Sample("allow_unauthenticated", "true"),
    Sample("socket_mode", "600", bad: "888"), Sample("data_directory", "/tmp/x", bad: ""),
    Sample("migrate", "false"), Sample("loops", "3", bad: "0"),
    // A folder without any definition.
    Sample("transactions.folder", "/etc/skel", bad: "/none"), Sample("log.level", "debug"),
    Sample("log.format", "json", bad: "xml"), Sample("log.slow_ms", "70", bad: "-1"),
    Sample("limits.body", "1MiB", bad: "8MB"), Sample("limits.response", "2048", shown: "2KiB"),
    Sample("limits.request_line", "100", bad: "1"), Sample("limits.headers", "16KiB", bad: "0"),
    Sample("limits.header_count", "7", bad: "0"), Sample("limits.timeout_ms", "70", bad: "0"),
    Sample("limits.connections", "70", bad: "0"), Sample("limits.requests", "70", bad: "+7"),
    Sample("limits.pipelined", "1KiB", bad: "1"), Sample("timeouts.first_byte_ms", "70", bad: "0"),
    Sample("timeouts.head_ms", "70", bad: "-1"), Sample("timeouts.body_ms", "70", bad: "7s"),
    Sample("timeouts.idle_ms", "70", bad: "0"), Sample("timeouts.write_ms", "70", bad: "1.5"),
    Sample("timeouts.minimum_rate", "70", bad: "0"), Sample("shutdown.delay_ms", "70", bad: "-1"),
    Sample("shutdown.limit_ms", "70", bad: "x"),
    Sample("idempotency.ttl", "90", shown: "90s", bad: "24 h"),
    Sample("compress_from", "off", bad: "on"),
    Sample("cors.origins", "https://a.example", bad: "https://a/", isList: true),
    Sample("allowed_hosts", ".example.org", bad: "a:80", isList: true),
    Sample("access_log", "true", bad: "2"), Sample("access_log_interval", "7", bad: "0"),
    Sample("trusted_proxies", "10.0.0.0/8", bad: "10.0.0.1/8", isList: true),
    Sample("forwarded_field", "forwarded", bad: "via"),
    Sample("webhooks.allow_networks", "10.0.0.0/8", bad: "10/8", isList: true),
    Sample("webhooks.allow_urls", "true"),
    Sample("webhooks.ca_file", "/etc/ssl/certs/ca-certificates.crt", bad: "/etc/passwd"),
    Sample("webhooks.retry_schedule", "7200", shown: "2h", bad: "-5", isList: true),
    Sample("webhooks.timeout_ms", "700", bad: "0"),
    Sample("webhooks.disable_after", "3600s", shown: "1h", bad: "1y"),
    Sample("webhooks.concurrency", "70", bad: "0"),
    Sample("webhooks.concurrency_each", "7", bad: "0"),
    Sample("webhooks.poll_ms", "70", bad: "0"), Sample("webhooks.retention", "7d", bad: "0"),
    Sample(
      "webhooks.secret_keys", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", shown: "***",
      isList: true),
  ]

  static let tracing: [Sample] = [
    Sample("tracing.endpoint", "http://127.0.0.1:4318", bad: "127.0.0.1:4318"),
    Sample("tracing.sample", "0.05", bad: "1.1"),
    Sample("tracing.service_name", "orders", bad: ""),
    Sample(
      "tracing.headers", "authorization=Bearer s3cr3t", shown: "authorization=***", bad: "host=a",
      isList: true),
  ]

  /// As many bytes as a secret has.
  static let secret = String(repeating: "s3cr3t!!", count: 4)
  /// Public keys for ES256 and RS256.
  static let keySet =
    #filePath.split(separator: "/", omittingEmptySubsequences: false).dropLast(2)
    .joined(separator: "/") + "/Tokens/jwks.json"

  private static func token(
    _ name: String, _ good: String, shown: String? = nil, bad: String = "☠", isList: Bool = false,
    beside: [String: String] = ["ALGORITHM": "HS256", "SECRET": secret]
  ) -> Sample {
    Sample(
      "jwt.\(name)", good, shown: shown, bad: bad, isList: isList,
      beside: Dictionary(uniqueKeysWithValues: beside.map { ("TRANSOM_JWT_\($0.key)", $0.value) }))
  }

  static let tokens: [Sample] =
    [
      token("algorithm", "HS256", bad: "none"),
      token("secret", secret, shown: "***", bad: "short", beside: ["ALGORITHM": "HS256"]),
      token("secret_file", keySet, bad: "/none", beside: ["ALGORITHM": "HS256"]),
      token("jwks_file", keySet, bad: "/none", beside: ["ALGORITHM": "ES256"]),
      token("issuer", "https://a.example/", bad: "", isList: true),
      token("audience", "transom", bad: "", isList: true),
      token("leeway", "5", shown: "5s", bad: "1h"),
      token(
        "role_claim", "/app/role", bad: "/~",
        beside: ["ALGORITHM": "HS256", "SECRET": secret, "ROLES": "web"]),
      token(
        "roles", "web_*", bad: "none", isList: true,
        beside: ["ALGORITHM": "HS256", "SECRET": secret, "ROLE_CLAIM": "role"]),
      token(
        "default_role", "anon", bad: "none",
        beside: ["ALGORITHM": "HS256", "SECRET": secret, "ROLE_CLAIM": "role"]),
      token("claims_setting", "app.claims", bad: "search_path"),
    ]
    + key.filter { !["sha256", "roles"].contains($0.testDescription) }.map {
      token(
        $0.testDescription, $0.good, shown: $0.shown, bad: $0.bad, isList: $0.isList,
        beside: ["ALGORITHM": "HS256", "SECRET": secret, "RATE": "9"])
    } + [token("allow_sql", "true")]

  static let database: [Sample] = [
    Sample("url", "postgres://u:pw@h/d", shown: "postgres://u:***@h/d", bad: "postgres://%zz"),
    Sample("pool.size", "7", bad: "0"), Sample("pool.wait_ms", "7", bad: "-1"),
    Sample("prepared_statements", "false", bad: "maybe"), Sample("required", "false", bad: "2"),
  ]

  static let key: [Sample] = [
    Sample("sha256", String(repeating: "ab", count: 32), bad: "ab"),
    Sample("databases", "*", bad: "", isList: true), Sample("read_only", "true"),
    Sample("roles", "reader", bad: "", isList: true),
    Sample("settings", "app.*", bad: "", isList: true),
    Sample("transactions", "*", bad: "", isList: true), Sample("webhooks", "true"),
    Sample("monitoring", "true"), Sample("rate", "7", bad: "0"), Sample("burst", "7", bad: "0"),
    Sample("concurrency", "7", bad: "0"),
  ]

  /// The same below a database's alias or a key's name.
  func below(_ part: String, _ name: String) -> Sample {
    Sample(
      "\(part).\(name).\(testDescription)", good, shown: shown, bad: bad, isList: isList)
  }
}
