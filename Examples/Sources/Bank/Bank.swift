import TransomPostgres

/// Moves money between accounts: what an atomic block stores, and what it does not.
///
///     swift run --package-path Examples Bank postgres:///test
@main
struct Bank {
  struct Account: Decodable {
    var owner: String
    var balance: Int
  }

  struct NotEnough: Error {}
  struct NoSuchAccount: Error {}

  let database: Database

  static func main() async throws {
    let url = CommandLine.arguments.dropFirst().first ?? "postgres:///"
    let databases = try Databases(["default": DatabaseConfiguration(url: url)])
    do {
      try await Bank(database: databases.default).run()
    } catch {
      await databases.shutdown()
      throw error
    }
    await databases.shutdown()
  }

  func run() async throws {
    try await database.withConnection { connection in
      try await connection.execute(
        "create temporary table account (owner text primary key, balance int not null)")
      try await connection.executeMany([("Ada", 100), ("Grace", 20)]) {
        "insert into account values (\($0.0), \($0.1))"
      }
      try await move(30, from: "Ada", to: "Grace")
      do {
        try await move(500, from: "Ada", to: "Grace")
      } catch is NotEnough {
        print("Ada has not enough: nothing was moved")
      }
      let accounts = try await connection.query("select * from account order by owner")
      for account in try accounts.decode(as: Account.self) {
        print("\(account.owner): \(account.balance)")
      }
    }
  }

  /// The task's own connection is used, so that the temporary table is there.
  func move(_ amount: Int, from giver: String, to taker: String) async throws {
    try await database.atomic { tx in
      try await tx.onCommit { print("moved \(amount) from \(giver) to \(taker)") }
      let found = try await tx.execute(
        "update account set balance = balance + \(amount) where owner = \(taker)")
      guard found == 1 else { throw NoSuchAccount() }
      let left = try await tx.query(
        "update account set balance = balance - \(amount) where owner = \(giver) returning balance")
      guard try left.only(Int.self) >= 0 else { throw NotEnough() }
    }
  }
}
