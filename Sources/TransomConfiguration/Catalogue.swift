internal import Logging
internal import TransomLogging
internal import TransomService

/// All settings, in the order in which they are shown.
enum Catalogue {
  static let general: [Setting<Settings>] = [
    .list(
      ["listen"], "ADDRESS",
      "HOST:PORT, [IPV6]:PORT or unix:/PATH; port 0 is any free one. Sockets of systemd replace the default."
    ) { settings, addresses in
      guard !addresses.isEmpty else { throw Allowed("one address at least") }
      settings.service.listen = addresses
      settings.isListenSet = true
      _ = try settings.service.publicAddresses()
    } show: {
      $0.service.listen
    },
    .list(
      ["metrics", "listen"], "ADDRESS",
      "Where /metrics is served without a key, in place of the addresses above; not to be reached by others."
    ) { settings, addresses in
      settings.service.metricsListen = addresses
      try settings.service.checkMetricsAddresses()
    } show: {
      $0.service.metricsListen
    },
    .flag(
      ["allow_unauthenticated"], \.allowsUnauthenticated,
      "Serve addresses that others can reach although nobody has to say who they are."),
    .text(["socket_mode"], "MODE", "Who may use a Unix-domain socket, as chmod takes it.") {
      guard let mode = UInt32($1, radix: 8), mode <= 0o777 else {
        throw Allowed("an octal number up to 777")
      }
      $0.service.socketMode = mode
    } show: {
      String($0.service.socketMode, radix: 8)
    },
    .text(["data_directory"], "DIRECTORY", "Where the private PostgreSQL keeps its data.") {
      guard !$1.isEmpty else { throw Allowed("a directory") }
      $0.dataDirectory = $1
    } show: {
      $0.dataDirectory
    },
    .flag(
      ["migrate"], \.service.migrates,
      "Whether the schema transom is installed and updated at the start."),
    .number(
      ["loops"], \.service.loops, in: 1...1024, "Event loops, each a thread: one a core is best."),
    .text(
      ["transactions", "folder"], "DIRECTORY",
      "A folder of named transactions: transfer.yaml is run by POST /transactions/transfer."
    ) {
      let folder = try DefinitionFolder($1)
      $0.service.transactions = folder.transactions
      $0.definitions = folder.texts
      $0.transactionsFolder = $1
    } show: {
      $0.transactionsFolder
    }.naming(\.definitions),
    .text(["log", "level"], "LEVEL", "trace, debug, info, notice, warning, error or critical.") {
      guard let level = Logger.Level(rawValue: $1) else {
        throw Allowed(Logger.Level.allCases.map(\.rawValue).joined(separator: ", "))
      }
      $0.logLevel = level
    } show: {
      $0.logLevel.rawValue
    },
    .text(
      ["log", "format"], "FORMAT",
      "json, pretty, or auto: pretty where standard error is a terminal, else json."
    ) {
      $0.logFormat = LogFormat(rawValue: $1)
      guard $0.logFormat != nil || $1 == "auto" else { throw Allowed("auto, json or pretty") }
    } show: {
      $0.logFormat?.rawValue ?? "auto"
    },
    .text(
      ["log", "slow_ms"], "MS",
      "Milliseconds from which on a transaction is noted with its statements, or off."
    ) {
      $0.service.slowFrom =
        $1 == "off" ? nil : .milliseconds(try Read.number($1, in: 0...86_400_000))
    } show: {
      $0.service.slowFrom.map { String(Int($0 / .milliseconds(1))) } ?? "off"
    },
  ]

  /// Of each database, below `databases` and its alias. Those of `default` have short names, too.
  static let database: [Setting<ServiceConfiguration.Database>] = [
    .text(["url"], "URL", "A PostgreSQL URL or connection string.") { database, url in
      // It would be as good as none, and a private database made in place of the one that somebody thinks is set.
      guard !url.isEmpty else { throw Allowed("a PostgreSQL URL or connection string") }
      database.url = url
      try database.validate()
    } show: {
      $0.url.isEmpty ? nil : Mask.connection($0.url)
    }.masked,
    .number(["pool", "size"], \.poolSize, in: 1...10_000, "PostgreSQL connections at most."),
    .milliseconds(
      ["pool", "wait_ms"], \.poolWait, in: 0...600_000,
      "How long a transaction waits for a connection."),
    .flag(
      ["prepared_statements"], \.preparesStatements, "Off behind PgBouncer in transaction mode."),
    .flag(
      ["required"], \.isRequired, "Whether the service is ready only if this database answers."),
  ]

  /// Of each key, below `keys` and its name.
  static let key: [Setting<KeyDraft>] = [
    .text(["sha256"], "HASH", "SHA-256 of the key.") {
      guard let hash = KeyHash(hexadecimal: $1) else {
        throw Allowed("64 hexadecimal digits, as \"transom key new\" prints them")
      }
      $0.hash = hash
    } show: {
      $0.hash?.hexadecimal
    },
    .names(["databases"], \.rights.databases, "The databases that it may use."),
    .flag(["read_only"], \.rights.isReadOnly, "Whether its transactions are READ ONLY."),
    .names(["roles"], \.rights.roles, "What \"role\" of a request may be."),
    .names(["settings"], \.rights.settings, "What \"settings\" of a request may hold."),
    .list(
      ["transactions"], "NAME",
      "The named transactions that it may run, and no SQL of its own; * is any."
    ) { draft, names in
      guard names.allSatisfy({ !$0.isEmpty }) else { throw Allowed("names, or *") }
      draft.rights.transactions = Names(names)
      draft.rights.sendsSQL = false
    } show: {
      $0.rights.sendsSQL ? nil : $0.rights.transactions.texts
    },
    .flag(["webhooks"], \.rights.managesWebhooks, "Whether it may manage webhooks."),
    .flag(["monitoring"], \.rights.monitors, "Whether it may see /metrics and all of /health."),
    .number(["rate"], \.limits.rate, in: 1...1_000_000, "Requests a second."),
    .number(
      ["burst"], \.limits.burst, in: 1...1_000_000, "Requests at once; as many as a second's."),
    .number(["concurrency"], \.limits.concurrency, in: 1...1_000_000, "Requests at a time."),
  ]

  /// All that are no database's and no key's.
  static let all = general + http + webhooks + tokens + tracing
}

extension Setting {
  fileprivate static func names(
    _ path: [String], _ place: any Place<Names>, _ help: String
  ) -> Setting {
    .list(path, "NAME", help + " * is any; app.* is all that begin so.") { root, texts in
      guard texts.allSatisfy({ !$0.isEmpty }) else { throw Allowed("names, or *") }
      root[keyPath: place] = Names(texts)
    } show: {
      $0[keyPath: place].texts
    }
  }
}
