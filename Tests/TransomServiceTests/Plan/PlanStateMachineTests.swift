import Testing
import TransomPostgres
import TransomService

/// What each rule of `PlanStateMachine` means, by example.
@Suite struct PlanStateMachineTests {
  private typealias Failure = PlanStateMachine.Failure

  /// Steps: BEGIN, a, [ b, [ c ] d ] e, the id, COMMIT; the outer group continues on error.
  private static let nested = """
    {"statements": [{"sql": "a"},
      {"savepoint": [{"sql": "b"}, {"savepoint": [{"sql": "c"}]}, {"sql": "d"}],
       "on_error": "continue"}, {"sql": "e"}]}
    """

  private static func error(_ code: String = "22012") -> ServerError {
    ServerError(sqlState: SQLState(code), message: "no")
  }

  /// A machine whose first pipeline was answered: successes, then a failure, then all skipped.
  private static func machine(
    _ document: String, failingAt step: Int?, _ error: ServerError = error()
  ) throws -> (PlanStateMachine, TransactionPlan) {
    let plan = TransactionPlan(try decode(document))
    var machine = PlanStateMachine(plan)
    answer(&machine, plan.steps.count, failingAt: step, error)
    return (machine, plan)
  }

  private static func answer(
    _ machine: inout PlanStateMachine, _ count: Int, failingAt failing: Int?,
    _ error: ServerError = error()
  ) {
    for index in 0..<count {
      if let failing, index > failing {
        machine.skipped()
      } else if index == failing {
        machine.failed(error)
      } else {
        _ = machine.succeeded(tagIsCommit: index == count - 1)
      }
    }
  }

  @Test func `without a failure one pipeline is all`() throws {
    let plan = TransactionPlan(try decode(Self.nested))
    var machine = PlanStateMachine(plan)
    #expect(machine.first == .run(0..<plan.steps.count))
    let effects = plan.steps.map { machine.succeeded(tagIsCommit: $0 == .end) }
    #expect(
      effects == [
        .none, .result(statement: 0), .groupBegan(0), .result(statement: 1), .groupBegan(1),
        .result(statement: 2), .groupReleased(1), .result(statement: 3), .groupReleased(0),
        .result(statement: 4), .identified, .none,
      ])
    #expect(machine.synced() == .finished(.committed))
  }

  @Test(arguments: [
    // BEGIN, a and e: no group holds them up.
    (0, nil), (1, "/statements/0"), (9, "/statements/2"),
    // Its SAVEPOINT is not in the group yet.
    (2, "/statements/1"),
  ])
  func `a failure outside of groups that continue undoes everything`(
    _ step: Int, _ pointer: String?
  ) throws {
    var (machine, plan) = try Self.machine(Self.nested, failingAt: step)
    #expect(machine.synced() == .rollback)
    #expect(machine.fateIfLost == .notStored)
    #expect(machine.succeeded(tagIsCommit: false) == .none)
    let failure = Failure(step: plan.steps[step], error: Self.error())
    #expect(machine.synced() == .finished(.rolledBack(failure)))
    #expect(failure.step.flatMap(plan.pointer(of:)) == pointer)
  }

  @Test(arguments: [
    (3, "/statements/1/savepoint/0"), (4, "/statements/1/savepoint/1"),
    (5, "/statements/1/savepoint/1/savepoint/0"), (6, "/statements/1/savepoint/1"),
    (7, "/statements/1/savepoint/2"), (8, "/statements/1"),
  ])
  func `a failure inside, be it of an inner group or its RELEASE, undoes the group that continues`(
    _ step: Int, _ pointer: String
  ) throws {
    var (machine, plan) = try Self.machine(Self.nested, failingAt: step)
    let failure = Failure(step: plan.steps[step], error: Self.error())
    #expect(
      machine.synced() == .recover(.recover(group: 0, then: 9..<12), failed: failure, depth: 1))
    #expect(plan.pointer(of: plan.steps[step]) == pointer)
    #expect(machine.currentFailure == nil)
    let effects = (0..<5).map { machine.succeeded(tagIsCommit: $0 == 4) }
    #expect(effects == [.none, .none, .result(statement: 4), .identified, .none])
    #expect(machine.synced() == .finished(.committed))
  }

  @Test func `the innermost of two groups that continue is undone`() throws {
    let document = #"""
      {"statements": [{"savepoint": [{"savepoint": [{"sql": "a"}], "on_error": "continue"},
        {"sql": "b"}], "on_error": "continue"}]}
      """#
    var (machine, plan) = try Self.machine(document, failingAt: 3)
    let first = Failure(step: .statement(0), error: Self.error())
    #expect(
      machine.synced() == .recover(.recover(group: 1, then: 5..<9), failed: first, depth: 2))
    // ROLLBACK TO, RELEASE, then b, which fails, too.
    Self.answer(&machine, 6, failingAt: 2, Self.error("23505"))
    let second = Failure(step: .statement(1), error: Self.error("23505"))
    #expect(
      machine.synced() == .recover(.recover(group: 0, then: 7..<9), failed: second, depth: 1))
    Self.answer(&machine, 4, failingAt: nil)
    #expect(machine.synced() == .finished(.committed))
    #expect(plan.steps.count == 9)
  }

  @Test func `several groups may fail one after the other`() throws {
    let group = #"{"savepoint": [{"sql": "x"}], "on_error": "continue"}"#
    var (machine, plan) = try Self.machine(
      "{\"statements\": [\(group), \(group), \(group)]}", failingAt: 2)
    for number in 0..<3 {
      let failure = Failure(step: .statement(number), error: Self.error())
      let next = plan.groups[number].next..<plan.steps.count
      #expect(
        machine.synced()
          == .recover(.recover(group: number, then: next), failed: failure, depth: 1))
      Self.answer(&machine, 2 + next.count, failingAt: number < 2 ? 3 : nil)
    }
    #expect(machine.synced() == .finished(.committed))
  }

  @Test(arguments: [0, 1])
  func `if undoing a group fails, everything is undone`(_ command: Int) throws {
    var (machine, _) = try Self.machine(Self.nested, failingAt: 3)
    _ = machine.synced()
    Self.answer(&machine, 4, failingAt: command, Self.error("XX000"))
    #expect(machine.fateIfLost == .notStored)
    #expect(machine.synced() == .rollback)
    _ = machine.succeeded(tagIsCommit: false)
    let failure = Failure(step: nil, error: Self.error("XX000"))
    #expect(machine.synced() == .finished(.rolledBack(failure)))
  }

  @Test func `a group is not gone on from when the time is over`() throws {
    var (machine, _) = try Self.machine(Self.nested, failingAt: 5)
    #expect(machine.synced(mayRecover: false) == .rollback)
  }

  @Test func `a role or setting that is refused undoes everything`() throws {
    let document = #"{"role": "r", "settings": {"a": "b"}, "statements": [{"sql": "a"}]}"#
    for step in [1, 2] {
      var (machine, plan) = try Self.machine(document, failingAt: step)
      #expect(machine.synced() == .rollback)
      #expect(plan.pointer(of: plan.steps[step]) == ["", "/role", "/settings/a"][step])
    }
  }

  @Test func `a COMMIT that is refused has rolled back by itself`() throws {
    let document = #"{"statements": [{"sql": "a"}]}"#
    var (machine, _) = try Self.machine(document, failingAt: 3, Self.error("23503"))
    #expect(machine.synced() == .finished(.commitRefused(Self.error("23503"))))
  }

  @Test func `the command tag decides whether it was a COMMIT`() throws {
    var machine = PlanStateMachine(TransactionPlan(try decode(#"{"statements": []}"#)))
    for _ in 0..<2 { _ = machine.succeeded(tagIsCommit: false) }
    #expect(machine.synced() == .finished(.rolledBackSilently))
  }

  @Test func `a dry run ends in ROLLBACK, and is never in doubt`() throws {
    let plan = TransactionPlan(try decode(#"{"dry_run": true, "statements": [{"sql": "a"}]}"#))
    var machine = PlanStateMachine(plan)
    for _ in plan.steps {
      #expect(machine.fateIfLost == .notStored)
      _ = machine.succeeded(tagIsCommit: false)
    }
    #expect(machine.synced() == .finished(.dryRunRolledBack))
    var (failing, _) = try Self.machine(
      #"{"dry_run": true, "statements": [{"sql": "a"}]}"#, failingAt: 2)
    let failure = Failure(step: .end, error: Self.error())
    #expect(failing.synced() == .finished(.rolledBack(failure)))
  }

  @Test func `a lost connection leaves in doubt only what COMMIT may have stored`() throws {
    let plan = TransactionPlan(try decode(#"{"statements": [{"sql": "a"}]}"#))
    var machine = PlanStateMachine(plan)
    for _ in 0..<3 {
      #expect(machine.fateIfLost == .unknown)
      _ = machine.succeeded(tagIsCommit: false)
    }
    var refused = machine
    #expect(machine.fateIfLost == .unknown)
    _ = machine.succeeded(tagIsCommit: true)
    // All is said, though the sync has not come.
    #expect(machine.fateIfLost == .ended(.committed))
    // An error at COMMIT may come from after it was carried out, such as while it is replicated.
    refused.failed(Self.error("57P01"))
    #expect(refused.fateIfLost == .unknown)
    for step in 0..<3 {
      let (failed, _) = try Self.machine(#"{"statements": [{"sql": "a"}]}"#, failingAt: step)
      #expect(failed.fateIfLost == .notStored)
    }
    let (readOnly, _) = try Self.machine(
      #"{"read_only": true, "statements": []}"#, failingAt: 1)
    #expect(readOnly.fateIfLost == .notStored)
  }

  @Test(arguments: [(0, true), (1, true), (3, false), (5, false), (9, true)])
  func `a connection that is lost is to blame for what a group would have held up`(
    _ step: Int, _ isTold: Bool
  ) throws {
    let (machine, plan) = try Self.machine(Self.nested, failingAt: step)
    let failure = Failure(step: plan.steps[step], error: Self.error())
    #expect(machine.failureIfLost == (isTold ? failure : nil))
  }

  // MARK: Implicit transactions

  private static let implicit = #"{"statements": [{"sql": "select 1"}, {"sql": "select 2"}]}"#

  @Test func `an implicit transaction is committed by the sync`() throws {
    var machine = PlanStateMachine(TransactionPlan(try decode(Self.implicit)))
    #expect(machine.succeeded(tagIsCommit: false) == .result(statement: 0))
    #expect(machine.succeeded(tagIsCommit: false) == .result(statement: 1))
    #expect(machine.fateIfLost == .unknown)
    #expect(machine.synced() == .finished(.committed))
    #expect(machine.fateIfLost == .ended(.committed))
  }

  @Test func `an implicit transaction is rolled back by the failure itself`() throws {
    var machine = PlanStateMachine(TransactionPlan(try decode(Self.implicit)))
    machine.failed(Self.error())
    #expect(machine.fateIfLost == .notStored)
    machine.skipped()
    let failure = Failure(step: .statement(0), error: Self.error())
    #expect(machine.synced() == .finished(.rolledBack(failure)))
  }

  @Test func `what fails at the sync is the commit of an implicit transaction`() throws {
    var machine = PlanStateMachine(TransactionPlan(try decode(Self.implicit)))
    for _ in 0..<2 { _ = machine.succeeded(tagIsCommit: false) }
    machine.failed(Self.error("23503"))
    #expect(machine.synced() == .finished(.commitRefused(Self.error("23503"))))
  }
}
