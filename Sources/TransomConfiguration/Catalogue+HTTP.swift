internal import TransomService

extension Catalogue {
  private static let kibi = 1024
  private static let mebi = 1024 * kibi
  private static let hour = 3_600_000
  private static let day = 86_400_000

  /// What the HTTP server takes from clients, how long it waits for them, and how it ends.
  static let http: [Setting<Settings>] = [
    .size(
      ["limits", "body"], \.service.limits.body, in: kibi...256 * mebi,
      "Bytes of a request's body."),
    .size(
      ["limits", "response"], \.service.limits.response, in: kibi...1024 * mebi,
      "Bytes of a response's body."),
    .size(
      ["limits", "request_line"], \.service.limits.requestLine, in: 64...mebi,
      "Bytes of a request line."),
    .size(
      ["limits", "headers"], \.service.limits.headers, in: kibi...mebi,
      "Bytes of a request's header section."),
    .number(
      ["limits", "header_count"], \.service.limits.headerCount, in: 1...10_000,
      "Fields of a request's header section."),
    .milliseconds(
      ["limits", "timeout_ms"], \.service.limits.timeout, in: 1...day,
      "Milliseconds that a transaction may take."),
    .number(
      ["limits", "connections"], \.service.limits.connections, in: 1...1_000_000,
      "Client connections at a time; one more gets a 503."),
    .number(
      ["limits", "requests"], \.service.limits.requests, in: 1...Int.max,
      "Requests on one connection."),
    .size(
      ["limits", "pipelined"], \.service.limits.pipelined, in: kibi...16 * mebi,
      "Bytes of pipelined requests that are read ahead."),
    .milliseconds(
      ["timeouts", "first_byte_ms"], \.service.timeouts.firstByte, in: 1...hour,
      "Milliseconds for the first byte of a new connection."),
    .milliseconds(
      ["timeouts", "head_ms"], \.service.timeouts.head, in: 1...hour,
      "Milliseconds for a whole header section."),
    .milliseconds(
      ["timeouts", "body_ms"], \.service.timeouts.body, in: 1...hour,
      "Milliseconds for any part of a body."),
    .milliseconds(
      ["timeouts", "idle_ms"], \.service.timeouts.idle, in: 1...24 * hour,
      "Milliseconds that a connection may be idle between requests."),
    .milliseconds(
      ["timeouts", "write_ms"], \.service.timeouts.write, in: 1...hour,
      "Milliseconds for a client to take any part of an answer."),
    .number(
      ["timeouts", "minimum_rate"], \.service.timeouts.minimumRate, in: 1...(1 << 30),
      "Bytes a second of a body or an answer, on the average."),
    .milliseconds(
      ["shutdown", "delay_ms"], \.service.shutdownDelay, in: 0...day,
      "Milliseconds between SIGTERM and the end of accepting clients, for load balancers."),
    .milliseconds(
      ["shutdown", "limit_ms"], \.service.shutdownLimit, in: 0...day,
      "Milliseconds that requests in flight may take after that."),
    .duration(
      ["idempotency", "ttl"], \.service.idempotencyLifetime, in: 1...10 * 365 * 86_400,
      "How long the answer under an Idempotency-Key is kept."),
    .text(
      ["compress_from"], "SIZE", "Bytes from which on answers are compressed, or off."
    ) {
      $0.service.compressedFrom = $1 == "off" ? nil : try Read.bytes($1, in: 1...(1 << 30))
    } show: {
      $0.service.compressedFrom.map { Read.text(ofBytes: $0) } ?? "off"
    },
    .list(["cors", "origins"], "ORIGIN", "Web pages' origins that may use the service, or *.") {
      $0.service.crossOrigin = $1.isEmpty ? nil : try CrossOriginPolicy(origins: $1)
    } show: {
      $0.service.crossOrigin?.texts ?? []
    },
    .list(
      ["allowed_hosts"], "NAME",
      "Names of the service besides this machine's, .NAME for all below it, or *; with keys, any by default."
    ) {
      $0.service.hosts =
        $1.isEmpty ? .automatic : $1 == ["*"] ? .any : .named(try HostPolicy(names: $1))
    } show: {
      $0.service.hosts.texts
    },
    .flag(["access_log"], \.service.logsAccess, "Note each request, without any parameters."),
    .number(
      ["access_log_interval"], \.service.accessLogInterval, in: 1...1_000_000_000,
      "Of so many requests one is noted."),
    .list(
      ["trusted_proxies"], "NETWORK",
      "Proxies' networks, or unix, that are believed about clients' addresses in the log."
    ) {
      try $0.service.trust(networks: $1)
    } show: {
      $0.service.trustedNetworks
    },
    .text(
      ["forwarded_field"], "FIELD",
      "The field in which proxies tell them: x-forwarded-for or forwarded."
    ) {
      try $0.service.trust(field: $1)
    } show: {
      $0.service.forwardedField
    },
  ]

  /// How webhooks are delivered.
  static let webhooks: [Setting<Settings>] = [
    .list(
      ["webhooks", "allow_networks"], "NETWORK",
      "Networks that webhooks may be delivered to although they are not public, such as 10.0.0.0/8."
    ) {
      try $0.service.webhooks.allowNetworks($1)
    } show: {
      $0.service.webhooks.allowedNetworkTexts
    },
    .flag(
      ["webhooks", "allow_urls"], \.service.webhooks.allowsAddresses,
      "Whether an on_commit hook may have a url of its own."),
    .text(
      ["webhooks", "ca_file"], "FILE",
      "Certificates in PEM of authorities that receivers' certificates may come from, instead of the system's."
    ) {
      guard String(decoding: try file($1), as: UTF8.self).contains("-----BEGIN CERTIFICATE-----")
      else { throw Allowed("a file with certificates in PEM") }
      $0.service.webhooks.authorityFile = $1
    } show: {
      $0.service.webhooks.authorityFile
    },
    .list(
      ["webhooks", "retry_schedule"], "TIME", "The pauses before the attempts after the first."
    ) {
      $0.service.webhooks.delays = try $1.map {
        .seconds(try Read.seconds($0, in: 0...2_592_000))
      }
    } show: {
      $0.service.webhooks.delays.map { Read.text(of: $0) }
    },
    .milliseconds(
      ["webhooks", "timeout_ms"], \.service.webhooks.timeout, in: 100...600_000,
      "Milliseconds for one attempt."),
    .duration(
      ["webhooks", "disable_after"], \.service.webhooks.disableAfter, in: 1...365 * 86_400,
      "A time of nothing but failures that disables a webhook."),
    .number(
      ["webhooks", "concurrency"], \.service.webhooks.concurrency, in: 4...100_000,
      "Attempts at a time."),
    .number(
      ["webhooks", "concurrency_each"], \.service.webhooks.concurrencyForEach, in: 1...10_000,
      "Attempts at a time for each webhook."),
    .milliseconds(
      ["webhooks", "poll_ms"], \.service.webhooks.pollInterval, in: 10...60_000,
      "Milliseconds between looks for events that others have emitted."),
    .duration(
      ["webhooks", "retention"], \.service.webhooks.retention, in: 1...3650 * 86_400,
      "How long deliveries that are done are kept."),
    .list(
      ["webhooks", "secret_keys"], "KEY",
      "Keys that seal webhooks' secrets in the database: the first one seals, all of them open."
    ) {
      try $0.service.webhooks.sealSecrets(with: $1)
    } show: {
      Array(repeating: Mask.secret, count: $0.service.webhooks.sealingKeys)
    }.secret,
  ]
}
