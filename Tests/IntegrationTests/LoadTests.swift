import TestSupport
import Testing

@Suite(.timeLimit(.minutes(3))) struct LoadTests {
  private static let clients = 32
  private static let rounds = 20
  private static let accounts = 10

  @Test func `money is neither made nor lost, and each 200 is one row of the log`() async throws {
    try await withDatabase { db in
      try await db.query(
        """
        create table account (id int primary key, balance int not null check (balance >= 0));
        create table log (id int primary key);
        insert into account select id, 100 from generate_series(1, \(Self.accounts)) id
        """)
      let ledger = Ledger()
      try await withService(for: db.connectionString) { service in
        try await withThrowingTaskGroup { tasks in
          for client in 0..<Self.clients {
            tasks.addTask { try await transfer(client, ledger, service) }
          }
          try await tasks.waitForAll()
        }
      }
      #expect(try await db.value("select sum(balance) from account") == "\(Self.accounts * 100)")
      let logged = try await db.query("select id from log order by id").compactMap {
        $0[0].flatMap { Int($0) }
      }
      let committed = ledger.outcomes.filter { $0.value == "committed" }.keys.sorted()
      #expect(logged == committed)
      #expect(ledger.outcomes.count == Self.clients * Self.rounds)
      #expect(committed.count > Self.clients, "hardly anything was committed")
    }
  }

  private func transfer(_ client: Int, _ ledger: Ledger, _ service: Service) async throws {
    let connection = try await service.connect()
    for round in 0..<Self.rounds {
      let number = client * Self.rounds + round
      let kind = Kind.allCases[number % Kind.allCases.count]
      let answer = try await connection.post(Self.transaction(number, kind))
      let comment: Comment = "\(kind) \(number): \(answer.response.text)"
      #expect(answer.status == 200 || answer.status == 409, comment)
      #expect(answer.outcome == (answer.status == 200 ? "committed" : "rolled_back"), comment)
      if kind == .failsAtTheEnd { #expect(answer.status == 409, comment) }
      ledger.note(answer.outcome ?? "none", of: number)
    }
    await connection.close()
  }

  private enum Kind: CaseIterable {
    case plain
    case withFailingGroup
    case failsAtTheEnd
    case repeatableRead
  }

  /// Moves money from one account to another, in the order of their ids, so that no two
  /// transactions wait for each other; and notes itself in the log.
  private static func transaction(_ number: Int, _ kind: Kind) -> String {
    let lower = 1 + number % (accounts - 1)
    let higher = lower + 1 + number / 7 % (accounts - lower)
    let amount = (1 + number * 13 % 30) * (number % 3 == 0 ? -1 : 1)
    var items = [
      add(amount, to: lower), add(-amount, to: higher),
      #"{"sql": "insert into log values ($1)", "params": [\#(number)]}"#,
    ]
    switch kind {
    case .plain, .repeatableRead: break
    case .withFailingGroup:
      // Half a transfer, which the failure further in undoes.
      items.insert(
        """
        {"on_error": "continue", "savepoint": [\(add(1, to: higher)),
          {"savepoint": [\(add(1, to: lower)), {"savepoint": [{"sql": "select 1 / 0"}]}]}]}
        """, at: 2)
    case .failsAtTheEnd:
      items.append(items[2])
    }
    let isolation = kind == .repeatableRead ? "repeatable_read" : "read_committed"
    return """
      {"isolation": "\(isolation)", "max_attempts": 20,
       "statements": [\(items.joined(separator: ",\n"))]}
      """
  }

  private static func add(_ amount: Int, to account: Int) -> String {
    """
    {"sql": "update account set balance = balance + $1 where id = $2", \
    "params": [\(amount), \(account)]}
    """
  }
}
