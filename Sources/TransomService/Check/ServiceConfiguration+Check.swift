package import Logging
internal import TransomEventLoop
internal import TransomPostgres

extension ServiceConfiguration {
  /// Tries all that can be tried without serving: addresses, databases, rights, schema, named transactions, keys, tokens.
  package func check(logger: Logger) async throws -> [CheckReport.Section] {
    var sections = [try await checkAddresses()]
    for (alias, database) in databases.sorted(by: { $0.key < $1.key }) {
      sections.append(
        await DatabaseCheck(alias: alias, database, installs: migrates, logger: logger).run())
    }
    if let named = try await checkTransactions(logger: logger) { sections.append(named) }
    sections.append(checkKeys())
    if let tokens = await checkTokens() { sections.append(tokens) }
    return sections
  }

  // MARK: Addresses

  private func checkAddresses() async throws -> CheckReport.Section {
    var section = CheckReport.Section("Addresses")
    let group = try EventLoopGroup(count: 1)
    let loop = group.loops[0]
    for (addresses, use) in [(listen, ""), (metricsListen, ", for metrics")] {
      for text in addresses {
        let (grade, found) = await Self.tryToListen(text, socketMode, on: loop)
        section.add(grade, found + use)
      }
    }
    await group.shutdown()
    if isOpen, let address = try? publicAddresses().first {
      section.add(
        .warning,
        "\(address) can be reached by others, and nobody needs a key: they may run any SQL")
    }
    return section
  }

  /// Binds the address for a moment.
  private static func tryToListen(
    _ text: String, _ mode: UInt32, on loop: EventLoop
  ) async -> (CheckReport.Grade, String) {
    do {
      let address = try SocketAddress(parsing: text)
      try await loop.run { () throws(SystemError) in
        try ListeningSocket(listeningOn: address, mode: mode, on: loop).close()
      }
      return (.fine, "\(text) is free")
    } catch let error as SystemError where error.isAddressInUse {
      return (.warning, "\(text) is in use: by this service, if it runs already")
    } catch {
      return (.problem, "\(text): \(error)")
    }
  }

  // MARK: Keys

  private func checkKeys() -> CheckReport.Section {
    var section = CheckReport.Section("Keys")
    if isOpen { section.add(.fine, "none: whoever reaches the service may run any SQL") }
    for key in keys {
      section.add(.fine, "\(key.name): \(Self.words(key.rights, key.limits))")
    }
    return section
  }

  /// What somebody may do.
  static func words(_ rights: Rights, _ limits: RateLimiter.Limits) -> String {
    var words = ["databases \(rights.databases.texts.joined(separator: ", "))"]
    words.append(rights.isReadOnly ? "read-only" : "reads and writes")
    if rights.managesWebhooks { words.append("webhooks") }
    if rights.monitors { words.append("monitoring") }
    if let rate = limits.rate { words.append("\(rate) requests a second") }
    if let concurrency = limits.concurrency { words.append("\(concurrency) at a time") }
    return words.joined(separator: "; ")
  }
}
