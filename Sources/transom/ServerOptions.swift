import ArgumentParser
import TransomService

/// What the HTTP server takes from clients, how long it waits for them, and how it ends. Each flag is a variable, too.
struct ServerOptions: ParsableArguments {
  @Option(help: "Bytes of a request's body (default 8 MiB).")
  var limitsBody: Int?

  @Option(help: "Bytes of a request line (default 8 KiB).")
  var limitsRequestLine: Int?

  @Option(help: "Bytes of a request's header section (default 32 KiB).")
  var limitsHeaders: Int?

  @Option(help: "Fields of a request's header section (default 100).")
  var limitsHeaderCount: Int?

  @Option(help: "Bytes of a response's body (default 64 MiB).")
  var limitsResponse: Int?

  @Option(help: "Milliseconds that a transaction may take (default 30000).")
  var limitsTimeoutMs: Int?

  @Option(help: "Seconds that the answer under an Idempotency-Key is kept (default 86400).")
  var idempotencyTTL: Int?

  @Option(help: "Client connections at a time; one more gets a 503 (default 10000).")
  var limitsConnections: Int?

  @Option(help: "Requests on one connection (default: any number).")
  var limitsRequests: Int?

  @Option(help: "Bytes of pipelined requests that are read ahead (default 64 KiB).")
  var limitsPipelined: Int?

  @Option(help: "Milliseconds for the first byte of a new connection (default 15000).")
  var timeoutsFirstByteMs: Int?

  @Option(help: "Milliseconds for a whole header section (default 15000).")
  var timeoutsHeadMs: Int?

  @Option(help: "Milliseconds for any part of a body (default 20000).")
  var timeoutsBodyMs: Int?

  @Option(help: "Milliseconds that a connection may be idle between requests (default 75000).")
  var timeoutsIdleMs: Int?

  @Option(help: "Milliseconds for a client to take any part of an answer (default 30000).")
  var timeoutsWriteMs: Int?

  @Option(help: "Bytes a second of a body or an answer, on the average (default 500).")
  var timeoutsMinimumRate: Int?

  @Option(
    help:
      "Milliseconds between SIGTERM and the end of accepting clients, for load balancers (default 0)."
  )
  var shutdownDelayMs: Int?

  @Option(help: "Milliseconds that requests in flight may take after that (default 30000).")
  var shutdownLimitMs: Int?

  @Option(help: "Bytes from which on answers are compressed, or \"off\" (default 1024).")
  var compressFrom: String?

  @Option(help: "Who may use a Unix-domain socket, as chmod takes it (default 660).")
  var socketMode: String?

  @Option(help: "A web page's origin that may use the service, or *; can be repeated.")
  var corsOrigins: [String] = []

  @Option(
    help:
      "A name under which the service may be addressed besides this machine's, .NAME for all below it, or *; can be repeated (default: this machine's if nobody else reaches it, otherwise any)."
  )
  var allowedHosts: [String] = []

  @Flag(help: "Note each request in the log, without any parameters.")
  var accessLog = false

  @Option(help: "Of so many requests one is noted (default 1).")
  var accessLogInterval: Int?

  @Option(
    help:
      "A proxy's network, such as 10.0.0.0/8, or unix: believed about clients' addresses in the log; can be repeated."
  )
  var trustedProxies: [String] = []

  @Option(help: "The field in which proxies tell them: x-forwarded-for (default) or forwarded.")
  var forwardedField: String?

  /// Puts what is set into a configuration; an error names what cannot be used.
  func read(
    _ settings: Settings, into configuration: inout ServiceConfiguration
  ) throws(SettingError) {
    try readLimits(settings, &configuration.limits)
    try readTimeouts(settings, &configuration.timeouts)
    try settings.number(idempotencyTTL, "idempotency.ttl", in: 1...10 * 365 * 86_400) {
      configuration.idempotencyLifetime = .seconds($0)
    }
    let day = 86_400_000
    try settings.milliseconds(shutdownDelayMs, "shutdown.delay.ms", in: 0...day) {
      configuration.shutdownDelay = $0
    }
    try settings.milliseconds(shutdownLimitMs, "shutdown.limit.ms", in: 0...day) {
      configuration.shutdownLimit = $0
    }
    if let (name, text) = settings.text(compressFrom, "compress.from") {
      configuration.compressedFrom =
        text == "off" ? nil : try Settings.check(Int(text), text, name, in: 1...(1 << 30))
    }
    if let (name, text) = settings.text(socketMode, "socket.mode") {
      guard let mode = UInt32(text, radix: 8), mode <= 0o777 else {
        throw SettingError(name, text, allowed: "an octal number up to 777")
      }
      configuration.socketMode = mode
    }
    if let (name, origins) = settings.list(corsOrigins, "cors.origins") {
      configuration.crossOrigin = try Settings.check(name) {
        try CrossOriginPolicy(origins: origins)
      }
    }
    if let (name, hosts) = settings.list(allowedHosts, "allowed.hosts") {
      configuration.hosts =
        hosts == ["*"] ? .any : .named(try Settings.check(name) { try HostPolicy(names: hosts) })
    }
    configuration.accessLog = try readAccessLog(settings)
    if let (name, networks) = settings.list(trustedProxies, "trusted.proxies") {
      try Settings.check(name) { try configuration.trust(networks: networks) }
    }
    if let (name, field) = settings.text(forwardedField, "forwarded.field") {
      try Settings.check(name) { try configuration.trust(field: field) }
    }
  }

  private func readLimits(
    _ settings: Settings, _ limits: inout ServiceConfiguration.Limits
  ) throws(SettingError) {
    let kibi = 1024
    let mebi = 1024 * kibi
    try settings.number(limitsBody, "limits.body", in: kibi...256 * mebi) { limits.body = $0 }
    try settings.number(limitsRequestLine, "limits.request.line", in: 64...mebi) {
      limits.requestLine = $0
    }
    try settings.number(limitsHeaders, "limits.headers", in: kibi...mebi) { limits.headers = $0 }
    try settings.number(limitsHeaderCount, "limits.header.count", in: 1...10_000) {
      limits.headerCount = $0
    }
    try settings.number(limitsResponse, "limits.response", in: kibi...1024 * mebi) {
      limits.response = $0
    }
    try settings.milliseconds(limitsTimeoutMs, "limits.timeout.ms", in: 1...86_400_000) {
      limits.timeout = $0
    }
    try settings.number(limitsConnections, "limits.connections", in: 1...1_000_000) {
      limits.connections = $0
    }
    try settings.number(limitsRequests, "limits.requests", in: 1...Int.max) { limits.requests = $0 }
    try settings.number(limitsPipelined, "limits.pipelined", in: kibi...16 * mebi) {
      limits.pipelined = $0
    }
  }

  private func readTimeouts(
    _ settings: Settings, _ timeouts: inout ServiceConfiguration.Timeouts
  ) throws(SettingError) {
    let hour = 3_600_000
    try settings.milliseconds(timeoutsFirstByteMs, "timeouts.first.byte.ms", in: 1...hour) {
      timeouts.firstByte = $0
    }
    try settings.milliseconds(timeoutsHeadMs, "timeouts.head.ms", in: 1...hour) {
      timeouts.head = $0
    }
    try settings.milliseconds(timeoutsBodyMs, "timeouts.body.ms", in: 1...hour) {
      timeouts.body = $0
    }
    try settings.milliseconds(timeoutsIdleMs, "timeouts.idle.ms", in: 1...24 * hour) {
      timeouts.idle = $0
    }
    try settings.milliseconds(timeoutsWriteMs, "timeouts.write.ms", in: 1...hour) {
      timeouts.write = $0
    }
    try settings.number(timeoutsMinimumRate, "timeouts.minimum.rate", in: 1...(1 << 30)) {
      timeouts.minimumRate = $0
    }
  }

  private func readAccessLog(
    _ settings: Settings
  ) throws(SettingError) -> ServiceConfiguration.AccessLog? {
    var log = ServiceConfiguration.AccessLog()
    try settings.number(accessLogInterval, "access.log.interval", in: 1...1_000_000_000) {
      log.interval = $0
    }
    let isOn = try settings.flag("access.log") ?? false
    return accessLog || isOn ? log : nil
  }
}
