import Testing
import TransomPostgres
import TransomService

/// A plan's commands, in order.
private func sql(_ plan: TransactionPlan) -> [String] { plan.steps.map(plan.sql(of:)) }

@Suite struct TransactionPlanTests {
  @Test func `groups are savepoints named by their depth, around their items`() throws {
    let plan = TransactionPlan(
      try decode(
        """
        {"statements": [{"sql": "a"},
          {"savepoint": [{"sql": "b"}, {"savepoint": [{"sql": "c"}], "on_error": "continue"}]},
          {"savepoint": []}, {"sql": "d"}]}
        """))
    #expect(
      sql(plan) == [
        "BEGIN", "a", "SAVEPOINT transom_1", "b", "SAVEPOINT transom_2", "c",
        "RELEASE SAVEPOINT transom_2", "RELEASE SAVEPOINT transom_1", "SAVEPOINT transom_1",
        "RELEASE SAVEPOINT transom_1", "d", sql(plan)[11], "COMMIT",
      ])
    #expect(plan.groups.map(\.depth) == [1, 2, 1])
    #expect(plan.groups.map(\.continuesOnError) == [false, true, false])
    #expect(plan.groups.map { sql(plan)[$0.next] } == ["SAVEPOINT transom_1", sql(plan)[7], "d"])
    #expect(plan.rollbackSQL(of: 1) == "ROLLBACK TO SAVEPOINT transom_2")
  }

  @Test(arguments: [
    #"{"statements": [{"sql": "select 1"}]}"#,
    #"{"row_format": "arrays", "timeout_ms": 9, "statements": [{"sql": "/**/ ;INSERT into t"}]}"#,
    #"{"statements": [{"sql": "with a as (select 1) update t"}, {"sql": "delete from t"}]}"#,
    #"{"statements": [{"sql": "merge into t"}, {"sql": "values (1)"}, {"sql": "table t"}]}"#,
  ])
  func `a transaction that only reads and changes rows needs no BEGIN and COMMIT`(
    _ document: String
  ) throws {
    let plan = TransactionPlan(try decode(document))
    #expect(plan.isImplicit)
    let own: [TransactionPlan.Step] =
      document.contains("select 1\"}]}") ? [.end] : [.identify, .end]
    #expect(plan.steps == plan.statements.indices.map { .statement($0) } + own)
  }

  @Test(arguments: [
    #"{"statements": []}"#,
    #"{"statements": [{"sql": "select 1"}, {"savepoint": []}]}"#,
    #"{"isolation": "read_committed", "statements": [{"sql": "select 1"}]}"#,
    #"{"read_only": true, "statements": [{"sql": "select 1"}]}"#,
    #"{"deferrable": true, "statements": [{"sql": "select 1"}]}"#,
    #"{"dry_run": true, "statements": [{"sql": "select 1"}]}"#,
    #"{"role": "r", "statements": [{"sql": "select 1"}]}"#,
    #"{"settings": {"a.b": "c"}, "statements": [{"sql": "select 1"}]}"#,
    #"{"statements": [{"sql": "select 1"}, {"sql": "lock table t"}]}"#,
    #"{"statements": [{"sql": "vacuum"}]}"#,
    #"{"statements": [{"sql": "call p()"}]}"#,
    #"{"statements": [{"sql": "do $$begin commit; end$$"}]}"#,
    #"{"statements": [{"sql": "execute p"}]}"#,
    #"{"statements": [{"sql": "explain analyze select 1"}]}"#,
    #"{"statements": [{"sql": "set a.b = 'c'"}]}"#,
    #"{"statements": [{"sql": "selects"}]}"#,
    #"{"statements": [{"sql": "(select 1)"}]}"#,
    #"{"statements": [{"sql": ""}]}"#,
  ])
  func `everything else begins and ends with BEGIN and COMMIT`(_ document: String) throws {
    let plan = TransactionPlan(try decode(document))
    #expect(!plan.isImplicit)
    #expect(plan.steps.first == .begin)
    #expect(plan.steps.last == .end)
  }

  @Test func `each step has the pointer of what it came from`() throws {
    let plan = TransactionPlan(
      try decode(
        """
        {"role": "r", "settings": {"a.b": "1", "~/x": "2"}, "statements": [{"sql": "a"},
          {"savepoint": [{"sql": "b"}, {"savepoint": [{"sql": "c"}]}]}, {"sql": "d"}]}
        """))
    #expect(
      plan.steps.map(plan.pointer(of:)) == [
        nil, "/role", "/settings/a.b", "/settings/~0~1x", "/statements/0", "/statements/1",
        "/statements/1/savepoint/0", "/statements/1/savepoint/1",
        "/statements/1/savepoint/1/savepoint/0", "/statements/1/savepoint/1", "/statements/1",
        "/statements/2", nil, nil,
      ])
  }

  @Test func `a savepoint runs in the group around it, its release inside`() throws {
    let plan = TransactionPlan(
      try decode(#"{"statements": [{"savepoint": [{"savepoint": [{"sql": "a"}]}]}]}"#))
    #expect(plan.steps.map(plan.group(of:)) == [nil, nil, 0, 1, 1, 0, nil, nil])
  }

  @Test(arguments: [
    ("", "BEGIN", "COMMIT"),
    (#""isolation": "read_committed","#, "BEGIN ISOLATION LEVEL READ COMMITTED", "COMMIT"),
    (#""isolation": "repeatable_read","#, "BEGIN ISOLATION LEVEL REPEATABLE READ", "COMMIT"),
    (
      #""isolation": "serializable", "read_only": true, "deferrable": true,"#,
      "BEGIN ISOLATION LEVEL SERIALIZABLE READ ONLY DEFERRABLE", "COMMIT"
    ),
    (#""dry_run": true,"#, "BEGIN", "ROLLBACK"),
  ])
  func `BEGIN says what is asked for, and a dry run ends in ROLLBACK`(
    _ fields: String, _ begin: String, _ end: String
  ) throws {
    let plan = TransactionPlan(try decode(#"{\#(fields) "statements": []}"#))
    #expect(sql(plan).first == begin)
    #expect(sql(plan).last == end)
  }

  @Test func `role and settings are parameters, never text of a command`() throws {
    let plan = TransactionPlan(
      try decode(
        """
        {"role": "it's", "settings": {"a.b": "1; drop table t", "c.d": ""},
         "statements": [{"sql": "a", "params": [1, null]}, {"sql": "b", "params": ["x"]}]}
        """))
    let parameters = plan.steps.map { step in
      plan.parameters(of: step).map { plan.parameters.text(at: $0) }
    }
    #expect(
      parameters == [
        [], ["it's"], ["a.b", "1; drop table t"], ["c.d", ""], ["1", nil], ["x"], [], [],
      ])
    #expect(!sql(plan).joined().contains("it's"))
  }

  @Test func `a read-only transaction has its snapshot before anything of the client's`() throws {
    let plan = TransactionPlan(
      try decode(#"{"read_only": true, "role": "r", "statements": [{"sql": "a"}]}"#))
    #expect(plan.steps == [.begin, .snapshot, .role, .statement(0), .end])
  }

  @Test func `groups nest to depth 64`() throws {
    let open = String(repeating: #"{"savepoint":["#, count: 64)
    let close = String(repeating: "]}", count: 64)
    let plan = TransactionPlan(try decode("{\"statements\":[\(open){\"sql\":\"a\"}\(close)]}"))
    #expect(plan.steps.count == 2 + 2 * 64 + 2)
    #expect(sql(plan)[64] == "SAVEPOINT transom_64")
    #expect(
      plan.pointer(of: .statement(0))
        == "/statements/0" + String(repeating: "/savepoint/0", count: 64))
  }

  @Test(arguments: [
    (
      #""statements": [{"sql": "select max(n) from t"}, {"sql": "values (1)"}, {"savepoint": []}]"#,
      false
    ),
    (#""read_only": true, "statements": [{"sql": "delete from t"}]"#, false),
    (#""dry_run": true, "statements": [{"sql": "delete from t"}]"#, false),
    (#""statements": [{"sql": "select 1"}, {"sql": "delete from t"}]"#, true),
    (#""statements": [{"sql": "select f()"}]"#, true),
    (#""statements": [{"sql": "with a as (delete from t) select 1"}]"#, true),
    (#""statements": [{"savepoint": [{"sql": "create table t ()"}]}]"#, true),
  ])
  func `a transaction that may have something to store asks for its id right before its end`(
    _ members: String, _ asks: Bool
  ) throws {
    let plan = TransactionPlan(try decode("{\(members)}"))
    #expect(plan.steps.contains(.identify) == asks)
    if asks { #expect(plan.steps.suffix(2) == [.identify, .end]) }
    #expect(plan.identifying == (asks ? plan.steps.count - 2 : nil))
  }

  private func emitting(_ members: String, endsApart: Bool = false) throws -> TransactionPlan {
    var json = JSONReader()
    let request = try RequestDecoder.decode(
      Array("{\(members)}".utf8).span, with: &json, hooks: .any(in: "default"))
    return TransactionPlan(request, endsApart: endsApart)
  }

  @Test func `the insert of the last event tells the transaction's id`() throws {
    let id = " returning pg_catalog.pg_current_xact_id()"
    let two = try emitting(
      #""statements": [{"sql": "a"}], "on_commit": [{"event": "a"}, {"event": "a", "url": "http://a"}]"#
    )
    #expect(two.steps.suffix(3) == [.emit(hook: 0), .emit(hook: 1), .end])
    #expect(two.identifying == two.steps.count - 2)
    #expect(two.steps.map { two.sql(of: $0).hasSuffix(id) }.suffix(3) == [false, true, false])
    let ofGroup = try emitting(
      #""statements": [{"savepoint": [{"sql": "a"}], "on_commit": [{"event": "a"}]}]"#)
    #expect(
      ofGroup.steps.suffix(4) == [.emit(hook: 0), .release(group: 0), .identify, .end])
    #expect(!ofGroup.steps.contains { ofGroup.sql(of: $0).hasSuffix(id) })
    let apart = try emitting(
      #""statements": [{"sql": "a"}], "on_commit": [{"event": "a"}]"#, endsApart: true)
    #expect(apart.steps.suffix(3) == [.emit(hook: 0), .identify, .end])
    let dry = try emitting(
      #""dry_run": true, "statements": [{"sql": "a"}], "on_commit": [{"event": "a"}]"#)
    #expect(dry.steps.suffix(2) == [.emit(hook: 0), .end] && dry.identifying == nil)
  }

  @Test func `only commands of Transom's own are transaction control`() throws {
    let plan = TransactionPlan(
      try decode(
        #"{"role": "r", "settings": {"a": "b"}, "read_only": true, "#
          + #""statements": [{"savepoint": [{"sql": "a"}]}]}"#))
    #expect(
      plan.steps.map { if case .control = plan.command(of: $0) { true } else { false } }
        == [true, false, false, false, true, false, true, true])
  }
}
