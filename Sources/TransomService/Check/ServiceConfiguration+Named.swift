internal import Logging
internal import TransomEventLoop
internal import TransomPostgres

extension ServiceConfiguration {
  /// Prepares the named transactions on their databases, as the start does; nil: there are none.
  func checkTransactions(logger: Logger) async throws -> CheckReport.Section? {
    guard !transactions.isEmpty else { return nil }
    var section = CheckReport.Section("Named transactions")
    guard !databases.isEmpty else {
      section.add(
        .warning,
        "\(Self.names(transactions)): they will be tried at the start, when there is a database")
      return section
    }
    let group = try EventLoopGroup(count: 1)
    let pools: [String: DatabasePool]
    do {
      pools = try databases.mapValues { try DatabasePool($0.connection, $0.pool, on: group) }
    } catch {
      await group.shutdown()
      throw error
    }
    let hooks = HookRules(
      databases: databases["default"] == nil ? [] : ["default"],
      allowsAddresses: webhooks.allowsAddresses)
    let check = DefinitionCheck(databases: pools, hooks: hooks, logger: logger)
    report(await check.findings(on: transactions), &section)
    for pool in pools.values { await pool.shutdown() }
    await group.shutdown()
    return section
  }

  private func report(
    _ findings: [(NamedTransaction, DefinitionCheck.Finding)],
    _ section: inout CheckReport.Section
  ) {
    var sound: [NamedTransaction] = []
    for (transaction, finding) in findings {
      switch finding {
      case .sound: sound.append(transaction)
      case .unknown(let reason):
        section.add(.warning, "\(transaction.name): it cannot be tried: \(reason)")
      case .flaws(let flaws):
        for flaw in flaws {
          let waits = migrates && flaw.contains(#"schema "transom" does not exist"#)
          section.add(
            waits ? .warning : .problem,
            flaw + (waits ? ": it will be installed at the start, and this tried then" : ""))
        }
      }
    }
    if !sound.isEmpty { section.add(.fine, "\(Self.names(sound)): prepared") }
  }

  private static func names(_ transactions: [NamedTransaction]) -> String {
    transactions.map(\.name).joined(separator: ", ")
  }
}
