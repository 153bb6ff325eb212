import TestSupport

/// Draws transactions on the tables of one worker, whose names end in its number.
struct TransactionGenerator {
  typealias Value = RandomTransaction.Value
  typealias Statement = RandomTransaction.Statement

  private var random: SeededGenerator
  private let worker: Int
  private var transaction = RandomTransaction()
  /// Statements of this transaction that others may refer to, and a column of numbers that each has.
  private var referable: [(id: String, column: String?)] = []

  init(seed: UInt64, worker: Int) {
    random = SeededGenerator(seed: seed)
    self.worker = worker
  }

  /// What the transactions of a worker work on.
  static func schema(ofWorker worker: Int) -> String {
    """
    create table t\(worker) (n int primary key check (n > 0), v int, note text);
    create table parent\(worker) (n int primary key);
    insert into parent\(worker) select generate_series(1, 5);
    create table child\(worker) (n int references parent\(worker) deferrable initially deferred);
    """
  }

  /// One value that tells all that is stored.
  static func contentSQL(ofWorker worker: Int) -> String {
    """
    select json_build_array(
      (select json_agg(t order by n) from t\(worker) t),
      (select json_agg(n order by n) from child\(worker)),
      to_regclass('extra\(worker)') is not null, to_regtype('mood\(worker)') is not null)::text
    """
  }

  mutating func next() -> RandomTransaction {
    transaction = RandomTransaction()
    referable = []
    transaction.isDryRun = chance(8)
    transaction.isReadOnly = chance(4)
    transaction.hasObjects = !chance(30)
    if chance(25) {
      transaction.isolation = pick(["READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"])
    }
    if chance(8) { transaction.settings.append(("app.x", "of the transaction")) }
    if chance(1) { transaction.settings.append(("work_mem", "much")) }
    // Which statements fail: in some transactions none that need not.
    let failures = pick([0, 0, 4, 12])
    var items = items(failures, depth: 0)
    if chance(1), chance(30) {
      transaction.timeout = 1500
      var endless = Statement(sql: "select pg_sleep($1)", runs: [[.number(60)]])
      endless.isEndless = true
      let item = RandomTransaction.Item.statement(endless)
      items.append(chance(50) ? item : .group([item], continues: true))
    }
    transaction.items = items
    return transaction
  }

  private mutating func items(_ failures: Int, depth: Int) -> [RandomTransaction.Item] {
    (0..<Int.random(in: depth == 0 ? 0...6 : 0...4, using: &random)).map { _ in
      if depth < 6, chance(28) {
        return .group(items(failures, depth: depth + 1), continues: chance(60))
      }
      return .statement(chance(failures) ? failing() : statement())
    }
  }

  // MARK: Statements

  private mutating func statement() -> Statement {
    let key = Value.number(Int.random(in: 1...40, using: &random))
    let amount = Value.number(Int.random(in: -9...9, using: &random))
    switch Int.random(in: 0..<24, using: &random) {
    case 0...4:
      return make(
        "insert into t# (n, v) values ($1, $2) returning n, v", [key, amount], numbers: "n")
    case 5...7:
      let note = chance(20) ? Value.null : .text(pick(["", "x", "ä\"\\/~", "a b"]))
      return make(
        """
        insert into t# (n, v, note) values ($1, $2, $3) on conflict (n) do update \
        set v = t#.v + excluded.v, note = excluded.note returning *
        """, [key, amount, note], numbers: "v")
    case 8, 9: return make("update t# set v = v + $1 where n = $2", [amount, key])
    case 10:
      let keys = (0..<Int.random(in: 0...9, using: &random)).map { _ in
        Int.random(in: 1...40, using: &random)
      }
      return make("delete from t# where n = any ($1)", [.numbers(keys)])
    case 11, 12:
      return make(
        "select n, v, note from t# where n >= $1 order by n limit 3", [key], numbers: "n")
    case 13:
      return make(
        """
        select count(*) as c, sum(v) as s, array_agg(n order by n) as ns, \
        json_agg(note order by n) as j, max(n) > 20 as b from t#
        """, [], numbers: "c")
    case 14, 15:
      return make(
        "insert into child# (n) values ($1)", [.number(Int.random(in: 1...5, using: &random))])
    case 16: return make("delete from child# where n = $1", [.number(pick([1, 2, 3, 4, 5, 6, 7]))])
    case 17:
      return make(
        "select $1::int as \"a/b\", $2::text as \"a/b\", $3::bool as b",
        [amount, .text("it's"), .boolean(chance(50))], numbers: "a/b")
    case 18:
      return make(
        "select $1::jsonb as j",
        [Value(json: #"{"k": [1, null, "x"]}"#, text: #"{"k": [1, null, "x"]}"#)])
    case 19: return make("select nullif(current_setting('app.x', true), '') as x", [])
    case 20:
      return make(
        "with gone as (delete from t# where n = $1 returning n) select count(*) as c from gone",
        [key], numbers: "c")
    case 21:
      return make(
        pick([
          "select", "values (1, 'x'), (2, null)", "lock table t# in share mode",
          "select 1 where false",
        ]), [])
    case 22: return catalogue()
    default: return make("set constraints all immediate", [])
    }
  }

  /// What makes, drops or needs a table or a type that may not be there.
  private mutating func catalogue() -> Statement {
    switch Int.random(in: 0..<7, using: &random) {
    case 0: return make("create table extra# (n int)", [])
    case 1: return make("drop table if exists extra#", [])
    case 2: return make("insert into extra# values ($1) returning n", [.number(1)], numbers: "n")
    case 3: return make("create table if not exists extra# (n int)", [])
    case 4:
      transaction.changesTypes = true
      return make("create type mood# as enum ('a', 'b')", [])
    case 5:
      transaction.changesTypes = true
      return make("drop type if exists mood#", [])
    default:
      transaction.changesTypes = true
      return make("select 'a'::mood# as m, array['b'::mood#] as ms", [])
    }
  }

  private mutating func failing() -> Statement {
    switch Int.random(in: 0..<8, using: &random) {
    case 0: return make("select $1::int / $2::int as q", [.number(1), .number(0)])
    case 1: return make("insert into t# (n) values ($1)", [.number(-1)])
    case 2: return make("selec 1", [])
    case 3: return make("select $1::int as i", [.text("abc")])
    case 4: return make("select * from nowhere", [])
    // What only COMMIT refuses.
    case 5: return make("insert into child# (n) values ($1)", [.number(7)])
    case 6:
      return make("do $$ begin raise exception 'no' using errcode = 'ZZ001'; end $$", [])
    default:
      var statement = make("select 1 as one", [])
      statement.expectation = 2...2
      return statement
    }
  }

  /// A statement with that text, `#` being the worker's number; and by lot with an id, as a batch, with references
  /// or with an expectation. `numbers` is a column that holds integers.
  private mutating func make(
    _ sql: String, _ parameters: [Value], numbers column: String? = nil
  ) -> Statement {
    var statement = Statement(
      sql: sql.split(separator: "#", omittingEmptySubsequences: false).joined(
        separator: "\(worker)"),
      runs: [parameters])
    if let first = parameters.indices.first, chance(25), !referable.isEmpty {
      refer(from: &statement, parameter: first)
    }
    if !parameters.isEmpty, chance(10) {
      statement.isBatch = true
      for _ in 0..<Int.random(in: 0...3, using: &random) {
        statement.runs.append(varied(statement))
      }
    }
    if chance(6) {
      statement.expectation = pick([1...1, 0...0, 0...2, 1...5])
    }
    if chance(45) {
      let id = pick(["s", "a/b~", ""]) + "\(referable.count)"
      statement.id = id
      referable.append((id, column))
    }
    return statement
  }

  /// The parameters of a further run.
  private mutating func varied(_ statement: Statement) -> [Value] {
    var parameters = statement.runs[0]
    for (index, value) in parameters.enumerated() {
      if let text = value.text, Int(text) != nil {
        parameters[index] = .number(Int.random(in: 1...40, using: &random))
      }
    }
    return parameters
  }

  private mutating func refer(from statement: inout Statement, parameter: Int) {
    let target = referable[Int.random(in: referable.indices, using: &random)]
    // The first column of rows with numbers is one; and some references lead to nothing.
    let column = transaction.hasObjects ? target.column ?? "n" : "0"
    let path: [String] =
      switch Int.random(in: 0..<8, using: &random) {
      case 0...4: target.column == nil ? ["row_count"] : ["rows", "0", column]
      case 5: ["row_count"]
      case 6: ["rows", "2", "none"]
      default: ["rows", "01", column]
      }
    statement.runs[0][parameter] = .null
    statement.references = [.init(parameter: parameter + 1, id: target.id, path: path)]
  }

  // MARK: Lots

  private mutating func chance(_ percent: Int) -> Bool {
    Int.random(in: 0..<100, using: &random) < percent
  }

  private mutating func pick<Element>(_ list: [Element]) -> Element {
    list[Int.random(in: list.indices, using: &random)]
  }
}
