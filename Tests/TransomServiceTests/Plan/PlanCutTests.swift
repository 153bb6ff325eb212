import Testing
import TransomPostgres
import TransomService

/// Where a plan waits for what came back: as seldom as it can.
@Suite struct PlanCutTests {
  private static let identify = "select pg_catalog.pg_current_xact_id_if_assigned()"

  /// The commands of each pipeline if nothing fails.
  private static func pipelines(_ document: String) throws -> [[String]] {
    let plan = TransactionPlan(try decode(document))
    var pipelines: [[String]] = []
    var next = 0
    while next < plan.steps.count {
      let steps = plan.pipeline(from: next)
      pipelines.append(plan.steps[steps].map(plan.sql(of:)))
      next = steps.upperBound
    }
    return pipelines
  }

  @Test func `a statement that refers to a result waits for it`() throws {
    #expect(
      try Self.pipelines(
        """
        {"statements": [{"id": "a", "sql": "a"}, {"sql": "b"},
          {"sql": "c $1", "refs": {"1": "/a/row_count"}}, {"sql": "d"}]}
        """) == [["BEGIN", "a", "b"], ["c $1", "d", Self.identify, "COMMIT"]])
  }

  @Test func `what comes after an expectation waits for it`() throws {
    #expect(
      try Self.pipelines(
        """
        {"statements": [{"sql": "a"}, {"sql": "b", "expect": {"row_count": 1}},
          {"savepoint": [{"sql": "c", "expect": {"min": 1}}]}, {"sql": "d"}]}
        """) == [
          ["BEGIN", "a", "b"], ["SAVEPOINT transom_1", "c"],
          ["RELEASE SAVEPOINT transom_1", "d", Self.identify, "COMMIT"],
        ])
  }

  @Test func `one cut is enough where two meet`() throws {
    #expect(
      try Self.pipelines(
        """
        {"statements": [{"id": "a", "sql": "a", "expect": {"max": 1}},
          {"sql": "b $1", "refs": {"1": "/a/row_count"}}]}
        """) == [["BEGIN", "a"], ["b $1", Self.identify, "COMMIT"]])
  }

  @Test func `results are looked at before their types can change or vanish`() throws {
    #expect(
      try Self.pipelines(
        """
        {"statements": [{"sql": "select 1"}, {"sql": "create a"}, {"sql": "alter a"}, {"sql": "select 2"},
          {"sql": "/* */ DO $$"}, {"savepoint": [{"sql": "drop a"}, {"sql": "select 3"}, {"sql": "select 4"}]},
          {"sql": "call a()"}]}
        """) == [
          ["BEGIN", "select 1"], ["create a", "alter a", "select 2"],
          ["/* */ DO $$", "SAVEPOINT transom_1", "drop a", "select 3"], ["select 4"],
          ["RELEASE SAVEPOINT transom_1", "call a()", Self.identify, "COMMIT"],
        ])
    #expect(
      try Self.pipelines(#"{"statements": [{"sql": "create a"}, {"sql": "insert into a"}]}"#) == [
        ["BEGIN", "create a", "insert into a"], [Self.identify, "COMMIT"],
      ])
    #expect(
      try Self.pipelines(
        #"{"statements": [{"sql": "set a = b"}, {"savepoint": [{"sql": "select 1"}]}, {"sql": "lock a"}]}"#
      ).count == 1)
  }

  @Test func `what is postponed goes out next`() throws {
    let plan = TransactionPlan(
      try decode(
        """
        {"statements": [{"sql": "select 1"}, {"savepoint": [{"sql": "select 2"}], "on_error": "continue"},
          {"sql": "select 3"}]}
        """
      ))
    var machine = PlanStateMachine(plan)
    // BEGIN, the first SELECT and SAVEPOINT are sent.
    machine.postpone(from: 3)
    #expect(machine.pipeline == .run(0..<3) && machine.isHalfway)
    #expect(machine.fateIfLost == .notStored)
    for _ in 0..<3 { _ = machine.succeeded(tagIsCommit: false) }
    #expect(machine.synced() == .proceed(.run(3..<7)))
    machine.failed(ServerError(sqlState: "22012", message: ""))
    for _ in 0..<3 { machine.skipped() }
    guard case .recover(.recover(group: 0, then: 5..<7), _, depth: 1) = machine.synced() else {
      Issue.record("the group is not undone")
      return
    }
    machine.postpone(from: 5)
    for _ in 0..<2 { _ = machine.succeeded(tagIsCommit: false) }
    #expect(machine.synced() == .proceed(.run(5..<7)))
    _ = machine.succeeded(tagIsCommit: false)
    _ = machine.succeeded(tagIsCommit: true)
    #expect(machine.synced() == .finished(.committed))
  }

  @Test func `what asks before an implicit transaction does not end it`() throws {
    var machine = PlanStateMachine(
      TransactionPlan(try decode(#"{"statements": [{"sql": "select 1"}, {"sql": "select 2"}]}"#)))
    machine.postpone(from: 0)
    #expect(machine.fateIfLost == .notStored)
    #expect(machine.synced() == .proceed(.run(0..<3)))
    #expect(machine.fateIfLost == .unknown)
    let invalid = InvalidParameter(pointer: "/params/0", reason: "")
    machine.parameterFailed(invalid, at: 1)
    #expect(
      machine.synced()
        == .finished(
          .rolledBack(PlanStateMachine.Failure(step: .statement(1), .parameter(invalid)))))
  }

  @Test func `a batch needs none`() throws {
    let document =
      #"{"statements": [{"sql": "insert into t values ($1)", "batch": [[1], [2], [3]]}]}"#
    let plan = TransactionPlan(try decode(document))
    #expect(plan.isImplicit)
    #expect(plan.steps == [.statement(0), .rerun(0, run: 1), .rerun(0, run: 2), .identify, .end])
    #expect(plan.steps.dropLast(2).map(plan.parameters(of:)) == [0..<1, 1..<2, 2..<3])
    #expect(plan.pointer(of: plan.steps[1]) == "/statements/0/batch/1")
    #expect(plan.pipeline(from: 0) == 0..<5)
  }

  @Test func `a connection that is lost before COMMIT went out has stored nothing`() throws {
    let plan = TransactionPlan(
      try decode(#"{"statements": [{"sql": "a", "expect": {"row_count": 1}}]}"#))
    var machine = PlanStateMachine(plan)
    #expect(machine.fateIfLost == .notStored)
    for _ in 0..<2 { _ = machine.succeeded(tagIsCommit: false, rowCount: 1) }
    #expect(machine.synced() == .proceed(.run(2..<4)))
    #expect(machine.fateIfLost == .unknown)
  }

  @Test func `an interruption between two pipelines rolls back`() throws {
    let plan = TransactionPlan(
      try decode(#"{"statements": [{"sql": "a", "expect": {"row_count": 1}}]}"#))
    var machine = PlanStateMachine(plan)
    for _ in 0..<2 { _ = machine.succeeded(tagIsCommit: false, rowCount: 1) }
    #expect(machine.synced(mayProceed: false) == .rollback)
    _ = machine.succeeded(tagIsCommit: false)
    #expect(
      machine.synced()
        == .finished(.rolledBack(PlanStateMachine.Failure(step: nil, .interruption))))
  }
}
