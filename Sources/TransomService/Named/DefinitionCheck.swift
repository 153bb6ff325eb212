internal import Logging
internal import TransomEventLoop
internal import TransomPostgres

/// What is wrong with named transactions: the service does not start with them.
package struct DefinitionFlaws: Error, CustomStringConvertible {
  package let flaws: [String]

  package var description: String {
    "named transactions that cannot run:\n" + flaws.map { "  \($0)" }.joined(separator: "\n")
  }
}

/// Prepares the statements of named transactions on their databases, and compares what PostgreSQL takes the parameters for
/// with what the definitions say. Nothing is run.
struct DefinitionCheck: Sendable {
  enum Finding {
    case sound
    case flaws([String])
    /// The database cannot be asked now.
    case unknown(reason: String)
  }

  let databases: [String: DatabasePool]
  /// Which hooks the transactions may have.
  let hooks: HookRules
  let logger: Logger

  /// How often a database that could not be asked is asked again.
  private static let interval = Duration.seconds(5)
  /// How long the check of one may take. A server that is frozen answers nothing, not even that a statement takes too long.
  private static let limit = Duration.seconds(30)

  /// Checks all of them, and returns those whose database could not be asked.
  ///
  /// - Throws: `DefinitionFlaws`.
  func check(_ transactions: [NamedTransaction]) async throws(DefinitionFlaws) -> [NamedTransaction]
  {
    var flaws: [String] = []
    var unknown: [NamedTransaction] = []
    for (transaction, finding) in await findings(on: transactions) {
      switch finding {
      case .sound: continue
      case .flaws(let found): flaws += found
      case .unknown(let reason):
        unknown.append(transaction)
        logger.warning(
          "a named transaction is not checked yet",
          metadata: ["transaction": "\(transaction.name)", "reason": "\(reason)"])
      }
    }
    guard flaws.isEmpty else { throw DefinitionFlaws(flaws: flaws) }
    return unknown
  }

  /// Checks the rest when it can be, until the task is cancelled. Clients are served meanwhile, and PostgreSQL tells them what
  /// is wrong.
  func checkLater(_ transactions: [NamedTransaction]) async {
    var open = transactions
    while !open.isEmpty {
      guard (try? await Task.sleep(for: Self.interval)) != nil else { return }
      var unknown: [NamedTransaction] = []
      for (transaction, finding) in await findings(on: open) {
        switch finding {
        case .sound:
          logger.info(
            "a named transaction is checked", metadata: ["transaction": "\(transaction.name)"])
        case .flaws(let flaws):
          for flaw in flaws {
            logger.error("a named transaction cannot run", metadata: ["flaw": "\(flaw)"])
          }
        case .unknown: unknown.append(transaction)
        }
      }
      open = unknown
    }
  }

  /// What is found of each of them.
  func findings(on transactions: [NamedTransaction]) async -> [(NamedTransaction, Finding)] {
    var findings: [(NamedTransaction, Finding)] = []
    var down: Set<String> = []
    for transaction in transactions {
      findings.append((transaction, await finding(on: transaction, down: &down)))
    }
    return findings
  }

  /// `down` are the databases that could not be asked a moment ago.
  private func finding(
    on transaction: NamedTransaction, down: inout Set<String>
  ) async -> Finding {
    let request: TransactionRequest
    do {
      var reader = JSONReader()
      request = try RequestDecoder.decode(
        transaction.marked.span, with: &reader, hooks: hooks)
    } catch {
      let place = transaction.source.place(of: error.pointer?.description ?? "")
      return .flaws(["\(place): \(error.detail)"])
    }
    let alias = request.database
    guard let pool = databases[alias] else {
      let place = transaction.source.place(of: "/database")
      return .flaws(["\(place): there is no database \"\(alias)\""])
    }
    // Keys are kept in the database `default` alone.
    if transaction.idempotency == .required, alias != "default", !request.readOnly, !request.dryRun
    {
      let place = transaction.source.place(of: "/database")
      return .flaws([
        "\(place): no Idempotency-Key is kept in \"\(alias)\", but in \"default\" only"
      ])
    }
    guard !down.contains(alias) else { return .unknown(reason: "\(alias) cannot be asked") }
    do {
      let lease = try await pool.lease(onLoop: 0, until: .now + Self.interval)
      let finding = await Self.finding(on: transaction, request, on: lease.connection)
      await lease.release()
      return finding
    } catch {
      down.insert(alias)
      guard case .unreachable(let reason) = error else {
        return .unknown(reason: "no connection to \(alias) can be had")
      }
      return .unknown(reason: reason)
    }
  }

  private static func finding(
    on transaction: NamedTransaction, _ request: TransactionRequest,
    on connection: isolated PostgresConnection
  ) async -> Finding {
    let timer = connection.loop.schedule(at: .now + limit) {
      connection.onLoop {
        $0.cancelRunning()
        $0.close()
      }
    }
    defer { connection.loop.cancel(timer) }
    let session = DefinitionSession(transaction, request)
    do throws(ConnectionError) {
      return try await session.check(on: connection)
    } catch {
      return .unknown(reason: error.description)
    }
  }
}
