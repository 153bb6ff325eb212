import FoundationEssentials
package import Logging

extension PrivateCluster {
  /// Makes what is missing, starts the server, and returns when it takes connections.
  ///
  /// A server that a killed predecessor left in a persistent directory is stopped first. If the
  /// task is cancelled meanwhile, the server is stopped and `CancellationError` thrown.
  package static func start(
    _ configuration: Configuration, log: Logger = quiet
  ) async throws -> PrivateCluster {
    // A task of its own: cancellation must not interrupt it half-way.
    let cluster = try await Task { try await startUninterrupted(configuration, log: log) }.value
    guard !Task.isCancelled else {
      try await cluster.stop()
      throw CancellationError()
    }
    return cluster
  }

  /// For callers that do not want to hear of it.
  private static var quiet: Logger {
    Logger(label: "transom.cluster") { _ in SwiftLogNoOpLogHandler() }
  }

  private static func startUninterrupted(
    _ configuration: Configuration, log: Logger
  ) async throws -> PrivateCluster {
    // Three tries, because somebody else may take the free TCP port before the server does.
    for _ in 1..<(configuration.listensOnTCP ? 3 : 1) {
      do {
        return try await startOnce(configuration, log: log)
      } catch ClusterError.serverDidNotStart(let text) where text.contains("could not bind") {
        continue
      }
    }
    return try await startOnce(configuration, log: log)
  }

  private static func startOnce(
    _ configuration: Configuration, log: Logger
  ) async throws -> PrivateCluster {
    let port = configuration.listensOnTCP ? try LoopbackPort.free() : 5432
    let place = try await Place.prepare(configuration)
    let watchdog = try await watchdog(over: place)
    let cluster = PrivateCluster(place, port: port, watchdog: watchdog, log: log)
    do {
      try await cluster.initialize()
      try await cluster.halt(.fast)
      try await cluster.launch()
      return cluster
    } catch {
      try? await cluster.stop(mode: .immediate)
      throw error
    }
  }

  private static func watchdog(over place: Place) async throws -> Watchdog {
    let farewell: Watchdog.Farewell =
      switch place.configuration.life {
      case .temporary: .removal(of: place.ownDirectories)
      case .persistent: .shutdown(thenRemoving: place.ownDirectories)
      }
    do {
      return try await Watchdog.start(
        over: place.data.path, as: place.account, farewell: farewell)
    } catch {
      for directory in place.ownDirectories {
        try? FileManager.default.removeItem(atPath: directory)
      }
      throw error
    }
  }

  /// Makes the data directory if there is none.
  ///
  /// It gets its name when it is complete, so that an interrupted `initdb` is no data directory.
  private func initialize() async throws {
    guard data.majorVersion == nil else { return }
    guard data.isMissingOrEmpty else { throw ClusterError.notADataDirectory(data.path) }
    let manager = FileManager.default
    let unfinished = data.path + ".unfinished"
    if manager.fileExists(atPath: unfinished) { try manager.removeItem(atPath: unfinished) }
    var options = [
      "--pgdata=\(unfinished)", "--username=postgres", "--auth=trust", "--encoding=UTF8",
      "--locale=C.UTF-8",
    ]
    if case .temporary = configuration.life { options.append("--no-sync") }
    var command = Command(installation.initdb, options, as: account)
    command.limit = .seconds(120)
    try await command.runChecked()
    if manager.fileExists(atPath: data.path) { try manager.removeItem(atPath: data.path) }
    try Files.rename(unfinished, to: data.path)
    log.info("made a PostgreSQL data directory", metadata: ["path": "\(data.path)"])
  }

  /// Starts the server and waits until it takes connections.
  ///
  /// Processes of a killed predecessor take a moment to notice; until then PostgreSQL refuses.
  func launch() async throws {
    let deadline = ContinuousClock.now + .seconds(10)
    while true {
      do {
        return try await launchOnce()
      } catch ClusterError.serverDidNotStart(let text)
        where text.contains("shared memory block") && ContinuousClock.now < deadline
      {
        try await Task.sleep(for: .milliseconds(100))
      }
    }
  }

  private func launchOnce() async throws {
    try data.removeMisleadingLocks(andOfSocket: "\(socketDirectory)/.s.PGSQL.\(port)")
    keepLogSmall()
    let offset = logSize
    var command = Command(
      installation.pgCtl,
      [
        "start", "--pgdata=\(data.path)", "--log=\(logFile)", "--wait",
        "--timeout=\(configuration.startLimit.components.seconds)", "--silent",
        "--options=\(serverOptions)",
      ], as: account)
    command.limit = configuration.startLimit + .seconds(10)
    let outcome = try await command.run()
    guard outcome.succeeded, let processID = data.serverProcessID else {
      let said = logTail(from: offset)
      throw ClusterError.serverDidNotStart(log: said.isEmpty ? outcome.text : said)
    }
    watchdog.watch(processID: processID)
    log.info(
      "PostgreSQL runs",
      metadata: ["pid": "\(processID)", "socket": "\(socketDirectory)", "data": "\(data.path)"])
  }

  /// Stops the server of the data directory, whoever started it, and waits for its end.
  func halt(_ mode: ShutdownMode) async throws {
    guard data.serverProcessID != nil else { return }
    let outcome = try await shutDown(mode)
    guard !outcome.succeeded, data.serverProcessID != nil else { return }
    // A fast shutdown can wait for long, such as for a standby. Nothing committed is lost by force.
    let forced = try await shutDown(.immediate)
    guard forced.succeeded || data.serverProcessID == nil else {
      throw ClusterError.commandFailed(command: installation.pgCtl, output: forced.text)
    }
  }

  private func shutDown(_ mode: ShutdownMode) async throws -> Command.Outcome {
    try await Command(
      installation.pgCtl,
      [
        "stop", "--pgdata=\(data.path)", "--mode=\(mode.rawValue)", "--wait", "--timeout=30",
        "--silent",
      ], as: account
    ).run()
  }

  /// Options for `postgres`, quoted for the shell through which `pg_ctl` starts it.
  private var serverOptions: String {
    var settings = configuration.settings
    settings["listen_addresses"] = configuration.listensOnTCP ? "127.0.0.1" : ""
    settings["port"] = "\(port)"
    // A list, whose elements are quoted like identifiers.
    settings["unix_socket_directories"] = "\"\(socketDirectory)\""
    let options = settings.sorted { $0.key < $1.key }.map { name, value in
      "-c '" + "\(name)=\(value)".replacing("'", with: "'\\''") + "'"
    }
    return options.joined(separator: " ")
  }
}

// MARK: - The server's log

extension PrivateCluster {
  private var logSize: Int {
    let attributes = try? FileManager.default.attributesOfItem(atPath: logFile)
    return attributes?[.size] as? Int ?? 0
  }

  /// One older log is kept; together they stay near twice the limit unless one run writes more.
  private func keepLogSmall(limit: Int = 8 << 20) {
    guard logSize > limit else { return }
    try? Files.rename(logFile, to: logFile + ".1")
  }

  /// The last lines that the server wrote after an offset.
  private func logTail(from offset: Int) -> String {
    guard let data = FileManager.default.contents(atPath: logFile) else { return "" }
    let lines = String(decoding: data.dropFirst(offset), as: UTF8.self).split(separator: "\n")
    return lines.suffix(12).joined(separator: "; ")
  }
}
